"""Tables of a page: cells of a study as rows, in a box of its own that scrolls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...report.markup import Markup, join, tag
from ..results import CellResult, RunResult
from .summary import Summary
from .words import listed


def table(heads: Sequence[Markup], bodies: Iterable[Markup], label: str, class_: str = "study") -> Markup:
    """A table in a box that scrolls sideways and can be reached by keyboard."""
    content = tag("table", tag("thead", tag("tr", join(list(heads)))), *bodies, class_=class_)
    return tag("div", content, class_="scroll", tabindex=0, role="region", aria_label=label)


def head(text: str, title: str | None = None, class_: str | None = "number") -> Markup:
    return tag("th", text, scope="col", title=title, class_=class_)


def number(text: str, class_: str = "", title: str | None = None) -> Markup:
    return tag("td", text, class_=f"number {class_}".strip(), title=title)


def group_row(title: str, columns: int) -> Markup:
    return tag("tr", tag("th", title, colspan=columns, scope="rowgroup"), class_="group")


def cell_head(summary: Summary, cell: CellResult, *notes: Markup | None) -> Markup:
    """The head of a cell's row: its number, name, and what it changes."""
    return tag(
        "th",
        tag("span", str(summary.number(cell.name)), class_="row-number"),
        tag("span", cell.name, class_="cell-name"),
        tag("span", cell.summary, class_="soft change") if cell.summary else None,
        *notes,
        scope="row",
        data_cell=summary.number(cell.name),
    )


def state_notes(cell: CellResult) -> list[Markup]:
    """A line for each state of runs that are not done, and each reason."""
    seeds: dict[tuple[str, str], list[RunResult]] = {}
    for run in cell.runs:
        if run.state != "done":
            seeds.setdefault((run.state, run.reason), []).append(run)
    return [
        tag("span", f"{_seeds(runs)}: {state}{f' – {reason}' if reason else ''}", class_=f"state {_state_class(state)}")
        for (state, reason), runs in seeds.items()
    ]


def _seeds(runs: Sequence[RunResult]) -> str:
    return f"seed{'s' * (len(runs) > 1)} {listed([str(run.seed) for run in runs])}"


def _state_class(state: str) -> str:
    return "bad" if state in ("failed", "stopped") else "open"
