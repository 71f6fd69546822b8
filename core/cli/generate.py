"""``janiform generate``: pictures from a prompt, each as a PNG that holds how it was drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click
from click.core import ParameterSource

from ..errors import Problem, UsageError
from .options import load_options, opened, sampler_option
from .output import echo, json_option, print_json
from .outputs import ready_folder, stem_of, write_new
from .progress import progress_shown
from .redraw import DrawingRequest, changes, check_sources, compared, device_of, kernel_of, recorded_sampler
from .report import note
from .sampler_options import SamplerCommand, sampler_settings

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..inference.api import Model
    from ..inference.memory import MemoryPlan
    from ..pictures.provenance import Provenance


@click.command(cls=SamplerCommand)
@click.argument("model")
@click.argument("prompt", required=False)
@click.option(
    "--image",
    "images",
    metavar="PICTURE",
    multiple=True,
    help="Picture to draw from, such as one to change; may be repeated. With --like, the one that was drawn from.",
)
@click.option("--like", metavar="PICTURE", help="Redraw a picture from the settings stored in its metadata.")
@click.option("--n", type=click.IntRange(1, 10_000), help="Number of pictures. [default: 1, or that of --like]")
@click.option(
    "--seed",
    type=click.IntRange(0),
    help="Random seed of the first picture, counted up by one. [default: 0, or that of --like]",
)
@click.option(
    "--think",
    is_flag=True,
    help="The model first writes what it is going to draw; for models that were trained so. With --like, what it wrote "
    "then is taken.",
)
@click.option(
    "--latents",
    is_flag=True,
    help="Write what is drawn before it is decoded, codes or latents, as one NumPy file instead of pictures.",
)
@click.option("--pathway", help="The pathway that draws, where the recipe has several.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("pictures"), show_default=True, help="Folder for the files."
)
@sampler_option
@load_options
@json_option
def command(
    model: str,
    prompt: str | None,
    images: tuple[str, ...],
    like: str | None,
    latents: bool,
    out: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """Draw pictures from PROMPT and the pictures of --image, or redraw the picture of --like.

    MODEL is the name of a recipe with shipped weights, or the folder of a model or a finished run. Settings that are
    not given are the recipe's, or those of the picture of --like. Existing files are kept: new ones get the next free
    number. The settings of the model's sampler are options as well; "janiform generate MODEL --help" lists them.
    """
    request = DrawingRequest(
        prompt,
        options.pop("n"),
        options.pop("seed"),
        options.pop("pathway"),
        sampler_settings(options),
        options.pop("think"),
    )
    sources = _read(images)
    if like is None and prompt is None:
        raise UsageError(Problem("there is nothing to draw", hint="give a prompt in quotes, or --like PICTURE"))
    if latents:
        if like is not None:
            raise UsageError("--latents and --like exclude each other: a picture is compared with one that is decoded")
        _generate_latents(model, request, sources, options, out, as_json)
    elif like is None:
        _generate(model, request, sources, options, out, as_json)
    else:
        _redraw(model, request, like, sources, options, out, as_json)


def _read(images: Sequence[str]) -> list[Image]:
    """The pictures to draw from."""
    if not images:
        return []
    from ..pictures.read import read_picture

    return [read_picture(path) for path in images]


def _generate(
    model: str, request: DrawingRequest, sources: list[Image], load_settings: dict[str, Any], out: Path, as_json: bool
) -> None:
    ready_folder(out)
    loaded = opened(model, **load_settings, only=None if sources else "draw")
    pictures, sheet = _drawn(loaded, request, sources)
    _write(out, pictures, sheet, {"model": loaded.name}, as_json)


def _generate_latents(
    model: str, request: DrawingRequest, sources: list[Image], load_settings: dict[str, Any], out: Path, as_json: bool
) -> None:
    """Write the codes or latents of the pictures as one array [n, N, d] or [n, N, C]."""
    import io

    import numpy as np

    ready_folder(out)
    loaded = opened(model, **load_settings, only=None if sources else "draw")
    prompt, n, seed = request.prompt or "", request.n or 1, request.seed or 0
    with progress_shown() as progress:
        drawn = loaded.generate_codes(
            prompt,
            n,
            pictures=sources,
            seed=seed,
            pathway=request.pathway,
            on_step=lambda done, of: progress("drawing", done, of),
            on_plan=_announce,
            **request.settings,
        )
    data = io.BytesIO()
    np.save(data, drawn.numpy())
    path = write_new(out, stem_of(prompt), "npy", data.getvalue())
    if as_json:
        print_json({"latents": path, "shape": list(drawn.shape), "model": loaded.name, "prompt": prompt, "seed": seed})
        return
    echo(str(path))


def _redraw(
    model: str,
    request: DrawingRequest,
    like: str,
    sources: list[Image],
    load_settings: dict[str, Any],
    out: Path,
    as_json: bool,
) -> None:
    """Draw what a picture holds in its metadata, and report what has changed since."""
    from ..inference.generate.sampler import check_settings, sampler_use
    from ..pictures.provenance import provenance_of

    provenance = provenance_of(like)
    check_sources(provenance, sources)
    same_request = request.empty
    request = request.completed(provenance)
    load_settings["dtype"] = load_settings["dtype"] or provenance.dtype
    load_settings["quantize"] = load_settings["quantize"] or provenance.quantize or None
    source_of = click.get_current_context().get_parameter_source
    notes: list[str] = []
    if source_of("device") is ParameterSource.DEFAULT:
        load_settings["device"], notes = device_of(provenance)
    if source_of("attention") is ParameterSource.DEFAULT:
        load_settings["attention"] = kernel_of(provenance, load_settings)
    load_settings["sampler"] = load_settings["sampler"] or recorded_sampler(provenance, model)
    ready_folder(out)
    loaded = opened(model, **load_settings, only=None if sources else "draw")
    request, missing = request.with_settings(provenance, loaded.drawing_settings(request.pathway))
    pathway = loaded.pathway("draw", request.pathway)
    check_settings(sampler_use(loaded.model.plan, pathway), request.settings)
    notes += [*changes(provenance, loaded, pathway), *missing]
    for sentence in notes:
        note(sentence)
    pictures, sheet = _drawn(loaded, request, sources)
    same = _compared(like, sheet or pictures[0]) if same_request else None
    facts = {"model": loaded.name, "like": {"picture": like, "changes": notes, "same": same}}
    _write(out, pictures, sheet, facts, as_json)


def _drawn(model: Model, request: DrawingRequest, sources: list[Image]) -> tuple[list[Image], Image | None]:
    """The pictures, and a contact sheet where they are several."""
    from ..pictures.provenance import attach, provenance_of
    from ..pictures.sheet import contact_sheet

    prompt, n, seed = request.prompt or "", request.n or 1, request.seed or 0
    with progress_shown() as progress:
        pictures = model.generate(
            prompt,
            n,
            pictures=sources,
            seed=seed,
            think=request.think,
            pathway=request.pathway,
            on_step=lambda done, of: progress("drawing", done, of),
            on_plan=_announce,
            **request.settings,
        )
    if n == 1:
        return pictures, None
    sheet = contact_sheet(pictures, [f"seed {seed + number}" for number in range(n)])
    of_first = provenance_of(pictures[0])
    return pictures, attach(sheet, attrs.evolve(of_first, count=n))


def _compared(like: str, drawn: Image) -> bool:
    from ..pictures.read import read_picture

    same, sentence = compared(read_picture(like), drawn)
    note(sentence)
    return same


def _write(out: Path, pictures: list[Image], sheet: Image | None, facts: dict[str, Any], as_json: bool) -> None:
    from ..pictures.provenance import png_bytes, provenance_of

    provenance: Provenance = provenance_of(pictures[0])
    if provenance.thought and not as_json:
        note(f"thought: {provenance.thought}")
    stem = stem_of(provenance.prompt)
    paths = [write_new(out, stem, "png", png_bytes(picture)) for picture in pictures]
    sheet_path = None if sheet is None else write_new(out, f"{stem}-sheet", "png", png_bytes(sheet))
    if as_json:
        drawn = {**attrs.asdict(provenance), "count": len(pictures)}
        print_json({"pictures": paths, "sheet": sheet_path, **facts, **drawn})
        return
    for path in paths if sheet_path is None else [*paths, sheet_path]:
        echo(str(path))


def _announce(plan: MemoryPlan) -> None:
    if plan.rounds > 1:
        echo(str(plan), err=True)
