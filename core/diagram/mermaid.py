"""A plan as a Mermaid flowchart, for Markdown pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..compose.plan import Plan
from .graph import Node, graph

if TYPE_CHECKING:
    from ..measure.costs import Costs


def diagram_mermaid(plan: Plan, costs: Costs | None = None) -> str:
    """Flowchart text of a plan: parts with their paths and components, and edges with their shapes."""
    drawn = graph(plan, costs)
    names = {node.key: f"n{number}" for number, node in enumerate(drawn.nodes)}
    lines = ["flowchart TD"]
    for column, heading in enumerate(drawn.columns):
        lines.append(f"    subgraph c{column}[{_quoted(heading)}]")
        lines.extend(f"        {_node(names[node.key], node)}" for node in drawn.nodes if node.column == column)
        lines.append("    end")
    lines.extend(f"    {_node(names[node.key], node)}" for node in drawn.nodes if node.column is None)
    for arrow in drawn.arrows:
        line = "<-->" if arrow.both else "-->"
        lines.append(f"    {names[arrow.source]} {line}|{_quoted(*arrow.label)}| {names[arrow.target]}")
    return "\n".join(lines) + "\n"


def _node(name: str, node: Node) -> str:
    text = _quoted(*node.lines)
    return f"{name}([{text}])" if node.kind in ("input", "output") else f"{name}[{text}]"


def _quoted(*lines: str) -> str:
    """Text in quotes, escaped for Mermaid."""
    escaped = (line.replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;") for line in lines)
    return '"' + "<br/>".join(escaped) + '"'
