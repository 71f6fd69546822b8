"""A sample as a conversation: turns of text, pictures to look at and pictures to draw. Torch-free."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, TypeAlias

import attrs
import numpy as np
from attrs import field, frozen

from ..errors import JaniformError
from .tiles import Tiles

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    Picture: TypeAlias = Image | np.ndarray | Tensor | Tiles
    """A PIL picture or uint8 array [h, w, 3], or its form in a pathway: tiles, pixels [3, h, w], codes [N, d]."""

Role = Literal["user", "assistant"]

_same_picture = attrs.cmp_using(eq=np.array_equal)


@frozen
class Look:
    """A picture that the model looks at, through one of its pathways."""

    picture: Picture = field(eq=_same_picture, repr=False)
    pathway: str = "understanding"

    @property
    def lines(self) -> tuple[tuple[Picture, ...], ...]:
        """The picture, or lines of its tiles, each of which takes the positions of a picture."""
        return self.picture.lines if isinstance(self.picture, Tiles) else ((self.picture,),)


@frozen
class Draw:
    """A picture that the model draws: the one to learn from, or None where it is not drawn yet."""

    picture: Picture | None = field(default=None, eq=_same_picture, repr=False)
    pathway: str = "generation"


Content: TypeAlias = str | Look | Draw


def _turns(value: Iterable[Turn]) -> tuple[Turn, ...]:
    return tuple(value)


def _content(value: Content | Iterable[Content]) -> tuple[Content, ...]:
    return (value,) if isinstance(value, str | Look | Draw) else tuple(value)


@frozen
class Turn:
    """One turn of a conversation. Its pieces are joined without separators, so line breaks must be written out."""

    role: Role
    content: tuple[Content, ...] = field(converter=_content)

    def __attrs_post_init__(self) -> None:
        if self.role not in ("user", "assistant"):
            raise JaniformError(f"a turn's role must be 'user' or 'assistant', not {self.role!r}")
        for piece in self.content:
            if not isinstance(piece, str | Look | Draw):
                raise JaniformError(f"a turn may hold text, Look and Draw, not {type(piece).__name__}")
            if isinstance(piece, Draw) and self.role == "user":
                raise JaniformError(
                    "a user turn holds a Draw: put Draw into an assistant turn, and Look into a user turn"
                )

    @classmethod
    def asking(cls, question: str, *pictures: Picture, pathway: str = "understanding") -> Turn:
        """A user turn: pictures, each on a line before the question as in Janus, and the question."""
        looks: list[Content] = []
        for picture in pictures:
            looks += [Look(picture, pathway), "\n"]
        return cls("user", (*looks, question))

    @property
    def text(self) -> str:
        """The turn's text without its pictures."""
        return "".join(piece for piece in self.content if isinstance(piece, str))


@frozen
class Conversation:
    """Turns in order, and the system text: None is the layout's own, "" is none.

    A plain text document is a conversation with one assistant turn and no user.
    """

    turns: tuple[Turn, ...] = field(converter=_turns)
    system: str | None = None

    def __attrs_post_init__(self) -> None:
        if not self.turns:
            raise JaniformError("a conversation must have at least one turn")

    @classmethod
    def asking(
        cls, question: str, *pictures: Picture, answer: str | None = None, pathway: str = "understanding"
    ) -> Conversation:
        """A question about pictures, as in ``Turn.asking``, and its answer for training."""
        turns = [Turn.asking(question, *pictures, pathway=pathway)]
        if answer is not None:
            turns.append(Turn("assistant", answer))
        return cls(turns)

    @classmethod
    def drawing(
        cls,
        prompt: str,
        picture: Picture | None = None,
        pathway: str = "generation",
        *,
        sources: Iterable[Picture] = (),
        looks: str = "understanding",
    ) -> Conversation:
        """A prompt, and the picture to learn from for it.

        ``sources``: pictures that it is drawn from, before the prompt; ``looks``: the pathway that looks at them.
        """
        user = Turn("user", (*(Look(source, looks) for source in sources), prompt))
        return cls((user, Turn("assistant", Draw(picture, pathway))))

    @classmethod
    def document(cls, text: str) -> Conversation:
        """A text without a user."""
        return cls((Turn("assistant", text),))

    @property
    def is_document(self) -> bool:
        """Whether it is a plain text document."""
        return len(self.turns) == 1 and self.turns[0].role == "assistant"

    @property
    def draws(self) -> bool:
        """Whether any turn holds a picture to draw."""
        return any(isinstance(piece, Draw) for turn in self.turns for piece in turn.content)
