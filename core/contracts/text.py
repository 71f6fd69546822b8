"""What words become: text tokenizers and layouts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..sequence.conversation import Conversation
    from ..sequence.spans import Sequence as SpanSequence


class TextConfig(Protocol):
    """Kind ``text``: the text tokenizer; factory(config, folder: Path | None) -> TextTokenizer.

    ``folder`` is the model directory whose files (``tokenizer.json``) belong to the model, where there is one.
    """

    @property
    def vocabulary(self) -> int:
        """Upper bound of the ids, 0 where it is whatever the backbone has."""


class TextTokenizer(Protocol):
    """Strings to ids and back. Special tokens are named by their text; ids always come from the tokenizer's file."""

    @property
    def fitted(self) -> bool:
        """False until ``fit`` where the vocabulary is to be learned from the training text."""

    def fit(self, texts: Iterable[str]) -> None: ...

    def encode(self, text: str) -> list[int]:
        """Ids of the text, nothing put before or after. A special token that is written in it stays ordinary text.

        Only a layout places special tokens, by ``id_of``: so nobody can type one into a prompt.
        """

    def decode(self, ids: Sequence[int]) -> str:
        """Text of the ids, special tokens left out."""

    def id_of(self, token: str) -> int:
        """The id of a special token. Raises ``ComponentError`` naming the token where the vocabulary lacks it."""

    def save(self, folder: Any) -> None:
        """Write ``tokenizer.json`` into the folder."""


class LayoutConfig(Protocol):
    """Kind ``layout``: a chat format; factory(config, text, pathways) -> Layout.

    ``text`` is the ``TextTokenizer``, ``pathways`` a mapping from their names to ``PathwayShape``.
    """


class Layout(Protocol):
    """Conversations to typed spans, and the construction of the unconditional input for guidance.

    It may also have ``cut(sequence, length) -> Sequence or None``: its rule for sequences that are too long for a row.
    Without one the end is cut off, pictures whole, back to the last thing that is to be learned.
    """

    def render(self, conversation: Conversation, *, answer: bool = True) -> SpanSequence:
        """The whole conversation. Losses lie on the assistant's turns where ``answer``; else a prompt awaits one."""

    def drawing_prompt(self, prompt: str, pathway: str) -> SpanSequence:
        """Everything up to the first code of a picture to draw."""

    def unconditional(self, sequence: SpanSequence) -> SpanSequence:
        """The same sequence with its prompt blanked, for training dropout and for guidance alike."""

    @property
    def stop_ids(self) -> Sequence[int]:
        """Ids that end an answer."""

    @property
    def pad_id(self) -> int:
        """The id that fills padding; nothing sees or predicts it there."""
