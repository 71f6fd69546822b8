"""``janiform generate``: pictures from a prompt, each as a PNG that says how it was made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click
from click.core import ParameterSource

from ..errors import Problem, UsageError
from .like import Order, changes, compared, kernel_of, place_of
from .options import load_options, opened
from .output import json_option, print_json
from .outputs import ready_folder, stem_of, write_new
from .progress import progress_shown
from .report import note

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..inference.api import Model
    from ..inference.memory import MemoryPlan
    from ..pictures import Making


@click.command()
@click.argument("model")
@click.argument("prompt", required=False)
@click.option("--like", metavar="PICTURE", help="Draw a picture again, from what it says about how it was drawn.")
@click.option("--n", type=click.IntRange(1, 10_000), help="How many pictures; 1 where --like does not say.")
@click.option("--seed", type=click.IntRange(0), help="Seed of the first, counted up; 0 where --like does not say.")
@click.option("--guidance", type=float, help="How closely to keep to the prompt; 1 is none.")
@click.option("--temperature", type=float, help="0 takes the likeliest code always.")
@click.option("--top-k", type=int, help="Choose among so many likeliest codes; 0 among all.")
@click.option("--pathway", help="The pathway that draws, where the recipe has several.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("pictures"), show_default=True, help="Folder for the files."
)
@load_options
@json_option
def command(
    model: str,
    prompt: str | None,
    like: str | None,
    n: int | None,
    seed: int | None,
    pathway: str | None,
    out: Path,
    as_json: bool,
    guidance: float | None,
    temperature: float | None,
    top_k: int | None,
    **how: Any,
) -> None:
    """Draw pictures from PROMPT, or one again that was drawn before.

    MODEL is the name of a recipe with shipped weights, or the folder of a model or a finished run. What is not set here
    is as the recipe says, or as it was for the picture of --like. Files that are there already are kept: new ones are
    numbered on.
    """
    settings = {"guidance": guidance, "temperature": temperature, "top_k": top_k}
    asked = Order(prompt, n, seed, pathway, {name: value for name, value in settings.items() if value is not None})
    if like is None and prompt is None:
        raise UsageError(Problem("there is nothing to draw", hint="give a prompt in quotes, or --like a picture"))
    made = None
    notes: list[str] = []
    order = asked
    if like is not None:
        from ..pictures import making_of

        made = making_of(like)
        order = asked.like(made)
        how["dtype"] = how["dtype"] or made.dtype
        how["quantize"] = how["quantize"] or made.quantize or None
        source_of = click.get_current_context().get_parameter_source
        if source_of("device") is ParameterSource.DEFAULT:
            how["device"], notes = place_of(made)
        if source_of("attention") is ParameterSource.DEFAULT:
            how["attention"] = kernel_of(made, how)
    ready_folder(out)
    loaded = opened(model, **how, only="draw")
    if made is not None:
        order, lost = order.with_settings(made, loaded.drawing_settings(order.pathway))
        notes += [*changes(made, loaded), *lost]
        for sentence in notes:
            note(sentence)
    pictures, sheet = _drawn(loaded, order)
    said: dict[str, Any] = {}
    if made is not None and like is not None:
        said = {"like": {"picture": like, "changes": notes, "same": None}}
        if asked.empty:
            said["like"]["same"] = _compared(like, sheet or pictures[0])
    _write(out, pictures, sheet, {"model": loaded.name, **said}, as_json)


def _drawn(model: Model, order: Order) -> tuple[list[Image], Image | None]:
    """The pictures, and a contact sheet where they are several."""
    from ..pictures import attach, contact_sheet

    prompt, n, seed = order.prompt or "", order.n or 1, order.seed or 0
    with progress_shown() as progress:
        pictures = model.generate(
            prompt,
            n,
            seed=seed,
            pathway=order.pathway,
            on_step=lambda done, of: progress("drawing", done, of),
            **order.settings,
            on_plan=_announce,
        )
    if n == 1:
        return pictures, None
    sheet = contact_sheet(pictures, [f"seed {seed + number}" for number in range(n)])
    return pictures, attach(sheet, model.making(prompt, seed, order.settings, pathway=order.pathway, count=n))


def _compared(like: str, drawn: Image) -> bool:
    from ..pictures import read_picture

    same, sentence = compared(read_picture(like), drawn)
    note(sentence)
    return same


def _write(out: Path, pictures: list[Image], sheet: Image | None, said: dict[str, Any], as_json: bool) -> None:
    from ..pictures import making_of, png_bytes

    making: Making = making_of(pictures[0])
    stem = stem_of(making.prompt)
    paths = [write_new(out, stem, "png", png_bytes(picture)) for picture in pictures]
    sheet_path = None if sheet is None else write_new(out, f"{stem}-sheet", "png", png_bytes(sheet))
    if as_json:
        facts = {**attrs.asdict(making), "count": len(pictures)}
        print_json({"pictures": paths, "sheet": sheet_path, **said, **facts})
        return
    for path in paths if sheet_path is None else [*paths, sheet_path]:
        click.echo(str(path))


def _announce(plan: MemoryPlan) -> None:
    if plan.rounds > 1:
        click.echo(str(plan), err=True)
