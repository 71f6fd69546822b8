"""The positions of a diagram's nodes and the routes of its arrows, in pixels."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from .graph import Arrow, Graph, Node

MARGIN, TOP, HEADING = 20.0, 68.0, 34.0
LANE = 64.0
"""Space to the right of a column's boxes, for arrows that lead back up."""
ROW_GAP, LINE, PADDING = 56.0, 17.0, 20.0
LETTER = 7.4
"""Upper bound of the width of a letter in a box."""


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
    """The route of one arrow: SVG path data, and the position of its label.

    ``anchor`` is SVG's ``text-anchor``. ``label`` has one line or two. ``back``: the arrow leads up beside the column,
    and its label is rotated along it.
    """

    arrow: Arrow
    path: str
    label: tuple[str, ...]
    x: float
    y: float
    anchor: str = "start"
    back: bool = False


@frozen
class Placement:
    """The layout of a diagram; ``columns`` are the panels behind the columns."""

    width: float
    height: float
    boxes: dict[str, Box]
    columns: tuple[Box, ...]
    routes: tuple[Route, ...]


def place(graph: Graph) -> Placement:
    """Place columns side by side, rows from the top, and the backbone across all columns."""
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


def _routes(graph: Graph, boxes: dict[str, Box]) -> Iterator[Route]:
    rows = {node.key: node.row for node in graph.nodes}
    down = [arrow for arrow in graph.arrows if rows[arrow.source] < rows[arrow.target]]
    back = [arrow for arrow in graph.arrows if rows[arrow.source] >= rows[arrow.target]]
    for arrow in down:
        source, target = boxes[arrow.source], boxes[arrow.target]
        leaving = [boxes[other.target] for other in down if other.source == arrow.source]
        arriving = [boxes[other.source] for other in down if other.target == arrow.target]
        x, to_x = _port(source, target, leaving), _port(target, source, arriving)
        if source.centre == target.centre:  # straight down, at the position on the side with more arrows
            x = to_x = to_x if len(leaving) == 1 else x
        if x == to_x:
            crowded = len(arriving) > 1 and target.width == source.width
            yield _straight(arrow, x, source.bottom, target.y, 14.0 if crowded else 0.0)
        else:
            rank = sorted(arriving, key=lambda box: box.centre).index(source)
            yield _across(arrow, x, source.bottom, to_x, target.y, 9.0 * rank)
    for number, arrow in enumerate(back):
        earlier = sum(boxes[other.source].x == boxes[arrow.source].x for other in back[:number])
        yield _back(arrow, boxes[arrow.source], boxes[arrow.target], boxes["backbone"].bottom, 14.0 * earlier)


def _port(box: Box, other: Box, others: list[Box]) -> float:
    """The horizontal position on ``box`` of the arrow from or to ``other``.

    It is directly above or below ``other`` where the box is wider, and otherwise beside the arrows of ``others``.
    """
    if box.width > other.width:
        return other.centre
    order = sorted(one.centre for one in others if one.width <= box.width)
    if other.width > box.width:
        return box.centre
    return box.centre + (order.index(other.centre) - (len(order) - 1) / 2) * 48


def _straight(arrow: Arrow, x: float, y: float, to_y: float, lift: float) -> Route:
    label_y = (y + to_y) / 2 - 7 * (len(arrow.label) - 1) + 4 - lift
    return Route(arrow, f"M {x:g} {y:g} V {to_y - 2:g}", arrow.label, x + 9, label_y)


def _across(arrow: Arrow, x: float, y: float, to_x: float, to_y: float, shift: float) -> Route:
    """Down, across to another column and down again; the label is above the start of the horizontal part."""
    level = to_y - 16 - shift
    turn = 8 if to_x > x else -8
    path = (
        f"M {x:g} {y:g} V {level - 8:g} Q {x:g} {level:g} {x + turn:g} {level:g} "
        f"H {to_x - turn:g} Q {to_x:g} {level:g} {to_x:g} {level + 8:g} V {to_y - 2:g}"
    )
    anchor = "start" if to_x > x else "end"
    return Route(arrow, path, (" ".join(arrow.label),), x + 1.5 * turn, level - 6, anchor)


def _back(arrow: Arrow, source: Box, target: Box, backbone: float, shift: float) -> Route:
    lane, low, high = max(source.right, target.right) + 20 + shift, source.middle, target.middle
    out = f"M {source.right:g} {low:g} H {lane - 8:g} Q {lane:g} {low:g} {lane:g} {low - 8:g}"
    up = f"V {high + 8:g} Q {lane:g} {high:g} {lane - 8:g} {high:g} H {target.right + 2:g}"
    label = (" ".join(arrow.label),)
    return Route(arrow, f"{out} {up}", label, lane + 13, (low + backbone) / 2, "middle", back=True)
