"""Switches of a page: radio buttons and the style rules that make them work, without scripts."""

from __future__ import annotations

from collections.abc import Sequence

from ...report.markup import Markup, join, tag
from .colours import cell_colour
from .summary import Summary

AXES = ("samples", "seconds", "steps")


def axis_switch() -> Markup:
    """Chooses the horizontal axis of learning curves."""
    return _radios("axis", "Horizontal axis", [(name, Markup(name)) for name in AXES])


def seed_switch(seeds: Sequence[int]) -> Markup | None:
    """Chooses the seed whose pictures and answers are shown."""
    if len(seeds) < 2:
        return None
    return _radios("seed", "Seed of training", [(str(seed), Markup(seed)) for seed in seeds])


def cell_switch(summary: Summary) -> Markup | None:
    """Chooses a cell that charts show alone, the others pale; it is the legend of their colours as well."""
    if len(summary.cells) < 2:
        return None
    choices = [("all", Markup("all cells"))]
    for cell in summary.cells:
        swatch = tag("span", "", class_=f"swatch {cell_colour(summary, cell.name)}")
        choices.append((str(summary.number(cell.name)), join([swatch, tag("span", cell.name)])))
    return tag("details", tag("summary", "Cells and their colours"), _radios("cell", "Cell to show", choices),
               class_="legend-box", open="open" if len(summary.cells) <= 8 else None)  # fmt: skip


def rules(summary: Summary, seeds: Sequence[int]) -> str:
    """Style rules of the switches."""
    lines = [f"body:has(#axis-{name}:checked) .curves:not(.by-{name}) {{ display: none; }}" for name in AXES]
    lines += [f"body:has(#seed-{seed}:checked) .of-seed:not(.seed-{seed}) {{ display: none; }}" for seed in seeds]
    for cell in summary.cells:
        number = summary.number(cell.name)
        chosen = f"body:has(#cell-{number}:checked) svg"
        lines.append(f'{chosen} [data-cell]:not([data-cell="{number}"]) {{ opacity: 0.1; }}')
        lines.append(f'{chosen}.many .band[data-cell="{number}"] {{ opacity: 0.2; }}')
    return "\n".join(lines)


def _radios(group: str, title: str, choices: Sequence[tuple[str, Markup]]) -> Markup:
    """Radio buttons with ids ``group-value``, the first one chosen."""
    parts = []
    for index, (value, label) in enumerate(choices):
        name = f"{group}-{value}"
        checked = "checked" if index == 0 else None
        box = tag("input", type="radio", name=group, id=name, value=value, checked=checked)
        parts.append(tag("span", box, tag("label", label, for_=name), class_="choice"))
    return tag("fieldset", tag("legend", title), *parts, class_="switch-box")
