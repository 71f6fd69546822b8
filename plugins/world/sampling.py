"""The endless stream of scenes: any scene by (seed, index), the same in every process and in any order."""

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

import numpy as np

from .compositions import (
    HELD_OUT,
    HELD_OUT_COUNTED,
    HELD_OUT_PAIRED,
    HELD_OUT_RELATED,
    HELD_OUT_SINGLE,
    is_held_out,
    unplaced_compositions,
)
from .placement import place_objects
from .scene import BACKGROUNDS, COLOURS, RELATIONS, SHAPES, SIZES, Kind, Object, Scene

Split = Literal["train", "held-out"]
SPLITS: Final[tuple[Split, ...]] = ("train", "held-out")
MOST_OBJECTS: Final = 4


class Draft(NamedTuple):
    """What a scene will hold before positions are found; ``relation`` is that of the first object to the second."""

    kinds: list[Kind]
    sizes: list[str]
    relation: str | None = None


def sample_scene(seed: int, index: int, split: Split = "train", objects: int | None = None) -> Scene:
    """Make the scene number ``index`` of the stream ``seed``, with that many ``objects`` where a number is given.

    ``"train"`` never shows a held-out composition, ``"held-out"`` always shows at least one. Raises ValueError for
    another split or number of objects and for numbers outside 0 .. 2**64 - 1.
    """
    if split not in SPLITS:
        raise ValueError(f"there is no split {split!r}; it is one of {', '.join(SPLITS)}")
    if objects is not None and not 1 <= objects <= MOST_OBJECTS:
        raise ValueError(f"a scene has 1 to {MOST_OBJECTS} objects, not {objects}")
    for name, number in (("seed", seed), ("index", index)):
        if not 0 <= number < 2**64:
            raise ValueError(f"{name} is {number}, but must lie in 0 .. 2**64 - 1")
    # The counter's last word is never reached by drawing, so the two splits are separate streams of one key.
    counter = np.array([0, 0, 0, SPLITS.index(split)], np.uint64)
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, index], np.uint64), counter=counter))
    return _train_scene(rng, objects) if split == "train" else _held_out_scene(rng, objects)


def place_draft(draft: Draft, rng: np.random.Generator) -> Scene:
    """Place a draft's objects at random, on a random background."""
    places = place_objects(draft.sizes, rng, draft.relation)
    objects = tuple(
        Object(kind.shape, kind.colour, size, x, y)
        for kind, size, (x, y) in zip(draft.kinds, draft.sizes, places, strict=True)
    )
    return Scene(objects, BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))])


def _train_scene(rng: np.random.Generator, objects: int | None) -> Scene:
    # How many objects and of which sort is decided once, so that rejecting held-out scenes does not thin out the
    # fuller pictures, which are rejected more often.
    sort = _pick_weighted(rng)
    number = sort.counts[int(rng.integers(len(sort.counts)))]
    while objects is not None and number != objects:
        sort = _pick_weighted(rng)
        number = sort.counts[int(rng.integers(len(sort.counts)))]
    while True:
        draft = sort.draft(number, rng)
        if not HELD_OUT.isdisjoint(unplaced_compositions(draft.kinds, draft.sizes)):
            continue
        for _ in range(4):
            scene = place_draft(draft, rng)
            if not is_held_out(scene):
                return scene


def _held_out_scene(rng: np.random.Generator, objects: int | None) -> Scene:
    group = int(rng.integers(4))
    while True:
        draft = _held_out_draft(group, rng)
        if objects is not None and len(draft.kinds) != objects:
            group = int(rng.integers(4))
            continue
        scene = place_draft(draft, rng)
        if is_held_out(scene):
            return scene


