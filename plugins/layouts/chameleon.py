"""The layout of Chameleon (arXiv:2405.09818), as ``chameleon/inference/chameleon.py`` of its release writes it.

    {begin}{question}{end_of_turn}{answer}{end}

A picture is ``{begin_of_image}`` + its codes + ``{end_of_image}``, anywhere in a turn. A picture to draw directly
follows ``{end_of_turn}{begin_of_image}``, the end of the prompt that generates it; other pictures may be part of the
prompt. Texts are stripped. The release has neither system texts nor a second question: a system text is written before
the first turn, and every answer ends with ``{end}``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from janiform import Conversation, Draw, Look, Sequence, Span, Turn

from .base import TokenLayout
from .config import ChameleonLayoutConfig
from .turns import joined, parted, pictures_of, positions_of, prompt_of, to_answer
from .writer import Writer


class ChameleonLayout(TokenLayout[ChameleonLayoutConfig]):
    """The layout of Chameleon."""

    @property
    def draws_from(self) -> tuple[str, ...]:
        """The pathway through which the model looks at pictures that it draws another from."""
        return tuple(name for name, shape in self.pathways.items() if shape.mode == "look")[:1]

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """The end of an answer, and the beginning of a picture, which only a drawing prompt asks for."""
        return self.text.id_of(self.config.end), self.text.id_of(self.config.begin_of_image)

    def render(self, conversation: Conversation, *, answer: bool = True) -> Sequence:
        """Render every turn.

        The loss covers the assistant's text with its end token, and the codes of its pictures, but not the tokens
        around a picture, which are always given. Without ``answer``, a last turn of the assistant is left out.
        """
        turns = conversation.turns if answer else to_answer(conversation.turns)
        return self._written(turns, conversation.system, loss=answer).finished()

    def drawing_prompt(self, prompt: str | Conversation, pathway: str = "generation") -> Sequence:
        """The prompt of a picture; a conversation ends with the turn of the user that asks for it."""
        conversation = prompt if isinstance(prompt, Conversation) else Conversation((Turn("user", prompt),))
        writer = self._written(conversation.turns, conversation.system, loss=False)
        writer.special(self.config.begin_of_image)
        return writer.finished()

    def unconditional(self, sequence: Sequence) -> Sequence:
        """The first and the last token of the prompt alone, which begin the text and the picture."""
        return self.without(sequence, {"text", *self.pathways})

    def without(self, sequence: Sequence, hidden: Collection[str]) -> Sequence:
        """The sequence with a prompt of which nothing is left of what is hidden.

        ``hidden``: names of pathways, whose pictures are left out with the tokens around them, and ``"text"`` for all
        ids but those around other pictures, the first and the last.
        """
        prompt, rest = prompt_of(sequence)
        marks = {self.text.id_of(self.config.begin_of_image), self.text.id_of(self.config.end_of_image)}
        single = [one for span in prompt for one in positions_of(span)]
        hides = [span.kind != "text" and span.pathway in hidden for span in single]

        def kept(place: int, span: Span) -> bool:
            if span.kind != "text":
                return not hides[place]
            if place in (0, len(single) - 1):
                return True
            if span.ids[0] in marks:
                return not (hides[place - 1] or hides[place + 1])
            return "text" not in hidden

        return Sequence((*joined(span for place, span in enumerate(single) if kept(place, span)), *rest))

    def _written(self, turns: Iterable[Turn], system: str | None, *, loss: bool) -> Writer:
        writer = Writer(self.text)
        writer.special(self.config.begin)
        if system:
            writer.text(system.strip() + self.config.after_system)
        for turn in turns:
            self._turn(writer, turn, loss=loss)
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
