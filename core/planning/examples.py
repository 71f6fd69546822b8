"""Examples of sources as an objective prepares them, where their data is available, and stand-ins where it is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from PIL import Image

from ..contracts.factories import make
from ..recipe import Use
from ..sequence.conversation import Content, Conversation, Draw, Look, Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .samples import Sample

LETTERS = 4
"""Letters per token of text, approximately."""

SIDE = 32
"""Height and width of the picture that stands for one whose file is missing; its pathway transforms it."""


class Examples:
    """The first examples of each source, which are read once."""

    def __init__(self, sources: Mapping[str, Use]) -> None:
        self._uses = sources
        self._sources: dict[str, Any] = {}
        self._examples: dict[str, list[Conversation]] = {}

    def first(self, name: str, count: int) -> list[Conversation] | None:
        """The first ``count`` examples of a source; None where its data is not available."""
        examples = self._examples.setdefault(name, [])
        try:
            if name not in self._sources:
                self._sources[name] = make(self._uses[name].component, self._uses[name].config)
            examples += [self._sources[name].example(index) for index in range(len(examples), count)]
        except KeyboardInterrupt:
            raise
        except BaseException:  # missing files, and whatever else a source raises for them
            return None
        return examples[:count]


def stand_in(sample: Sample, number: int) -> Conversation:
    """An example with as much content as an average sample, whose pictures are grey.

    A fraction of a picture is a picture in that fraction of the examples, of which this is the ``number``-th.
    """
    words, answer = _text(sample.text - sample.predicted), _text(sample.predicted)
    picture = Image.new("RGB", (SIDE, SIDE), "grey")
    looks: list[Look] = []
    draws: list[Draw] = []
    for name, mean in sample.pictures.items():
        drawn = sample.drawn.get(name, 0)
        looks += [Look(picture, name)] * whole(mean - drawn, number)
        draws += [Draw(picture, name)] * whole(drawn, number)
    asked: list[Content] = [*looks, words] if words else [*looks]
    answered: list[Content] = [*draws, answer] if answer or not draws else [*draws]
    return Conversation([*([Turn("user", asked)] if asked else []), Turn("assistant", answered)])


def _text(tokens: float) -> str:
    return "a" * round(tokens * LETTERS)


def whole(mean: float, number: int) -> int:
    """The ``number``-th of a sequence of whole numbers with a mean, counted from 0."""
    return int(mean * (number + 1) + 1e-6) - int(mean * number + 1e-6)


class EstimatedText:
    """A text tokenizer that counts: as many ids as a text is estimated to have, all of them 0."""

    fitted = True

    def fit(self, texts: Iterable[str]) -> None:
        """Learn nothing."""

    def encode(self, text: str) -> list[int]:
        """An id for every few letters."""
        return [0] * -(-len(text) // LETTERS)

    def decode(self, ids: Sequence[int]) -> str:
        """Letters, as many as the ids stand for."""
        return "a" * (LETTERS * len(ids))

    def id_of(self, token: str) -> int:
        """The same id for all tokens."""
        return 0

    def save(self, folder: Any) -> None:
        """Write nothing."""
