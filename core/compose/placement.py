"""Where the nodes of a diagram lie and how its arrows run, in pixels."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from .graph import Arrow, Graph, Node

MARGIN, TOP, HEADING = 20.0, 68.0, 34.0
LANE = 64.0
"""Room to the right of a column's boxes, for arrows that lead back up."""
ROW_GAP, LINE, PADDING = 52.0, 17.0, 20.0
LETTER = 7.4
"""Width of a letter of a box's text, on the safe side."""


@frozen
class Box:
    """A rectangle; ``x`` and ``y`` are its upper left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> float:
        return self.x + self.width / 2

    @property
    def middle(self) -> float:
        return self.y + self.height / 2

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height


@frozen
class Route:
    """How one arrow runs: SVG path data, and where its label begins. ``back``: it leads up, beside the column."""

    arrow: Arrow
    path: str
    label_x: float
    label_y: float
    back: bool


@frozen
class Placement:
    """``columns``: the panels behind the columns."""

    width: float
    height: float
    boxes: dict[str, Box]
    columns: tuple[Box, ...]
    routes: tuple[Route, ...]


def place(graph: Graph) -> Placement:
    """Columns side by side, rows from the top, the backbone across all columns."""
    width = max(
        180.0, *(len(line) * LETTER + 24 for node in graph.nodes for line in node.lines if node.column is not None)
    )
    lefts = [MARGIN + 14 + column * (width + LANE) for column in range(len(graph.columns))]
    boxes: dict[str, Box] = {}
    y = TOP + HEADING
    for row in sorted({node.row for node in graph.nodes}):
        members = [node for node in graph.nodes if node.row == row]
        for node in members:
            if node.column is None:
                boxes[node.key] = Box(lefts[0], y, lefts[-1] + width - lefts[0], _height(node))
            else:
                boxes[node.key] = Box(lefts[node.column], y, width, _height(node))
        y = max(boxes[node.key].bottom for node in members) + ROW_GAP
    bottom = y - ROW_GAP + 16
    columns = tuple(Box(left - 14, TOP, width + LANE - 8, bottom - TOP) for left in lefts)
    return Placement(columns[-1].right + MARGIN, bottom + MARGIN, boxes, columns, tuple(_routes(graph, boxes)))


def _height(node: Node) -> float:
    return PADDING + LINE * len(node.lines)


def _routes(graph: Graph, boxes: dict[str, Box]) -> Iterable[Route]:
    rows = {node.key: node.row for node in graph.nodes}
    down = [arrow for arrow in graph.arrows if rows[arrow.source] < rows[arrow.target]]
    back = [arrow for arrow in graph.arrows if rows[arrow.source] >= rows[arrow.target]]
    for arrow in down:
        source, target = boxes[arrow.source], boxes[arrow.target]
        start = _port(source, target, [boxes[other.target] for other in down if other.source == arrow.source])
        end = _port(target, source, [boxes[other.source] for other in down if other.target == arrow.target])
        yield _down(arrow, start, source.bottom, end, target.y)
    for number, arrow in enumerate(back):
        earlier = sum(boxes[other.source].x == boxes[arrow.source].x for other in back[:number])
        yield _back(arrow, boxes[arrow.source], boxes[arrow.target], 14 * earlier)


def _port(box: Box, other: Box, others: list[Box]) -> float:
    """Where on a side of ``box`` the arrow from or to ``other`` is fixed: right above or below it where the box is
    wide, and otherwise side by side with the arrows from and to ``others``."""
    if box.width > other.width:
        return other.centre
    if any(wide.width > box.width for wide in others):
        return box.centre
    order = sorted(others, key=lambda one: one.centre)
    return box.centre + (order.index(other) - (len(order) - 1) / 2) * 48


def _down(arrow: Arrow, x: float, y: float, to_x: float, to_y: float) -> Route:
    middle = (y + to_y) / 2
    label_y = middle - 7 * (len(arrow.label) - 1) + 4
    if abs(x - to_x) < 1:
        return Route(arrow, f"M {x:g} {y:g} V {to_y - 2:g}", x + 9, label_y, back=False)
    curve = f"M {x:g} {y:g} C {x:g} {middle:g} {to_x:g} {middle:g} {to_x:g} {to_y - 2:g}"
    return Route(arrow, curve, (x + to_x) / 2 + 9, label_y, back=False)


def _back(arrow: Arrow, source: Box, target: Box, shift: float) -> Route:
    lane, low, high = max(source.right, target.right) + 24 + shift, source.middle, target.middle
    out = f"M {source.right:g} {low:g} H {lane - 8:g} Q {lane:g} {low:g} {lane:g} {low - 8:g}"
    back = f"V {high + 8:g} Q {lane:g} {high:g} {lane - 8:g} {high:g} H {target.right + 2:g}"
    return Route(arrow, f"{out} {back}", lane + 13, (low + high) / 2, back=True)
