"""``janiform score-pictures``: the Fréchet inception distance and the CLIP score of a folder of pictures."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import Problem, UsageError
from .measuring import ResultOptions, result_options
from .options import device_option
from .output import echo
from .progress import progress_shown

if TYPE_CHECKING:
    from ..evaluate.fid import Distance
    from ..evaluate.results import Result

NAME = "pictures"
"""The name of these scores in files of results, where others have that of a benchmark."""

_FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("pictures", type=_FOLDER)
@click.option("--reference", type=_FOLDER, metavar="DIR", help="Folder of pictures to measure the distance (FID) to.")
@click.option(
    "--inception",
    type=_FOLDER,
    metavar="FILE",
    help="Inception's weights for FID: pt_inception-2015-12-05-6726825d.pth of pytorch-fid, or torchvision's.",
)
@click.option("--clip", type=_FOLDER, metavar="DIR", help="Folder of a CLIP model of transformers, for the CLIP score.")
@click.option(
    "--prompts",
    type=_FOLDER,
    metavar="DIR|FILE",
    help="Prompts by the names of pictures: a folder of .txt, or a .json, .jsonl, .csv or .tsv. "
    "[default: those in the pictures, or in GenEval's folders]",
)
@click.option(
    "--grid",
    type=click.IntRange(1, 16),
    default=1,
    show_default=True,
    help="Rows and columns of pictures in each file; 2 for the grids of DPG-Bench.",
)
@click.option("--name", help="Name of the model that made the pictures, for the page; default: that of the folder.")
@device_option
@result_options
def command(
    pictures: Path,
    reference: Path | None,
    inception: Path | None,
    clip: Path | None,
    prompts: Path | None,
    grid: int,
    name: str | None,
    device: str,
    written: ResultOptions,
) -> None:
    """Score the pictures in a folder: how far they are from other pictures, and how well they fit their prompts.

    PICTURES is a folder with subfolders, also one that GenEval's or DPG-Bench's scorer reads, or that janiform wrote.
    FID needs --reference and --inception; the CLIP score needs --clip. Nothing is downloaded.
    """
    _check_options(reference, inception, clip, prompts)
    earlier = written.check([NAME])
    from ..measure.device import usable_device

    usable_device(device)
    with progress_shown() as progress:
        distance = resemblance = None
        if clip is not None:
            from ..evaluate.clip import ClipEmbedder
            from ..evaluate.clip_score import clip_score

            embedder, report = ClipEmbedder(clip, device), partial(progress, "comparing with prompts")
            resemblance = clip_score(pictures, prompts, embedder, grid=grid, on_step=report)
        if reference is not None and inception is not None:
            from ..evaluate.fid import fid

            distance = fid(
                pictures,
                reference,
                inception,
                grid=grid,
                device=device,
                on_step=partial(progress, "computing features"),
            )
    title = name or pictures.resolve().name
    results = {NAME: _result(title, distance, resemblance)}
    written.write(results, title)
    written.show(results)
    if not written.as_json and distance is not None:
        echo(_bias_note(distance))
    if not written.as_json and resemblance is not None and (cut := resemblance.settings.get("prompts_cut")):
        echo(f"CLIP reads the beginning of {cut} of {resemblance.settings['prompts']} prompts, which are too long.")
    written.compare(earlier, results, {})


def _check_options(reference: Path | None, inception: Path | None, clip: Path | None, prompts: Path | None) -> None:
    problems = []
    if reference is not None and inception is None:
        hint = "--inception FILE, such as pt_inception-2015-12-05-6726825d.pth of pytorch-fid; nothing is downloaded"
        problems.append(Problem("--reference: FID needs the weights of Inception v3", hint=hint))
    if inception is not None and reference is None:
        problems.append(Problem("--inception: FID needs the pictures to compare with", hint="--reference DIR"))
    if prompts is not None and clip is None:
        problems.append(Problem("--prompts: the CLIP score needs a CLIP model", hint="--clip DIR"))
    if reference is None and clip is None and not problems:
        hint = "give --reference DIR --inception FILE for FID, --clip DIR for the CLIP score, or both"
        problems.append(Problem("nothing to measure", hint=hint))
    if problems:
        raise UsageError(problems)


def _result(title: str, distance: Distance | None, resemblance: Any) -> Result:
    """The scores in the form of an evaluation, with what they were measured by."""
    import torch

    from .. import __version__
    from ..contracts import Metric, Score
    from ..evaluate.clip_score import METRIC
    from ..evaluate.results import Result

    scores: dict[str, Score] = {}
    settings: dict[str, Any] = {"benchmark": NAME, "model": title}
    for name, part in {"fid": distance, "clip": resemblance}.items():
        if part is not None:
            settings |= {"predictions": dict(part.drawn), name: dict(part.settings)}
    if distance is not None:
        scores[f"{NAME}.fid"] = distance.score
        if distance.bias is not None:
            scores[f"{NAME}.fid_bias"] = Score(distance.bias, distance.score.count)
    if resemblance is not None:
        scores[METRIC] = resemblance.score
    metrics = {name: Metric("up" if name == METRIC else "down") for name in scores}
    settings |= {"janiform": __version__, "torch": torch.__version__}
    return Result(scores, metrics, settings, resemblance.items if resemblance is not None else ())


def _bias_note(distance: Distance) -> str:
    """How much of a distance the number of pictures explains, in words."""
    numbers = distance.settings["pictures"], distance.settings["reference"]["pictures"]
    counted = f"FID of {numbers[0]} pictures to {numbers[1]}"
    compare = "Compare it only with distances of as many pictures."
    if distance.bias is None:
        return f"{counted}: far too few to mean anything; published distances mostly use 10,000 to 50,000. {compare}"
    features = distance.settings["features"]
    few = min(numbers) <= features
    least = "at least " if few else "about "
    why = f", since one set has no more pictures than the {features} features" if few else ""
    share = f"{least}{max(0.0, distance.bias):.1f} of {distance.score.value:.1f} comes from the number of pictures{why}"
    return f"{counted}: {share}. {compare}"
