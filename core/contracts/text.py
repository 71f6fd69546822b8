"""Contracts of text tokenizers and layouts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..sequence.conversation import Conversation
    from ..sequence.spans import Sequence as SpanSequence


__all__ = ["Layout", "LayoutConfig", "TextConfig", "TextTokenizer"]


class TextConfig(Protocol):
    """Kind ``text``: the text tokenizer; factory(config, folder: Path | None) -> TextTokenizer.

    ``folder`` is the model directory that holds the tokenizer's files (``tokenizer.json``); None where there is none.
    """

    @property
    def vocabulary(self) -> int:
        """Upper bound of the ids; 0 means the backbone's vocabulary."""


class TextTokenizer(Protocol):
    """Strings to ids and back. Special tokens are named by their text; ids always come from the tokenizer's file."""

    @property
    def fitted(self) -> bool:
        """False until ``fit`` where the vocabulary is learned from the training text."""

    def fit(self, texts: Iterable[str]) -> None:
        """Learn the vocabulary from texts."""

    def encode(self, text: str) -> list[int]:
        """Ids of the text, without a prefix or suffix. A special token that is written in the text is ordinary text.

        Only a layout places special tokens, by ``id_of``, so that a prompt cannot contain one.
        """

    def decode(self, ids: Sequence[int]) -> str:
        """Text of the ids, without special tokens."""

    def id_of(self, token: str) -> int:
        """The id of a special token. Raises ``ComponentError`` naming the token where the vocabulary lacks it."""

    def save(self, folder: Any) -> None:
        """Write ``tokenizer.json`` into the folder."""


class LayoutConfig(Protocol):
    """Kind ``layout``: a chat format; factory(config, text, pathways) -> Layout.

    ``text`` is the ``TextTokenizer``; ``pathways`` maps names to ``PathwayShape``. A method ``pathways()`` of the
    config gives those in its settings, as that of an objective's config does. ``full_blocks`` is true where spans are
    full blocks, which not every backbone supports.
    """


class Layout(Protocol):
    """Conversations to typed spans, and the unconditional input for guidance.

    It may also have ``cut(sequence, length) -> Sequence or None``: its rule for sequences that are longer than a row.
    The default cuts off the end, whole pictures at a time, back to the last span that has a loss.

    A layout for models that draw from other pictures has ``draws_from``, the names of the pathways through which they
    look at each of those, and ``most_sources``, how many a prompt may have, 0 for any number; its ``drawing_prompt``
    takes a conversation as well. It may have ``without(sequence, hidden) -> Sequence``, a prompt for a guidance row
    that does not see everything; the default is ``janiform.without``.

    It may have ``canvas(pathway) -> Sequence``: the positions of a picture that is drawn as a whole, with its marks,
    which follow a drawing prompt. The default is the picture alone, without a block.
    """

    def render(self, conversation: Conversation, *, answer: bool = True) -> SpanSequence:
        """The whole conversation. With ``answer`` the assistant's turns have losses; without, it ends as a prompt."""

    def drawing_prompt(self, prompt: str | Conversation, pathway: str) -> SpanSequence:
        """The sequence up to the first code of a picture to draw.

        A conversation ends with the turn of the user that asks for the picture; only a layout with ``draws_from`` is
        given one.
        """

    def unconditional(self, sequence: SpanSequence) -> SpanSequence:
        """The same sequence with its prompt blanked, for training dropout and for guidance."""

    @property
    def stop_ids(self) -> Sequence[int]:
        """Ids that end an answer."""

    @property
    def pad_id(self) -> int:
        """The id that fills padding, which is neither attended to nor predicted."""
