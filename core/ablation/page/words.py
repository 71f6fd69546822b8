"""Names and numbers as a page shows them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TypeGuard

from ...units import count, work
from ..results import MetricFacts

MISSING = "–"
MINUS = "−"
LARGEST = 1e100
"""Largest value that is compared and drawn: sums and squares of much larger ones are beyond floats."""

_LARGE = 1e6


def usable(value: float | None) -> TypeGuard[float]:
    """Whether a value is a number that can be summed and drawn."""
    return value is not None and abs(value) <= LARGEST


def metric_label(metric: str) -> str:
    """``drawing.two_object`` as ``drawing: two object``, ``loss.picture`` as ``loss per picture``."""
    head, _, rest = metric.partition(".")
    if head == "loss" and rest:
        return f"loss per {rest.replace('_', ' ')}"
    return f"{head}: {rest.replace('_', ' ')}" if rest and rest != "overall" else head.replace("_", " ")


def arrow(facts: MetricFacts) -> str:
    return "↑" if facts.direction == "up" else "↓"


def better(facts: MetricFacts) -> str:
    return "higher is better" if facts.direction == "up" else "lower is better"


def decimals(values: Iterable[float]) -> int:
    """The number of decimals that gives values of one column three or four digits."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if largest == 0:
        return 3
    return max(0, min(8, 3 - math.floor(math.log10(largest)) if largest >= 1 else 2 - math.floor(math.log10(largest))))


def figure(value: float, places: int) -> str:
    """A number with a true minus sign; very large ones with an exponent."""
    if not math.isfinite(value):
        return str(value).replace("-", MINUS)
    if abs(value) >= _LARGE:
        return f"{value:.3g}".replace("-", MINUS)
    text = f"{value:.{places}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", MINUS)


def signed(value: float, places: int) -> str:
    """A difference, with its sign."""
    text = figure(value, places)
    return f"+{text}" if value > 0 and float(f"{value:.{places}f}") != 0 else text


def probability(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(items: Sequence[str], most: int = 6) -> str:
    """``a, b and c``; ``a, b and 7 more`` where there are many."""
    if len(items) > most:
        return f"{', '.join(items[:most])} and {len(items) - most} more"
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def shortened(text: str, most: int) -> str:
    """The text, with its middle left out where it is longer than ``most`` characters."""
    if len(text) <= most:
        return text
    return f"{text[: most - most // 3 - 1]}…{text[len(text) - most // 3 :]}"


def flops_text(flops: float | None) -> str:
    """Floating-point operations with a unit."""
    return work(round(flops)) if flops and math.isfinite(flops) else MISSING


def count_text(value: int | None) -> str:
    """A count with a unit."""
    return count(value) if value else MISSING
