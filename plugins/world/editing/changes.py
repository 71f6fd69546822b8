"""The six kinds of edits: each changes a scene at random, or returns None where the scene does not allow it.

Objects stay on the lattice of :mod:`..placement` and apart from each other. The lattices of small and large objects are
half a step apart, so an object whose size changes, or that takes the place of an object of another size, moves by half
a step on both axes: its box keeps the upper left corner where there is room, and else another corner.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from ..phrases import Phrase, chance, describe, pick
from ..placement import WIDE_RATIO, free_places
from ..sampling import MOST_OBJECTS
from ..scene import COLOURS, OPPOSITE, RELATIONS, SHAPES, SIZES, Object, Scene, region_of, relation_of
from .edit import Edit, Goal
from .instructions import (
    ADD_AT_FRAMES,
    ADD_FRAMES,
    MOVE_FRAMES,
    RECOLOUR_FRAMES,
    REMOVE_FRAMES,
    RESIZE_FRAMES,
    SWAP_FRAMES,
    PlaceWords,
    instruct,
    joins_wrongly,
    name_of,
    newcomer,
    other_side,
    region_words,
    relation_words,
)

Change = Callable[[Scene, np.random.Generator], Edit | None]


def recolour(scene: Scene, rng: np.random.Generator) -> Edit | None:
    """Give an object another colour."""
    item = pick(scene.objects, rng)
    name = name_of(scene, item, rng)
    if name is None:
        return None
    colour = pick([other for other in COLOURS if other != item.colour], rng)
    text = instruct(RECOLOUR_FRAMES, rng, a=name, colour=colour)
    return _edit("recolour", text, scene, (item,), (replace(item, colour=colour),))


def move(scene: Scene, rng: np.random.Generator) -> Edit | None:
    """Move an object to another ninth, into another relation to an object, or to the other side of an object."""
    item = pick(scene.objects, rng)
    name, rest = name_of(scene, item, rng), _without(scene, item)
    if name is None:
        return None
    places = [replace(item, x=x, y=y) for x, y in free_places(item.size, rest)]
    found = _goal(scene, places, rest, rng, mover=item)
    if found is None or joins_wrongly(name, found.words.at):
        return None
    text = instruct(MOVE_FRAMES, rng, a=name, to=found.words.to, at=found.words.at)
    return _edit("move", text, scene, (item,), (found.item,), goal=found.goal)


def add(scene: Scene, rng: np.random.Generator) -> Edit | None:
    """Add an object: in a ninth, in a relation to an object, or anywhere."""
    if len(scene.objects) == MOST_OBJECTS:
        return None
    if chance(0.2, rng):
        colour, shape = pick(scene.objects, rng).kind
    else:
        colour, shape = pick(COLOURS, rng), pick(SHAPES, rng)
    size = pick(SIZES, rng)
    asked = Phrase(colour, shape, size if chance(0.5, rng) else None)
    places = [Object(shape, colour, size, x, y) for x, y in free_places(size, scene.objects)]
    new = newcomer(asked, scene, rng)
    if chance(0.25, rng):
        text = instruct(ADD_FRAMES, rng, new=new)
        return _edit("add", text, scene, (), (pick(places, rng),), (asked,)) if places else None
    found = _goal(scene, places, scene.objects, rng)
    if found is None:
        return None
    text = instruct(ADD_AT_FRAMES, rng, new=new, at=found.words.at)
    return _edit("add", text, scene, (), (found.item,), (asked,), found.goal)


def remove(scene: Scene, rng: np.random.Generator) -> Edit | None:
    """Remove an object that is not the only one."""
    item = pick(scene.objects, rng)
    name = name_of(scene, item, rng)
    if name is None or len(scene.objects) == 1:
        return None
    return _edit("remove", instruct(REMOVE_FRAMES, rng, a=name), scene, (item,), ())


def swap(scene: Scene, rng: np.random.Generator) -> Edit | None:
    """Let two different objects change places."""
    if len(scene.objects) == 1:
        return None
    a, b = (scene.objects[int(i)] for i in rng.permutation(len(scene.objects))[:2])
    names = name_of(scene, a, rng), name_of(scene, b, rng)
    if names[0] is None or names[1] is None or describe(a, size=True) == describe(b, size=True):
        return None
    rest = [item for item in scene.objects if item is not a and item is not b]
    for moved_a in _in_place_of(b, a):
        for moved_b in _in_place_of(a, b):
            if _fits(moved_a, rest) and _fits(moved_b, [*rest, moved_a]):
                text = instruct(SWAP_FRAMES, rng, a=names[0], b=names[1])
                return _edit("swap", text, scene, (a, b), (moved_a, moved_b))
    return None


def resize(scene: Scene, rng: np.random.Generator) -> Edit | None:
    """Make a small object large, or a large one small."""
    item = pick(scene.objects, rng)
    name, rest = name_of(scene, item, rng), _without(scene, item)
    if name is None:
        return None
    size = next(size for size in SIZES if size != item.size)
    for resized in _in_place_of(item, replace(item, size=size)):
        if _fits(resized, rest):
            return _edit("resize", instruct(RESIZE_FRAMES[size], rng, a=name), scene, (item,), (resized,))
    return None


CHANGES: Final[dict[str, Change]] = {
    "recolour": recolour,
    "move": move,
    "add": add,
    "remove": remove,
    "swap": swap,
    "resize": resize,
}
"""Kind -> the function that makes such an edit."""


class _Placement(NamedTuple):
    """An object at its new place, the goal that this place fulfils, and the words for it."""

    item: Object
    goal: Goal
    words: PlaceWords


def _goal(
    scene: Scene,
    places: Sequence[Object],
    rest: Sequence[Object],
    rng: np.random.Generator,
    mover: Object | None = None,
) -> _Placement | None:
    """Choose a goal and one of the places that fulfil it, where ``mover`` does not fulfil it already."""
    if not rest or chance(0.5, rng):
        return _into_region(places, rng, mover)
    other = pick(rest, rng)
    name = name_of(scene, other, rng)
    if name is None:
        return None
    present = None if mover is None else relation_of(mover, other)
    across = present is not None and chance(0.35, rng)
    if across and present is not None:
        relation, words = OPPOSITE[present], other_side(name)
    else:
        relation = pick([relation for relation in RELATIONS if relation != present], rng)
        words = relation_words(relation, name, rng)
    fitting = [item for item in places if relation_of(item, other, WIDE_RATIO) == relation]
    return _Placement(pick(fitting, rng), Goal(relation=relation, other=other), words) if fitting else None


def _into_region(places: Sequence[Object], rng: np.random.Generator, mover: Object | None) -> _Placement | None:
    present = None if mover is None else region_of(mover, 0)
    regions = sorted({region for item in places if (region := region_of(item)) is not None and region != present})
    if not regions:
        return None
    region = pick(regions, rng)
    item = pick([item for item in places if region_of(item) == region], rng)
    return _Placement(item, Goal(region=region), region_words(region, rng))


def _in_place_of(old: Object, item: Object) -> list[Object]:
    """Move ``item`` to where ``old`` is: to its centre, or with one corner of its box, the upper left one first."""
    shift = item.radius - old.radius
    offsets = [(shift, shift), (-shift, shift), (shift, -shift), (-shift, -shift)]
    return [replace(item, x=old.x + dx, y=old.y + dy) for dx, dy in dict.fromkeys(offsets)]


def _fits(item: Object, others: Sequence[Object]) -> bool:
    return (item.x, item.y) in free_places(item.size, others)


def _without(scene: Scene, item: Object) -> list[Object]:
    return [other for other in scene.objects if other is not item]


def _edit(
    kind: str,
    text: str,
    scene: Scene,
    before: tuple[Object, ...],
    after: tuple[Object, ...],
    asked: tuple[Phrase, ...] | None = None,
    goal: Goal | None = None,
) -> Edit:
    kept = tuple(item for item in scene.objects if not any(item is changed for changed in before))
    asked = tuple(describe(item, size=True) for item in after) if asked is None else asked
    return Edit(kind, text, scene, kept, before, after, asked, goal or Goal())
