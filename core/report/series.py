"""Numbers behind a chart: points in order, smoothed, subsampled, with round values for axes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

Series = Sequence[tuple[float, float]]
"""(step, value) in order."""

MAX_POINTS = 400
"""Largest number of points that a line is drawn with."""


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers that cover ``low`` to ``high``, in steps of 1, 2 or 5 times a power of ten."""
    span = max(high - low, 1e-9, 1e-9 * max(abs(low), abs(high)))  # less is below the precision of floats
    size = 10.0 ** math.floor(math.log10(span / most))
    step = next(factor * size for factor in (1, 2, 5, 10) if span / (factor * size) <= most)
    first, last = math.floor(low / step), math.ceil(high / step - 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def subsampled(points: Series, most: int = MAX_POINTS) -> list[tuple[float, float]]:
    """The finite points, with neighbours averaged so that at most ``most`` are left."""
    finite = [(x, y) for x, y in points if math.isfinite(y)]
    size = -(-len(finite) // most) or 1
    groups = [finite[start : start + size] for start in range(0, len(finite), size)]
    return [(group[-1][0], math.fsum(y for _, y in group) / len(group)) for group in groups]


def smoothed(points: Series, weight: float = 0.6) -> list[tuple[float, float]]:
    """The exponential moving average, corrected for its start: the first value is the first measurement."""
    mean = total = 0.0
    result = []
    for x, y in points:
        mean, total = weight * mean + (1 - weight) * y, weight * total + (1 - weight)
        result.append((x, mean / total))
    return result


def smoothed_by_length(points: Series) -> list[tuple[float, float]]:
    """The points smoothed over about a twelfth of their number."""
    return smoothed(points, min(0.95, max(0.4, 1 - 12 / len(points)))) if points else []


def smoothed_end(points: Series) -> float:
    """The last value of the smoothed series."""
    return smoothed_by_length(points)[-1][1]


def spread(heights: Mapping[str, float], gap: float, bottom: float) -> dict[str, float]:
    """Heights of labels, moved apart so that they are at least ``gap`` apart and not below ``bottom``."""
    order = sorted(heights, key=lambda name: heights[name])
    placed: dict[str, float] = {}
    limit = -math.inf
    for name in order:
        limit = placed[name] = max(heights[name], limit + gap)
    limit = bottom + gap
    for name in reversed(order):
        limit = placed[name] = min(placed[name], limit - gap)
    return {name: placed[name] for name in heights}
