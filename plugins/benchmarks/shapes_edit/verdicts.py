"""An edited picture in a few words."""

from __future__ import annotations

from collections.abc import Sequence

from janiform_plugins.world import Detection
from janiform_plugins.world.editing import Edit, judge_edit


def verdict(edit: Edit, detected: Sequence[Detection]) -> str:
    """Whether a picture is as asked, or what is wrong with it: the change, what must be kept, or what is too much."""
    judgement = judge_edit(edit, detected)
    if judgement.right:
        return "as asked"
    faults = [] if judgement.made else ["the change is missing"]
    if judgement.kept < 1:
        faults.append(f"{round(judgement.kept * len(edit.kept))} of {len(edit.kept)} other objects kept")
    if judgement.extra:
        faults.append(f"{judgement.extra} unexpected object{'s' if judgement.extra > 1 else ''}")
    return ", ".join(faults)
