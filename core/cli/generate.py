"""``janiform generate``: pictures from a prompt, each as a PNG that says how it was made."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import device_option, dtype_option
from .output import json_option, print_json
from .outputs import ready_folder, stem_of, write_new
from .progress import progress_shown

if TYPE_CHECKING:
    from PIL.Image import Image


@click.command()
@click.argument("model")
@click.argument("prompt")
@click.option("--n", type=click.IntRange(1, 10_000), default=1, show_default=True, help="How many pictures.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the first; counted up.")
@click.option("--guidance", type=float, help="How closely to keep to the prompt; 1 is none.")
@click.option("--temperature", type=float, help="0 takes the likeliest code always.")
@click.option("--top-k", type=int, help="Choose among so many likeliest codes; 0 among all.")
@click.option("--pathway", help="The pathway that draws, where the recipe has several.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("pictures"), show_default=True, help="Folder for the files."
)
@device_option
@dtype_option
@json_option
def command(
    model: str,
    prompt: str,
    n: int,
    seed: int,
    guidance: float | None,
    temperature: float | None,
    top_k: int | None,
    pathway: str | None,
    out: Path,
    device: str,
    dtype: str | None,
    as_json: bool,
) -> None:
    """Draw pictures from PROMPT.

    MODEL is the name of a recipe with shipped weights, or the folder of a model or a finished run. What is not set here
    is as the recipe says. Files that are there already are kept: new ones are numbered on.
    """
    ready_folder(out)
    from ..api import load
    from ..pictures import contact_sheet

    loaded = load(model, device=device, dtype=dtype)
    settings = loaded.drawing_settings(pathway, guidance=guidance, temperature=temperature, top_k=top_k)
    with progress_shown() as progress:
        pictures = loaded.generate(
            prompt,
            n,
            seed=seed,
            guidance=guidance,
            temperature=temperature,
            top_k=top_k,
            pathway=pathway,
            on_step=lambda done, of: progress("drawing", done, of),
        )
    about = {"model": loaded.name, "weights_sha256": loaded.digest, "prompt": prompt, **settings}
    paths = [
        write_new(out, stem_of(prompt), "png", _png(picture, {**about, "seed": seed + number}))
        for number, picture in enumerate(pictures)
    ]
    sheet = None
    if n > 1:
        captions = [f"seed {seed + number}" for number in range(n)]
        data = _png(contact_sheet(pictures, captions), {**about, "seeds": [seed, seed + n - 1]})
        sheet = write_new(out, f"{stem_of(prompt)}-sheet", "png", data)
    if as_json:
        print_json({"pictures": paths, "sheet": sheet, **about, "seed": seed})
        return
    for path in paths if sheet is None else [*paths, sheet]:
        click.echo(str(path))


def _png(picture: Image, about: dict[str, Any]) -> bytes:
    """The picture as PNG, with its prompt as description and everything that it takes to draw it again as JSON."""
    from PIL.PngImagePlugin import PngInfo

    from .. import __version__

    facts = PngInfo()
    facts.add_itxt("Description", str(about["prompt"]))
    facts.add_text("Software", f"janiform {__version__}")
    facts.add_itxt("janiform", json.dumps({"janiform": __version__, **about}, ensure_ascii=False))
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", pnginfo=facts)
    return buffer.getvalue()
