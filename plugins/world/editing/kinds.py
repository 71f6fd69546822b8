"""The kinds of edits, and which of them a picture allows."""

from collections.abc import Sequence
from typing import Final

from ..sampling import MOST_OBJECTS

EDIT_KINDS: Final = ("recolour", "move", "add", "remove", "swap", "resize")


def possible_kinds(objects: int | None) -> tuple[str, ...]:
    """Return the kinds of edits that pictures of this number of objects allow; None is any number."""
    excluded = {1: ("remove", "swap"), MOST_OBJECTS: ("add",)}.get(objects or 0, ())
    return tuple(kind for kind in EDIT_KINDS if kind not in excluded)


def check_kinds(kinds: Sequence[str], objects: int | None) -> None:
    """Raise ValueError for kinds of edits that do not exist or that pictures of this number of objects do not allow."""
    possible = possible_kinds(objects)
    for kind in kinds:
        if kind not in EDIT_KINDS:
            raise ValueError(f"the edit {kind!r} does not exist; the edits are {', '.join(EDIT_KINDS)}")
        if kind not in possible:
            number = "one object" if objects == 1 else f"{objects} objects"
            raise ValueError(f"a picture of {number} does not allow the edit {kind}, but {', '.join(possible)}")