def _held_out_draft(group: int, rng: np.random.Generator) -> Draft:
    """Draft a scene around one held-out composition, with up to two objects more where it allows others."""
    relation = None
    size_of_first = None
    if group == 0:
        colour, shape, relation = HELD_OUT_RELATED[int(rng.integers(len(HELD_OUT_RELATED)))]
        kinds = [Kind(colour, shape), _kind(rng)]
    elif group == 1:
        number, colour, shape = HELD_OUT_COUNTED[int(rng.integers(len(HELD_OUT_COUNTED)))]
        kinds = [Kind(colour, shape)] * number
    elif group == 2:
        size_of_first, colour, shape = HELD_OUT_SINGLE[int(rng.integers(len(HELD_OUT_SINGLE)))]
        kinds = [Kind(colour, shape)]
    else:
        kinds = list(HELD_OUT_PAIRED[int(rng.integers(len(HELD_OUT_PAIRED)))])
    extra = 0 if size_of_first else int(rng.integers(min(2, 4 - len(kinds)) + 1))
    kinds += [_kind(rng) for _ in range(extra)]
    sizes = _sizes(len(kinds), rng, alike=group == 1)
    if size_of_first is not None:
        sizes[0] = size_of_first
    return Draft(kinds, sizes, relation)


def _scattered(number: int, rng: np.random.Generator) -> Draft:
    return Draft([_kind(rng) for _ in range(number)], _sizes(number, rng))


def _identical(number: int, rng: np.random.Generator) -> Draft:
    return Draft([_kind(rng)] * number, _sizes(number, rng, alike=True))


def _related(number: int, rng: np.random.Generator) -> Draft:
    relation = RELATIONS[int(rng.integers(len(RELATIONS)))]
    return Draft([_kind(rng) for _ in range(number)], _sizes(number, rng), relation)


def _same_shape(number: int, rng: np.random.Generator) -> Draft:
    shape = SHAPES[int(rng.integers(len(SHAPES)))]
    colours = rng.permutation(len(COLOURS))[:number]
    return Draft([Kind(COLOURS[int(c)], shape) for c in colours], _sizes(number, rng))


def _same_colour(number: int, rng: np.random.Generator) -> Draft:
    colour = COLOURS[int(rng.integers(len(COLOURS)))]
    shapes = rng.permutation(len(SHAPES))[:number]
    return Draft([Kind(colour, SHAPES[int(s)]) for s in shapes], _sizes(number, rng))


def _two_groups(number: int, rng: np.random.Generator) -> Draft:
    first, second = _kind(rng), _kind(rng)
    split = int(rng.integers(1, number))
    return Draft([first] * split + [second] * (number - split), _sizes(number, rng, alike=True))


class SceneType(NamedTuple):
    """A sort of training scene: its share of the stream, the counts it is made with, and how it is drafted."""

    name: str
    weight: float
    counts: tuple[int, ...]
    draft: Callable[[int, np.random.Generator], Draft]


SCENE_TYPES: Final = (
    SceneType("scattered", 0.22, (1, 2, 3, 4), _scattered),
    SceneType("lone", 0.12, (1,), _scattered),
    SceneType("identical", 0.20, (2, 3, 4), _identical),
    SceneType("related", 0.26, (2,), _related),
    SceneType("same shape", 0.08, (2, 3, 4), _same_shape),
    SceneType("same colour", 0.06, (2, 3), _same_colour),  # all four shapes of a colour include its held-out pair
    SceneType("two groups", 0.06, (3, 4), _two_groups),
)
"""The mix of the training stream."""
_CUMULATIVE = np.cumsum([sort.weight for sort in SCENE_TYPES])


def _pick_weighted(rng: np.random.Generator) -> SceneType:
    return SCENE_TYPES[min(int(np.searchsorted(_CUMULATIVE, rng.random(), side="right")), len(SCENE_TYPES) - 1)]


def _kind(rng: np.random.Generator) -> Kind:
    number = int(rng.integers(len(COLOURS) * len(SHAPES)))
    return Kind(COLOURS[number // len(SHAPES)], SHAPES[number % len(SHAPES)])


def _sizes(number: int, rng: np.random.Generator, alike: bool = False) -> list[str]:
    """Draw sizes; ``alike`` objects share one in three of four scenes, as in "three small green triangles"."""
    if alike and rng.random() < 0.75:
        return [SIZES[int(rng.integers(2))]] * number
    return [SIZES[int(i)] for i in rng.integers(2, size=number)]
