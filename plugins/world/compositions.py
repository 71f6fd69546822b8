"""The compositions that training never shows, so that drawing and answering can be tested on something new.

Held out are about a tenth of each of four kinds of composition, chosen so that every colour, shape, size, count and
relation still occurs in training in many other combinations:

* :class:`Related`: an object of that colour and shape stands in that relation to any other object (8 of 96);
* :class:`Counted`: exactly that many objects of that colour and shape, counts two to four (6 of 72);
* :class:`Single`: a picture of nothing but one object of that size, colour and shape (6 of 48). Beside others such
  an object does occur: where a kind had one size only, colour and shape would foretell it, and its word would be idle;
* :class:`Paired`: two objects of these colours and shapes in one picture (30 of 276); some of one colour, some of one
  shape, most of neither.

The tables are written out or follow from a rule on the order of the colours and shapes, so they never change with a
seed or a version of a random generator.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Final, NamedTuple

from .scene import COLOURS, OPPOSITE, SHAPES, Kind, Scene, relation_of


class Related(NamedTuple):
    """An object of this colour and shape that stands in this relation to another one."""

    colour: str
    shape: str
    relation: str


class Counted(NamedTuple):
    """Exactly so many objects of this colour and shape."""

    number: int
    colour: str
    shape: str


class Single(NamedTuple):
    """A picture of nothing but one object of this size, colour and shape."""

    size: str
    colour: str
    shape: str


class Paired(NamedTuple):
    """Objects of two different kinds in one picture; ``first`` sorts before ``second``."""

    first: Kind
    second: Kind


Composition = Related | Counted | Single | Paired


def paired(a: Kind, b: Kind) -> Paired:
    """Put two kinds in the order in which :class:`Paired` holds them."""
    return Paired(a, b) if a <= b else Paired(b, a)


HELD_OUT_RELATED: Final = (
    Related("red", "triangle", "left of"),
    Related("green", "circle", "left of"),
    Related("blue", "square", "right of"),
    Related("yellow", "cross", "right of"),
    Related("purple", "circle", "above"),
    Related("orange", "square", "above"),
    Related("red", "cross", "below"),
    Related("blue", "triangle", "below"),
)
HELD_OUT_COUNTED: Final = (
    Counted(2, "green", "square"),
    Counted(2, "orange", "triangle"),
    Counted(3, "red", "circle"),
    Counted(3, "purple", "cross"),
    Counted(4, "blue", "cross"),
    Counted(4, "yellow", "triangle"),
)
HELD_OUT_SINGLE: Final = (
    Single("small", "yellow", "triangle"),
    Single("small", "blue", "circle"),
    Single("small", "red", "square"),
    Single("large", "green", "cross"),
    Single("large", "purple", "square"),
    Single("large", "orange", "circle"),
)


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]


def _shape(index: int) -> str:
    return SHAPES[index % len(SHAPES)]


HELD_OUT_SAME_COLOUR: Final = tuple(
    paired(Kind(colour, a), Kind(colour, b)) for colour, (a, b) in zip(COLOURS, combinations(SHAPES, 2), strict=True)
)
"""One pair of one colour for each colour and for each two shapes (6)."""
HELD_OUT_SAME_SHAPE: Final = tuple(
    paired(Kind(_colour(i), _shape(i)), Kind(_colour(i + 1), _shape(i))) for i in range(len(COLOURS))
)
"""One pair of one shape for each two colours that are neighbours in the palette (6)."""
HELD_OUT_DIFFERENT: Final = tuple(
    paired(Kind(_colour(i), _shape(i + step)), Kind(_colour(i + step), _shape(i + 2 * step + turn)))
    for step, turn in ((1, 0), (2, 1), (3, 0))
    for i in range(len(COLOURS))
)
"""Pairs that differ in colour and in shape (18), every colour and every shape nearly equally often."""
HELD_OUT_PAIRED: Final = (*HELD_OUT_SAME_COLOUR, *HELD_OUT_SAME_SHAPE, *HELD_OUT_DIFFERENT)

HELD_OUT: Final[frozenset[Composition]] = frozenset(
    (*HELD_OUT_RELATED, *HELD_OUT_COUNTED, *HELD_OUT_SINGLE, *HELD_OUT_PAIRED)
)
"""All held-out compositions."""


def unplaced_compositions(kinds: Sequence[Kind], sizes: Sequence[str]) -> set[Composition]:
    """Collect the compositions that objects of these kinds and sizes show wherever they stand."""
    found: set[Composition] = {Single(sizes[0], *kinds[0])} if len(kinds) == 1 else set()
    counts = Counter(kinds)
    found.update(Counted(count, *kind) for kind, count in counts.items() if count > 1)
    found.update(paired(a, b) for a, b in combinations(counts, 2))
    return found


def compositions_of(scene: Scene) -> set[Composition]:
    """Collect every composition of the four kinds that a scene shows, held out or not."""
    kinds = [item.kind for item in scene.objects]
    found = unplaced_compositions(kinds, [item.size for item in scene.objects])
    for (a, kind_a), (b, kind_b) in combinations(zip(scene.objects, kinds, strict=True), 2):
        relation = relation_of(a, b)
        if relation is not None:
            found.add(Related(*kind_a, relation))
            found.add(Related(*kind_b, OPPOSITE[relation]))
    return found


def held_out_in(scene: Scene) -> frozenset[Composition]:
    """Collect the held-out compositions that a scene shows."""
    return frozenset(compositions_of(scene) & HELD_OUT)


def is_held_out(scene: Scene) -> bool:
    """Tell whether a scene shows any held-out composition, and so must not be trained on."""
    return not HELD_OUT.isdisjoint(compositions_of(scene))
