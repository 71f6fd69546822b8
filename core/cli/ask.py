"""``janiform ask``: the answer to a question about pictures."""

from __future__ import annotations

from typing import Any

import click

from ..errors import Problem, UsageError
from .options import load_options, opened
from .output import echo, json_option, print_json, stdout
from .paths import exists, named_as_picture


@click.command()
@click.argument("model")
@click.argument("pictures", nargs=-1)
@click.argument("question")
@click.option(
    "--max-new-tokens",
    type=click.IntRange(1),
    help="Most tokens of the answer. [default: 256, or what the context holds]",
)
@click.option("--temperature", type=float, default=0.0, show_default=True, help="Sampling temperature; 0 is greedy.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Random seed, for temperatures above 0."
)
@click.option("--stop", multiple=True, help="Text before which the answer ends; may be repeated.")
@click.option("--pathway", help="The pathway that looks, where the recipe has several.")
@load_options
@json_option
def command(
    model: str,
    pictures: tuple[str, ...],
    question: str,
    max_new_tokens: int | None,
    temperature: float,
    seed: int,
    stop: tuple[str, ...],
    pathway: str | None,
    as_json: bool,
    **load_settings: Any,
) -> None:
    """Answer QUESTION about one or several PICTURES, or about none. A terminal shows the answer as it is generated.

    MODEL is the name of a recipe with shipped weights, or the folder of a model or a finished run.
    """
    if named_as_picture(question) and (exists(question) or " " not in question):
        raise UsageError(
            Problem(f"'{question}' is a picture; the question comes last", hint="put the question in quotes")
        )
    from ..pictures.read import is_address, read_picture

    for path in pictures:
        if not named_as_picture(path) and not is_address(path) and not exists(path):
            raise UsageError(Problem(f"there is no picture '{path}'", hint="put the question in quotes"))
    rgb = [read_picture(path) for path in pictures]  # before the model, which takes longer to load
    loaded = opened(model, **load_settings, only="look")
    streams = stdout().isatty() and not as_json
    answer = loaded.ask(
        rgb,
        question,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        seed=seed,
        stop=stop,
        pathway=pathway,
        on_text=(lambda text: echo(text, end="")) if streams else None,
    )
    if as_json:
        print_json({"answer": answer, "question": question, "pictures": list(pictures), "model": loaded.name})
    else:
        echo("" if streams else answer)
