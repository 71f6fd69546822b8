"""The CLIP score: how well pictures fit their prompts, or resemble other pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from attrs import frozen
from PIL.Image import Image
from torch import Tensor

from ..contracts import Item, OnStep, Score
from ..errors import Problem, UsageError
from .intervals import mean_score
from .picture_folders import FolderPicture, described_folder, pictures_in
from .picture_prompts import prompts_of

METRIC = "pictures.clip"

_AT_ONCE = 32


@frozen(eq=False)
class Resemblance:
    """A CLIP score with its items. ``drawn``: the record of the pictures; ``settings``: of everything else."""

    score: Score
    items: tuple[Item, ...]
    drawn: Mapping[str, Any]
    settings: Mapping[str, Any]


class Embedder(Protocol):
    """Directions of pictures and texts in one space, of length 1; see ``ClipEmbedder``."""

    @property
    def settings(self) -> Mapping[str, Any]: ...

    def pictures(self, pictures: Sequence[Image]) -> Tensor: ...

    def texts(self, texts: Sequence[str]) -> Tensor: ...

    def cut(self, texts: Sequence[str]) -> int:
        """The number of texts of which only the beginning is read."""


def clip_score(
    pictures: Path, prompts: Path | None, embedder: Embedder, *, grid: int = 1, on_step: OnStep | None = None
) -> Resemblance:
    """The CLIP score: the mean of 100 · max(0, cosine) over pictures and their prompts.

    ``prompts``: a folder with a ``.txt`` for each picture, or a table or a JSON file of names and prompts
    (``picture_prompts``). None takes those that the pictures, or GenEval's folders, tell. ``grid``: rows and
    columns of pictures in each file. CLIPScore (arXiv:2104.08718) is 2.5 · max(0, cosine), which is this score / 40.
    Pictures of one prompt are one cluster of the interval.

    Raises ``UsageError`` where names differ, and ``PictureError`` for a file that is not a picture.
    """
    chosen = pictures_in(pictures, grid)
    texts = prompts_of(chosen, prompts)
    items: list[Item] = []
    for start in range(0, len(chosen), _AT_ONCE):
        part, own = chosen[start : start + _AT_ONCE], texts[start : start + _AT_ONCE]
        cosines = _cosines(embedder.pictures([picture.read() for picture in part]), embedder.texts(own))
        rows = zip(part, own, cosines, strict=True)
        items += [Item(METRIC, picture.item, text, 100 * cosine, text) for picture, text, cosine in rows]
        if on_step is not None:
            on_step(len(items), len(chosen))
    cut = embedder.cut(sorted(set(texts)))
    settings = {"prompts": len(set(texts)), **({"prompts_cut": cut} if cut else {}), **embedder.settings}
    return Resemblance(mean_score(items), tuple(items), described_folder(chosen), settings)


def clip_similarity(first: Path, second: Path, embedder: Embedder, *, on_step: OnStep | None = None) -> Resemblance:
    """The mean of 100 · max(0, cosine) over pairs of pictures with the same names in two folders.

    Raises ``UsageError`` where names differ, and ``PictureError`` for a file that is not a picture.
    """
    chosen, others = (_by_name(folder, pictures_in(folder)) for folder in (first, second))
    faults = {second: sorted(chosen.keys() - others), first: sorted(others.keys() - chosen)}
    problems = [
        Problem(f"'{folder}' lacks {len(absent)} of the other folder's names: {', '.join(absent[:5])}")
        for folder, absent in faults.items()
        if absent
    ]
    if problems:
        raise UsageError(problems)
    items: list[Item] = []
    names = sorted(chosen)
    for start in range(0, len(names), _AT_ONCE):
        part = names[start : start + _AT_ONCE]
        sides = [embedder.pictures([side[name].read() for name in part]) for side in (chosen, others)]
        items += [Item(METRIC, name, name, 100 * cosine) for name, cosine in zip(part, _cosines(*sides), strict=True)]
        if on_step is not None:
            on_step(len(items), len(names))
    settings = {"reference": described_folder(list(others.values())), **embedder.settings}
    return Resemblance(mean_score(items), tuple(items), described_folder(list(chosen.values())), settings)


def _cosines(first: Tensor, second: Tensor) -> list[float]:
    cosines: list[float] = (first * second).sum(-1).clamp(0, 1).double().tolist()
    return cosines


def _by_name(folder: Path, pictures: Sequence[FolderPicture]) -> dict[str, FolderPicture]:
    """Pictures by their names without extensions. Raises ``UsageError`` where two have the same."""
    named: dict[str, FolderPicture] = {}
    for picture in pictures:
        if picture.name in named:
            both = f"{named[picture.name].path.name} and {picture.path.name}"
            raise UsageError(f"'{folder}' holds {both}; a name must not repeat")
        named[picture.name] = picture
    return named
