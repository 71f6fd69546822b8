"""Names and numbers as the page of evaluations shows them."""

from __future__ import annotations

from ...contracts import Metric, Score

MINUS = "−"


def figure(value: float) -> str:
    """A score: three decimals for fractions, one for points; with a true minus sign."""
    places = 3 if abs(value) < 10 else 2 if abs(value) < 100 else 1
    text = f"{value:.{places}f}" if abs(value) < 1e9 else f"{value:.3g}"
    return text.replace("-", MINUS)


def interval(low: float | None, high: float | None) -> str:
    """The limits of an interval; empty where it is not known."""
    return "" if low is None or high is None else f"{figure(low)} – {figure(high)}"


def signed(value: float) -> str:
    """A difference with its sign."""
    return figure(value) if value < 0 else f"+{figure(value)}"


def label(name: str, metric: Metric | None = None) -> str:
    """The name of a metric without that of its benchmark; with an arrow where smaller values are better."""
    head, _, rest = name.partition(".")
    text = (rest or head) if head != "loss" else f"loss per {rest}"
    return text.replace("_", " ").replace(".", " · ") + (
        " ↓" if metric is not None and metric.direction == "down" else ""
    )


def items(score: Score) -> str:
    """The number of items of a score."""
    return f"{score.count:,}"


def shortened(text: str, most: int) -> str:
    """A text, cut at its end to at most ``most`` characters."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"
