"""Words for objects: noun phrases with some attributes left out, numbers, articles, relations."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol, TypeVar

import numpy as np

from .scene import Object

T = TypeVar("T")

NUMBER_WORDS: Final = ("zero", "one", "two", "three", "four")
GENERIC_NOUNS: Final = ("object", "shape")
SIZE_WORDS: Final[dict[str, tuple[str, ...]]] = {"small": ("small", "little"), "large": ("large", "big")}
"""What a size may be called; the first word is the usual one."""
RELATION_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "left of": ("left of", "to the left of"),
    "right of": ("right of", "to the right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}


class Described(Protocol):
    """Anything with the attributes that a phrase can name."""

    @property
    def shape(self) -> str:
        """One of SHAPES."""

    @property
    def colour(self) -> str:
        """One of COLOURS."""

    @property
    def size(self) -> str:
        """One of SIZES."""


class Phrase(NamedTuple):
    """What is said about an object; None for what is left out."""

    colour: str | None = None
    shape: str | None = None
    size: str | None = None

    def fits(self, item: Described) -> bool:
        """Tell whether all that is said is true of ``item``."""
        return (
            (self.colour is None or self.colour == item.colour)
            and (self.shape is None or self.shape == item.shape)
            and (self.size is None or self.size == item.size)
        )

    def count(self, items: Iterable[Described]) -> int:
        """Count the items it fits."""
        return sum(self.fits(item) for item in items)

    def noun(self, plural: bool = False, *, generic: str = "object", size_word: str | None = None) -> str:
        """Write it without an article: ``"small red circle"``, ``"crosses"``, ``"blue objects"``."""
        name = self.shape or generic
        if plural:
            name += "es" if name.endswith("s") else "s"
        size = size_word or self.size
        return " ".join(word for word in (size, self.colour, name) if word)


def describe(item: Object, *, size: bool = False, colour: bool = True, shape: bool = True) -> Phrase:
    """Say the named attributes of an object."""
    return Phrase(item.colour if colour else None, item.shape if shape else None, item.size if size else None)


def with_article(noun: str) -> str:
    """Put "a" or "an" before a noun phrase."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def pick(options: Sequence[T], rng: np.random.Generator) -> T:
    """Choose one of the options, all equally likely."""
    return options[int(rng.integers(len(options)))]


def chance(probability: float, rng: np.random.Generator) -> bool:
    """Say yes with this probability."""
    return bool(rng.random() < probability)


def usually_first(options: Sequence[T], rng: np.random.Generator, probability: float = 0.7) -> T:
    """Choose the first option with this probability, else any."""
    return options[0] if chance(probability, rng) else pick(options, rng)


def varied_noun(phrase: Phrase, rng: np.random.Generator, plural: bool = False, *, generic: str | None = None) -> str:
    """Write a phrase without an article, with a synonym now and then: ``"little red circles"``."""
    size_word = usually_first(SIZE_WORDS[phrase.size], rng) if phrase.size else None
    return phrase.noun(plural, generic=generic or usually_first(GENERIC_NOUNS, rng), size_word=size_word)


def singular(phrase: Phrase, rng: np.random.Generator) -> str:
    """Write a phrase for one object: ``"a red circle"``."""
    return with_article(varied_noun(phrase, rng))


def quantified(phrase: Phrase, count: int, rng: np.random.Generator) -> str:
    """Write a phrase with its number: ``"a red circle"``, ``"three little crosses"``, ``"2 blue objects"``."""
    noun = varied_noun(phrase, rng, count > 1)
    if count == 1:
        return f"one {noun}" if chance(0.1, rng) else with_article(noun)
    return f"{count if chance(0.12, rng) else NUMBER_WORDS[count]} {noun}"


def listed(parts: Sequence[str]) -> str:
    """Join parts as a list: ``"a, b and c"``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
