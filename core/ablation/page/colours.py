"""Colours of cells in charts: ink for the baseline, then six colours with four kinds of dashes."""

from __future__ import annotations

from .summary import Summary


def cell_colour(summary: Summary, cell: str) -> str:
    """Classes of the style sheet for a cell's lines and swatch."""
    if cell == summary.results.baseline:
        return "series-base"
    index = summary.number(cell) - 2
    return f"series-{index % 6} dash-{index // 6 % 4}"
