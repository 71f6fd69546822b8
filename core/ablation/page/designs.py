"""The designs of a study: what each cell changes, and what it takes."""

from __future__ import annotations

from ...report.markup import Markup, join, tag
from ...report.sections import section
from ...units import size
from ..results import CellResult, StageBudget
from .summary import Summary
from .tabular import cell_head, head, number, table
from .words import MISSING, count_text, flops_text

_PARAMETERS = ("total", "trained", "to_look", "to_draw")
_POSITIONS = ("text", "looked_at", "drawn")


def changes(summary: Summary) -> Markup | None:
    """A table per cell of the settings that differ from the baseline, to unfold."""
    changed = [cell for cell in summary.cells if cell.changes]
    if not changed:
        return None
    blocks = []
    for cell in changed:
        heads = [head(title, class_=None) for title in ("setting", "baseline", "this cell")]
        rows = [
            tag(
                "tr",
                tag("th", tag("code", change.path), scope="row"),
                *(tag("td", tag("code", side) if side else MISSING) for side in (change.baseline, change.value)),
            )
            for change in cell.changes
        ]
        shown = table(heads, [tag("tbody", join(rows))], f"Changes of {cell.name}", "study compact settings")
        text = f"{cell.name}: {len(cell.changes)} setting{'s' * (len(cell.changes) > 1)}"
        few = len(changed) <= 4 and len(cell.changes) <= 12
        blocks.append(tag("details", tag("summary", text), shown, open="open" if few else None))
    return section("What each cell changes", "Against the baseline, in what is built and trained.", *blocks)


def budgets(summary: Summary) -> Markup:
    """What each cell takes: in total, and by stage to unfold."""
    heads = [head("cell", class_=None), head("samples")]
    heads += [head(f"positions: {name.replace('_', ' ')}") for name in _POSITIONS]
    heads += [head("FLOPs"), *(head(f"parameters: {name.replace('_', ' ')}") for name in _PARAMETERS)]
    heads += [head("disk"), head("misses what is held equal by", class_=None)]
    rows = []
    for cell in summary.cells:
        budget = cell.budget
        rows.append(
            tag(
                "tr",
                cell_head(summary, cell),
                number(count_text(budget.samples)),
                *(number(count_text(budget.positions.get(name))) for name in _POSITIONS),
                number(flops_text(budget.flops)),
                *(number(count_text(budget.parameters.get(name))) for name in _PARAMETERS),
                number(size(budget.disk) if budget.disk else MISSING),
                tag("td", budget.residue or MISSING),
            )
        )
    total = table(heads, [tag("tbody", join(rows))], "Budgets of cells", "study compact")
    lead = f"Held equal: {summary.results.equal}" if summary.results.equal else ""
    stages = _stages(summary)
    unfolded = tag("details", tag("summary", "By stage"), stages) if stages is not None else None
    return section("Budgets", lead, total, *([unfolded] if unfolded else []))


def _stages(summary: Summary) -> Markup | None:
    heads = [head(title, class_=None) for title in ("cell", "stage")]
    heads += [head(title) for title in ("steps", "samples")]
    heads += [head("samples by source", class_=None), head("positions"), head("FLOPs"), head("runs", class_=None)]
    rows = [_stage(summary, cell, name, stage) for cell in summary.cells for name, stage in cell.budget.stages.items()]
    return table(heads, [tag("tbody", join(rows))], "Budgets of stages", "study compact") if rows else None


def _stage(summary: Summary, cell: CellResult, name: str, stage: StageBudget) -> Markup:
    origins = [run.stages[name] for run in cell.runs if name in run.stages]
    counted = ", ".join(f"{origins.count(origin)} {origin}" for origin in dict.fromkeys(origins))
    return tag(
        "tr",
        cell_head(summary, cell),
        tag("td", name),
        number(f"{stage.steps:,}"),
        number(count_text(stage.samples)),
        tag(
            "td",
            ", ".join(f"{source} {count_text(many)}" for source, many in stage.samples_by_source.items()) or MISSING,
        ),
        number(count_text(sum(stage.positions.values()))),
        number(flops_text(stage.flops)),
        tag("td", counted or MISSING),
    )
