"""Other models that belong to one, in folders of their own, and the sizes of networks without a config."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count, takewhile
from pathlib import Path

from janiform import Problem, StorageError

Shapes = Mapping[str, tuple[int, ...]]
"""Shapes of tensors by their names in files."""


def folder_beside(folder: Path, name: str, content: str) -> Path:
    """The folder ``name`` within a model's folder or beside it. Raises ``StorageError`` where there is none.

    ``content``: what must be put into it.
    """
    places = (folder / name, folder.absolute().parent / name)
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise StorageError(
            Problem(f"{folder} has no folder {name}", hint=f"put {content} into {places[0]} or {places[1]}")
        )
    return found


def number_of(shapes: Shapes, name: str) -> int:
    """The number of modules whose tensor ``name`` exists, which has ``{}`` at the place of their index."""
    return sum(1 for _ in takewhile(lambda index: name.format(index) in shapes, count()))


def levels_of(shapes: Shapes, levels: str, channels: int) -> tuple[list[int], list[int]]:
    """Widths of an autoencoder's levels in multiples of ``channels``, and their numbers of residual blocks.

    ``levels``: where they stand, as in ``encoder.down``. Raises ``KeyError`` where there are none.
    """
    first = levels + ".{}.block.0.conv1.weight"
    found = range(number_of(shapes, first))
    if not found:
        raise KeyError(levels)
    widths = [shapes[first.format(level)][0] // channels for level in found]
    return widths, [number_of(shapes, f"{levels}.{level}.block.{{}}.conv1.weight") for level in found]
