"""A plan as nodes and arrows in columns and rows, the common basis of both kinds of diagram."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from .. import units
from ..components.kinds import KINDS, VERBS
from ..compose.plan import PartPlan, Plan
from ..ports import Codes, Features, Hidden, Latents, Logits, PlaceValues, Port, Values

if TYPE_CHECKING:
    from ..measure.costs import Costs

ROWS = {"input": 0, "output": 6} | {kind.name: kind.row for kind in KINDS.values() if kind.row is not None}
"""Rows from the top, by kind of node; empty ones are left out."""


@frozen
class Node:
    """A part, or an input or output of the model (kinds ``input`` and ``output``).

    ``column`` 0 is that of the text; None means the backbone, which spans all of them.
    """

    key: str
    kind: str
    lines: tuple[str, ...]
    column: int | None

    @property
    def row(self) -> int:
        return ROWS[self.kind]


@frozen
class Arrow:
    """Data that flows between two nodes; ``label`` has one line or two. ``both``: it flows in both directions."""

    source: str
    target: str
    label: tuple[str, ...]
    both: bool = False


@frozen
class Graph:
    """A diagram's content. ``columns`` are headings, from the left; ``caption`` is one line about the whole model."""

    title: str
    caption: str
    columns: tuple[str, ...]
    nodes: tuple[Node, ...]
    arrows: tuple[Arrow, ...]


def graph(plan: Plan, costs: Costs | None = None) -> Graph:
    """The graph of a plan: every part that is built once, and every edge."""
    names = list(plan.pathways)
    nodes = [Node("text in", "input", ("conversation",), 0)]
    arrows = [
        Arrow("text in", "layout", ("turns",)),
        Arrow("layout", "text", ("spans",)),
        Arrow("text", "backbone", ("ids", "[B, T]")),
    ]
    for path, part in plan.parts.items():
        if part.owner is None:
            first = path.partition(".")[0]
            column = None if path == "backbone" else names.index(first) + 1 if first in names else 0
            nodes.append(Node(path, part.use.kind, _lines(plan, part, costs), column))
    for column, (name, shape) in enumerate(plan.pathways.items(), start=1):
        visual = plan.owner(f"{name}.{'encoder' if shape.drawn is None else 'tokenizer'}")
        pixels = costs.pathways[name].pixels if costs else ("h", "w")
        nodes.append(Node(f"{name} in", "input", ("picture",), column))
        label = ("pixels", f"[B, 3, {pixels[0]}, {pixels[1]}]")
        source, tiling = f"{name} in", f"{name}.tiling"
        if tiling in plan.parts:
            arrows.append(Arrow(source, plan.owner(tiling), ("picture",)))
            source = plan.owner(tiling)
        arrows.append(Arrow(source, visual, label, both=shape.mode == "draw"))
    arrows.extend(Arrow(edge.from_path, edge.to_path, label_of(edge.port)) for edge in plan.edges)
    nodes.append(Node("text out", "output", ("answer",), 0))
    arrows.append(Arrow("backbone", "text out", ("logits", f"[B, T, {plan.hidden.vocabulary}]")))
    headings = ("text", *(f"{name} {VERBS[shape.mode]}" for name, shape in plan.pathways.items()))
    return Graph(plan.recipe.name, _caption(plan, costs), headings, tuple(nodes), tuple(arrows))


def label_of(port: Port) -> tuple[str, ...]:
    """A description of a port, and its shape."""
    match port:
        case Features():
            where = f" on {port.grid}" if port.grid else ""
            return f"features{where}", f"[B, {port.tokens}, {port.width}]"
        case Codes():
            return f"codes of {port.vocabulary}", f"[B, {port.tokens}, {port.depth}]"
        case Latents():
            return "latents", f"[B, {port.tokens}, {port.width}]"
        case PlaceValues():
            return "values", f"[R, {port.width}]"
        case Values():
            return port.of, f"[B, {port.tokens}, {port.width}]"
        case Hidden():
            return "hidden states", f"[B, T, {port.width}]"
        case Logits():
            return "logits", f"[B, T, {port.depth}, {port.vocabulary}]"


def _lines(plan: Plan, part: PartPlan, costs: Costs | None) -> tuple[str, ...]:
    lines = [part.path, part.use.component.reference]
    if costs and part.path in costs.parts:
        lines[1] += f" · {units.count(costs.parts[part.path].parameters)} parameters"
    sharers = [path.partition(".")[0] for path, owner in plan.shared.items() if owner == part.path]
    if sharers:
        lines.append(f"shared with {', '.join(sharers)}")
    return tuple(lines)


def _caption(plan: Plan, costs: Costs | None) -> str:
    if costs is None:
        return plan.recipe.description
    return (
        f"{units.count(costs.parameters)} parameters · {units.size(costs.weight_bytes('bf16'))} in bf16 · "
        f"KV cache {units.size(costs.kv_bytes())} for {costs.context} positions"
    )
