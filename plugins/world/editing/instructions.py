"""The words of edits: instructions, names of objects that fit one object only, and places."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from ..captions import at_region
from ..phrases import RELATION_WORDS, Phrase, chance, describe, pick, singular, varied_noun
from ..questions import unique_phrase
from ..scene import Object, Scene, region_of

RECOLOUR_FRAMES: Final = (
    "make the {a} {colour}",
    "colour the {a} {colour}",
    "paint the {a} {colour}",
    "turn the {a} {colour}",
    "change the colour of the {a} to {colour}",
    "the {a} should be {colour}",
)
MOVE_FRAMES: Final = ("move the {a} {to}", "move the {a} {to}", "put the {a} {at}", "place the {a} {at}")
ADD_FRAMES: Final = ("add {new}", "add {new}", "insert {new}", "draw {new} as well", "put {new} into the picture")
ADD_AT_FRAMES: Final = ("add {new} {at}", "add {new} {at}", "insert {new} {at}", "draw {new} {at}", "put {new} {at}")
REMOVE_FRAMES: Final = (
    "remove the {a}",
    "delete the {a}",
    "erase the {a}",
    "take the {a} away",
    "take away the {a}",
    "get rid of the {a}",
)
SWAP_FRAMES: Final = (
    "swap the {a} and the {b}",
    "swap the places of the {a} and the {b}",
    "exchange the {a} and the {b}",
    "let the {a} and the {b} change places",
    "put the {a} where the {b} is and the other way round",
)
RESIZE_FRAMES: Final[dict[str, tuple[str, ...]]] = {
    "large": (
        "make the {a} large",
        "make the {a} larger",
        "make the {a} bigger",
        "make the {a} big",
        "enlarge the {a}",
    ),
    "small": ("make the {a} small", "make the {a} smaller", "make the {a} little", "shrink the {a}"),
}
"""New size -> frames."""


class PlaceWords(NamedTuple):
    """A place after verbs of motion ("to the top left") and after others ("in the top left")."""

    to: str
    at: str


def instruct(frames: Sequence[str], rng: np.random.Generator, **words: str) -> str:
    """Fill one of the frames, in lower case without a full stop; one of ten instructions says please."""
    text = pick(frames, rng).format(**words)
    return f"please {text}" if chance(0.1, rng) else text


def name_of(scene: Scene, item: Object, rng: np.random.Generator) -> str | None:
    """Name an object so that the name fits no other: ``"red circle"``, ``"red circle in the top left"``.

    The region is named only where the other attributes fit several objects. None where no name is unambiguous.
    """
    phrase = unique_phrase(scene, item, rng)
    if phrase is not None:
        return varied_noun(phrase, rng)
    phrase, region = describe(item), region_of(item)
    rivals = [region_of(other) for other in scene.objects if other is not item and phrase.fits(other)]
    if region is None or region in rivals or None in rivals:
        return None
    return f"{varied_noun(phrase, rng)} {at_region(region)}"


def joins_wrongly(name: str, place: str) -> bool:
    """Return whether a place after a name reads as a part of it: "the circle at the top" and "left of the square"."""
    return name.endswith((" at the top", " at the bottom")) and place.startswith(("left", "right"))


def newcomer(phrase: Phrase, scene: Scene, rng: np.random.Generator) -> str:
    """Name an object that is added: ``"a red circle"``, or ``"another red circle"`` where the scene shows one."""
    if phrase.count(scene.objects):
        return f"another {varied_noun(phrase, rng)}"
    return singular(phrase, rng)


def region_words(region: str, rng: np.random.Generator) -> PlaceWords:
    """Write a ninth of the picture. Those between two corners are called the middle of an edge."""
    if region == "centre":
        centre = pick(("centre", "middle"), rng)
        return PlaceWords(f"to the {centre}", f"in the {centre}")
    if " " in region:
        corner = pick(("", " corner"), rng)
        return PlaceWords(f"to the {region}{corner}", f"in the {region}{corner}")
    return PlaceWords(f"to the middle of the {region} edge", f"at the middle of the {region} edge")


def relation_words(relation: str, other: str, rng: np.random.Generator) -> PlaceWords:
    """Write a relation to another object, which is named without an article."""
    words = f"{pick(RELATION_WORDS[relation], rng)} the {other}"
    return PlaceWords(words, words)


def other_side(other: str) -> PlaceWords:
    """Write that an object changes to the other side of another, which is named without an article."""
    return PlaceWords(f"to the other side of the {other}", f"on the other side of the {other}")
