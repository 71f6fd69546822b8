"""Edits of scenes: instructions in words, with the pictures before and after, and a judge of edited pictures.

:func:`sample_edit` gives any edit of the stream by (seed, index); its ``source`` and ``target`` are scenes to render.
Everything that an edit does not name stays equal in both, pixel by pixel. :func:`judge_edit` tells from the objects
detected in a picture whether the change was made and everything else was kept.
"""

from .edit import Edit, Goal
from .judging import Judgement, judge_edit, pixels_kept
from .kinds import EDIT_KINDS, check_kinds, possible_kinds
from .plans import plan_edit
from .sampling import sample_edit

__all__ = [
    "EDIT_KINDS",
    "Edit",
    "Goal",
    "Judgement",
    "check_kinds",
    "judge_edit",
    "pixels_kept",
    "plan_edit",
    "possible_kinds",
    "sample_edit",
]
