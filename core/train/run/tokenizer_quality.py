"""Whether a visual tokenizer is good enough for the stages that predict its codes, in a sentence. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from ...contracts.showcase import TokenizerQuality

READY = 0.02
"""Largest error of a tokenizer whose codes are good enough to be predicted (measured: docs/your-own-data.md)."""

FEW = 0.05
"""Fraction of the codes below which a tokenizer whose error stays large is taken for one whose codebook collapsed."""

FALLING = 0.95
"""Ratio of the errors of the last two fifths of a stage, below which longer training helps more than another design."""


def not_ready(stage: str, quality: TokenizerQuality, log: Sequence[Mapping[str, Any]]) -> str:
    """Why the tokenizer is not ready for the next stage after a stage that trains it, and what to do; empty if it is.

    Args:
        log: the entries of the run's log; what the error of the pixels did in this stage follows from its figures.
    """
    if quality.error <= READY:
        return ""
    what = (
        f"the tokenizer is not ready for the next stage: its reconstructions of {quality.pictures:,} pictures lose "
        f"{quality.error:.1%} of their variance, and with more than {READY:.0%} small details become unreadable"
    )
    return f"{what}. {_advice(stage, quality, log)}"


def _advice(stage: str, quality: TokenizerQuality, log: Sequence[Mapping[str, Any]]) -> str:
    if still_falls(stage, log):
        return f"The error still falls: train longer (stage.{stage}.steps)"
    few = min(quality.used, default=quality.vocabulary)
    if few < FEW * quality.vocabulary:
        return (
            f"The error no longer falls, and {few:,} of the {quality.vocabulary:,} codes are used: if unused codes are "
            "not replaced yet, set reseed of the tokenizer; if they are, lower the learning rate"
        )
    return (
        "The error no longer falls: raise the learning rate, or give the tokenizer more codes per picture, a larger "
        "vocabulary or more channels"
    )


def still_falls(stage: str, log: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the error of the pixels fell by more than a twentieth from the last but one fifth of a stage to the last.

    The error is the figure ``l2``, or ``l1`` where there is none; it does not fall where the log has neither.
    """
    entries = [entry for entry in log if entry.get("stage") == stage]
    steps = max((entry["step"] for entry in entries), default=0)
    for name in ("l2", "l1"):
        errors = [(entry["step"], (entry.get("figures") or {}).get(name)) for entry in entries]
        known = [(step, error) for step, error in errors if isinstance(error, int | float) and isfinite(error)]
        last = [error for step, error in known if step > 0.8 * steps]
        before = [error for step, error in known if 0.6 * steps < step <= 0.8 * steps]
        if last and before:
            return sum(last) / len(last) < FALLING * sum(before) / len(before)
    return False
