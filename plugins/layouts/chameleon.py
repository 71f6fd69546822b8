"""The layout of Chameleon (arXiv:2405.09818), as ``chameleon/inference/chameleon.py`` of its release writes it.

    {begin}{question}{end_of_turn}{answer}{end}

A picture is ``{begin_of_image}`` + its codes + ``{end_of_image}``, anywhere in a turn. A picture to draw directly
follows ``{end_of_turn}{begin_of_image}``, the end of the prompt that generates it. Texts are stripped. The release has
neither system texts nor a second question: a system text is written before the first turn, and every answer ends with
``{end}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from janiform import Conversation, Draw, Look, Sequence, Span, Turn

from .config import ChameleonLayoutConfig
from .turns import parted, pictures_of, prompt_of, to_answer
from .writer import Writer

if TYPE_CHECKING:
    from janiform import PathwayShape, TextTokenizer


class ChameleonLayout:
    """The layout of Chameleon. Ids are looked up on use, since the text tokenizer may be fitted later."""

    def __init__(
        self, config: ChameleonLayoutConfig, text: TextTokenizer, pathways: Mapping[str, PathwayShape]
    ) -> None:
        self.config = config
        self.text = text
        self.pathways = pathways

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """The end of an answer, and the beginning of a picture, which only a drawing prompt asks for."""
        return self.text.id_of(self.config.end), self.text.id_of(self.config.begin_of_image)

    @property
    def pad_id(self) -> int:
        return self.text.id_of(self.config.pad)

    def render(self, conversation: Conversation, *, answer: bool = True) -> Sequence:
        """Render every turn.

        The loss covers the assistant's text with its end token, and the codes of its pictures, but not the tokens
        around a picture, which are always given. Without ``answer``, a last turn of the assistant is left out.
        """
        writer = self._begun(conversation.system)
        for turn in conversation.turns if answer else to_answer(conversation.turns):
            self._turn(writer, turn, loss=answer)
        return writer.finished()

    def drawing_prompt(self, prompt: str, pathway: str = "generation") -> Sequence:
        writer = self._begun()
        self._turn(writer, Turn("user", prompt), loss=False)
        writer.special(self.config.begin_of_image)
        return writer.finished()

    def unconditional(self, sequence: Sequence) -> Sequence:
        """The first and the last token of the prompt alone, which begin the text and the picture."""
        prompt, rest = prompt_of(sequence)
        return Sequence((Span("text", (prompt[0], prompt[-1])), *rest))

    def _begun(self, system: str | None = None) -> Writer:
        writer = Writer(self.text)
        writer.special(self.config.begin)
        if system:
            writer.text(system.strip() + self.config.after_system)
        return writer

    def _turn(self, writer: Writer, turn: Turn, *, loss: bool) -> None:
        answers, pieces = turn.role == "assistant", parted(turn)
        loss = loss and answers
        for piece in pieces:
            if isinstance(piece, str):
                writer.text(piece)
                continue
            writer.flush(loss)
            self._picture(writer, piece, loss=loss)
        if not answers:
            writer.special(self.config.end_of_turn)
        elif pieces:
            writer.flush(loss)
            writer.special(self.config.end, loss=loss and not isinstance(pieces[-1], Draw))

    def _picture(self, writer: Writer, piece: Look | Draw, *, loss: bool) -> None:
        tokens = self.pathways[piece.pathway].tokens
        for picture in pictures_of(piece):
            writer.special(self.config.begin_of_image)
            writer.picture(picture, self.config.placeholder, tokens, loss=loss and isinstance(picture, Draw))
            writer.special(self.config.end_of_image)
