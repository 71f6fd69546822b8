"""A plan as a self-contained SVG picture in the reader's light or dark colours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from ..components.kinds import KINDS
from ..compose.plan import Plan
from .graph import Node, graph
from .placement import LINE, MARGIN, TOP, Box, Placement, Route, place

if TYPE_CHECKING:
    from ..measure.costs import Costs

_STYLE = """
.janiform { --paper: #ffffff; --panel: #f5f6f8; --ink: #1d2330; --muted: #5d6675; --line: #8a93a3;
  --data: #ffffff; --picture: #d9efe9; --adapter: #e3e9fb; --backbone: #e9e0fa; --code: #fde8d2; --text: #e8eaee;
  font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; font-size: 12px; }
@media (prefers-color-scheme: dark) {
  .janiform { --paper: #14171d; --panel: #1c2028; --ink: #eef0f4; --muted: #a3abba; --line: #77808f;
    --data: #14171d; --picture: #1d4a41; --adapter: #28386b; --backbone: #44316d; --code: #64401b; --text: #343a46; } }
.janiform text { fill: var(--ink); }
.janiform .paper { fill: var(--paper); }
.janiform .panel { fill: var(--panel); }
.janiform .title { font-size: 17px; font-weight: 600; }
.janiform .heading, .janiform .path { font-size: 12.5px; font-weight: 600; }
.janiform .note, .janiform .component { fill: var(--muted); }
.janiform .label { font-size: 11px; fill: var(--muted); stroke: var(--panel); stroke-width: 4px; paint-order: stroke;
  stroke-linejoin: round; }
.janiform .shape { font-family: ui-monospace, "SF Mono", Menlo, "DejaVu Sans Mono", monospace; fill: var(--ink); }
.janiform .arrow { fill: none; stroke: var(--line); stroke-width: 1.5px; }
.janiform .back { stroke-dasharray: 5 4; }
.janiform .tip { fill: var(--line); }
.janiform .input, .janiform .output { fill: var(--data); stroke: var(--line); }
""" + "".join(f".janiform .{kind.name} {{ fill: var(--{kind.colour}); }}\n" for kind in KINDS.values() if kind.colour)


def diagram_svg(plan: Plan, costs: Costs | None = None) -> str:
    """The picture of a plan: one column for the text and each pathway, every part once, and edges with their shapes.

    With ``costs``, parts have the number of their parameters, and the picture has the totals.
    """
    drawn = graph(plan, costs)
    placed = place(drawn)
    title = escape(drawn.title, {'"': "&quot;"})
    width, height = f"{placed.width:g}", f"{placed.height:g}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="janiform" role="img" aria-label="The model {title}" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}" style="max-width: 100%; height: auto">',
        f"<style>{_STYLE}</style>",
        '<defs><marker id="janiform-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto-start-reverse"><path class="tip" d="M 0 0.5 L 8 4 L 0 7.5 z"/></marker></defs>',
        f'<rect class="paper" width="{width}" height="{height}" rx="10"/>',
        _text(MARGIN, 32, title, "title"),
        _text(MARGIN, 52, escape(drawn.caption), "note"),
        *_panels(placed, drawn.columns),
        *(_arrow(route) for route in placed.routes),
        *(line for node in drawn.nodes for line in _node(node, placed.boxes[node.key])),
        *(line for route in placed.routes for line in _label(route)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _panels(placed: Placement, headings: tuple[str, ...]) -> Iterator[str]:
    for panel, heading in zip(placed.columns, headings, strict=True):
        yield _rectangle(panel, "panel", 10)
        yield _text(panel.x + 14, TOP + 22, escape(heading), "heading")


def _node(node: Node, box: Box) -> Iterator[str]:
    data = node.kind in ("input", "output")
    yield _rectangle(box, node.kind, box.height / 2 if data else 8)
    first = box.middle - LINE * (len(node.lines) - 1) / 2 + 4.5
    for number, line in enumerate(node.lines):
        kind = "component" if number or data else "path"
        yield _text(box.centre, first + LINE * number, escape(line), kind, "middle")


def _arrow(route: Route) -> str:
    start = ' marker-start="url(#janiform-tip)"' if route.arrow.both else ""
    kind = "arrow back" if route.back else "arrow"
    return f'<path class="{kind}" d="{route.path}"{start} marker-end="url(#janiform-tip)"/>'


def _label(route: Route) -> Iterator[str]:
    turned = f' transform="rotate(-90 {route.x:g} {route.y:g})"' if route.back else ""
    for number, line in enumerate(route.label):
        kind = "label shape" if line.startswith("[") else "label"
        yield _text(route.x, route.y + 14 * number, escape(line), kind, route.anchor, turned)


def _rectangle(box: Box, kind: str, radius: float) -> str:
    size = f'x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}"'
    return f'<rect class="{kind}" {size} rx="{radius:g}"/>'


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start", more: str = "") -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}"{more}>{text}</text>'
