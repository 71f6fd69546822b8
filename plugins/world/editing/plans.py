"""Edits in words: what changes and where, which a model may write before it draws the picture."""

from itertools import zip_longest

from ..phrases import describe
from ..placement import cell_of
from ..scene import Object
from .edit import Edit

NOTHING = "nothing"
"""What an object that is added was before, and what one that is removed becomes."""


def plan_edit(edit: Edit) -> str:
    """Write every object that changes, before and after: ``"small red circle 2 5 becomes small blue circle 2 5"``.

    The numbers are the row and column of the square of the lattice where its box begins, counted from 1 at the upper
    left. It says as coordinates what an instruction says by names and relations, as in GoT (arXiv:2503.10639).
    """
    pairs = zip_longest(edit.before, edit.after)
    return ", ".join(f"{_placed(before)} becomes {_placed(after)}" for before, after in pairs)


def _placed(item: Object | None) -> str:
    if item is None:
        return NOTHING
    row, column = cell_of(item)
    return f"{describe(item, size=True).noun()} {row} {column}"
