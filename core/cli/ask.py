"""``janiform ask``: a question about pictures, answered."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import Problem, UsageError
from .options import device_option, dtype_option
from .output import json_option, print_json

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")


@click.command()
@click.argument("model")
@click.argument("pictures", nargs=-1)
@click.argument("question")
@click.option(
    "--max-new-tokens", type=click.IntRange(1), help="The longest answer; what the context allows, up to 256."
)
@click.option("--temperature", type=float, default=0.0, show_default=True, help="0 gives the likeliest answer.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="For temperatures above 0.")
@click.option("--pathway", help="The pathway that looks, where the recipe has several.")
@device_option
@dtype_option
@json_option
def command(
    model: str,
    pictures: tuple[str, ...],
    question: str,
    max_new_tokens: int | None,
    temperature: float,
    seed: int,
    pathway: str | None,
    device: str,
    dtype: str | None,
    as_json: bool,
) -> None:
    """Answer QUESTION about one or several PICTURES, or about none.

    MODEL is the name of a recipe with shipped weights, or the folder of a model or a finished run.
    """
    if question.lower().endswith(_SUFFIXES):
        raise UsageError(Problem(f"'{question}' is a picture; the question comes last", hint="put it in quotes"))
    for path in pictures:
        if not path.lower().endswith(_SUFFIXES) and not Path(path).exists():
            raise UsageError(Problem(f"there is no picture '{path}'", hint="put the question in quotes"))
    from ..pictures import read_picture

    seen = [read_picture(Path(path)) for path in pictures]  # before the model, which takes longer to load
    from ..api import load

    loaded = load(model, device=device, dtype=dtype)
    answer = loaded.ask(
        seen, question, max_new_tokens=max_new_tokens, temperature=temperature, seed=seed, pathway=pathway
    )
    if as_json:
        print_json({"answer": answer, "question": question, "pictures": list(pictures), "model": loaded.name})
    else:
        click.echo(answer)
