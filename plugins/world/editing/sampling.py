"""The endless stream of edits: any edit by (seed, index), independent of process and order."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from ..compositions import is_held_out
from ..phrases import pick
from ..sampling import SPLITS, Split, sample_scene
from .changes import CHANGES
from .edit import Edit
from .kinds import check_kinds, possible_kinds

_STREAM: Final = 0xED17
"""Separates these random numbers from all others that have the same seed and index."""
_SCENES: Final = (2**63, 2**64)
"""Range of the indices of the scenes that are edited, beyond those of other tasks."""
_TRIES: Final = 60
"""Attempts with sources of the split that was chosen first, before either split is taken: some kinds of edits make a
held-out composition from few sources, or from those of one split only."""


def sample_edit(
    seed: int, index: int, split: Split = "train", kinds: Sequence[str] = (), objects: int | None = None
) -> Edit:
    """Sample edit ``index`` of stream ``seed``, of one of ``kinds``, or of any kind if there are none.

    ``objects`` is the number of objects of the source. In ``"train"`` neither source nor target shows a held-out
    composition. In ``"held-out"`` the target always shows at least one; in about half of the edits the source shows
    none, so that the edit makes it. Raises ValueError for kinds that do not exist or that no picture of this number of
    objects allows, and as :func:`sample_scene` does.
    """
    if split not in SPLITS:
        raise ValueError(f"split {split!r} does not exist; the splits are {', '.join(SPLITS)}")
    check_kinds(kinds, objects)
    rng = np.random.default_rng((seed, index, _STREAM, SPLITS.index(split)))
    change = CHANGES[pick(kinds or possible_kinds(objects), rng)]
    first = "train" if split == "train" else pick(SPLITS, rng)
    attempt = 0
    while True:
        either = split == "held-out" and attempt >= _TRIES
        source_split = pick(SPLITS, rng) if either else first
        scene = sample_scene(seed, int(rng.integers(*_SCENES, dtype=np.uint64)), source_split, objects)
        edit = change(scene, rng)
        if edit is not None and is_held_out(edit.target) == (split == "held-out"):
            return edit
        attempt += 1
