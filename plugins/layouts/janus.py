"""The ``deepseek`` template of Janus and Janus-Pro, as their ``VLChatProcessor`` renders it.

    {begin}{system}\\n\\n{user}: {content}\\n\\n{assistant}: {content}{end}{user}: ...

Contents and the whole text are stripped, and an empty turn is ``{role}:`` without a space. A picture to look at is
``{begin_of_image}`` + placeholders + ``{end_of_image}``, the first of which may stand at the place of the former
(``lead_marks``); a tiled picture has the placeholders of all tiles, with text
between their lines. A picture to draw directly follows ``{assistant}:``, the end of the prompt that generates it.
Where a conversation draws, every picture of its user is looked at through all pathways of ``draws_from``: first the
features of SigLIP and then the codes in Janus-4o, whose instruction follows without a line break. With ``sources`` of
"last" all but the first of these pathways look at the end of the turn.
A document without a user is ``{begin}{text}{end}``. Other chat templates differ in the texts around turns, which are
settings; special tokens in these texts are placed by their ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from janiform import ComponentError, Conversation, Draw, Look, Sequence, Turn, blanked

from .base import TokenLayout
from .config import JanusConfig
from .turns import Piece, hidden, stripped, to_answer
from .writer import Writer

_TOKEN = re.compile(r"(<[^<>\s]+>|\[[^\[\]\s]+\])")
"""What may be a special token in the settings' texts."""


class JanusLayout(TokenLayout[JanusConfig]):
    """The layout of Janus."""

    @property
    def draws_from(self) -> tuple[str, ...]:
        return self.config.draws_from

    @property
    def most_sources(self) -> int:
        return self.config.most_sources

    @property
    def stop_ids(self) -> tuple[int, ...]:
        return (self.text.id_of(self.config.end),)

    def render(self, conversation: Conversation, *, answer: bool = True) -> Sequence:
        """Render every turn.

        The loss covers the assistant's text with its end token, and the codes of its pictures, but not the tokens
        around a picture, which are always given. Without ``answer``, a last turn of the assistant is left out.
        """
        turns, draws = conversation.turns, conversation.draws
        if conversation.is_document:
            writer = self._writer()
            writer.special(self.config.begin)
            if answer:
                self._contents(writer, stripped(turns[0]), loss=True, last=True)
            return writer.finished()
        if not answer:
            turns = to_answer(turns)
        return self._written(turns, conversation.system, draws=draws, loss=answer).finished()

    def drawing_prompt(self, prompt: str | Conversation, pathway: str = "generation") -> Sequence:
        conversation = prompt if isinstance(prompt, Conversation) else Conversation((Turn("user", prompt),))
        turns = (*conversation.turns, Turn("assistant", ()))
        writer = self._written(turns, conversation.system, draws=True, loss=False)
        if self.config.drawn_marks:
            writer.special(self.config.begin_of_image)
        return writer.finished()

    def canvas(self, pathway: str) -> Sequence:
        """The positions of a picture that is drawn as a whole, after a drawing prompt."""
        writer = self._writer()
        self._picture(writer, Draw(pathway=pathway), loss=True)
        return writer.finished()

    def _written(self, turns: Iterable[Turn], system: str | None, *, draws: bool, loss: bool) -> Writer:
        """The begin token, the system text and all turns. ``draws``: whether the conversation draws a picture."""
        writer = self._writer()
        writer.special(self.config.begin)
        if system is None:
            if self.config.system and not draws:
                writer.text(self.config.system.lstrip() + "\n\n")
            self._fixed(writer, self.config.start)
        elif system:
            self._fixed(writer, self.config.before_system)
            writer.text(system.lstrip())
            self._fixed(writer, self.config.after_system)
        turns = [self._with_sources(turn) for turn in turns] if draws else list(turns)
        for index, turn in enumerate(turns):
            self._turn(writer, turn, loss=loss, last=index == len(turns) - 1)
        return writer

    def _with_sources(self, turn: Turn) -> Turn:
        """A turn of a conversation that draws: the user's pictures are looked at through every pathway for sources."""
        first, *others = self.config.draws_from or ("",)
        if not others or turn.role != "user":
            return turn
        pieces: list[Piece] = []
        last: list[Piece] = []
        for piece in turn.content:
            pieces.append(piece)
            if isinstance(piece, Look) and piece.pathway == first:
                again = [Look(piece.picture, other) for other in others]
                (last if self.config.sources == "last" else pieces).extend(again)
        return Turn(turn.role, (*pieces, *last))

    def unconditional(self, sequence: Sequence) -> Sequence:
        return hidden(sequence, self.pad_id) if self.config.hide else blanked(sequence, self.pad_id)

    def _turn(self, writer: Writer, turn: Turn, *, loss: bool, last: bool) -> None:
        assistant = turn.role == "assistant"
        config = self.config
        for text in (config.before_role, config.roles[int(assistant)], config.after_role):
            self._fixed(writer, text)
        pieces = stripped(turn)
        if not pieces:
            return
        if not assistant:
            self._fixed(writer, config.before_content)
            self._pieces(writer, pieces, loss=False)
            if not last:
                self._fixed(writer, config.after_user)
            return
        writer.flush()
        if not isinstance(pieces[0], Draw):
            self._fixed(writer, config.before_content)
        self._contents(writer, pieces, loss=loss, last=last)

    def _contents(self, writer: Writer, pieces: list[Piece], *, loss: bool, last: bool) -> None:
        """Write the assistant's contents and what follows: the end token, or the text before the next turn.

        The end token has loss unless the turn ends with a picture.
        """
        self._pieces(writer, pieces, loss=loss)
        writer.flush(loss)
        end, after = self.config.end, self.config.after_answer
        if last or after.startswith(end) or not after:
            writer.special(end, loss=loss and not (pieces and isinstance(pieces[-1], Draw)))
            after = after.removeprefix(end)
        if not last:
            self._fixed(writer, after)

    def _fixed(self, writer: Writer, text: str) -> None:
        """Write a text of the settings, in which special tokens count as such."""
        for piece in _TOKEN.split(text):
            if _TOKEN.fullmatch(piece) and self._is_special(piece):
                writer.special(piece)
            elif piece:
                writer.text(piece)

    def _pieces(self, writer: Writer, pieces: list[Piece], *, loss: bool) -> None:
        for piece in pieces:
            if isinstance(piece, str):
                writer.text(piece)
                continue
            writer.flush(loss)
            if isinstance(piece, Draw) and not self.config.drawn_marks:
                self._picture(writer, piece, loss=loss)
                continue
            leads = isinstance(piece, Look) and self.pathways[piece.pathway].features.lead > 0
            if not (leads and self.config.lead_marks):
                writer.special(self.config.begin_of_image)
            if isinstance(piece, Draw):
                self._picture(writer, piece, loss=loss)
            else:
                self._look(writer, piece)
            writer.special(self.config.end_of_image)

    def _look(self, writer: Writer, piece: Look) -> None:
        """Write a picture, or its tiles line by line."""
        for number, line in enumerate(piece.lines):
            if number:
                writer.text(self.config.between_lines)
            for picture in line:
                self._picture(writer, Look(picture, piece.pathway), loss=False)

    def _picture(self, writer: Writer, piece: Look | Draw, *, loss: bool) -> None:
        shape = self.pathways[piece.pathway]
        # Codes that are drawn one after the other must not attend to those that follow.
        together = not isinstance(piece, Draw) or shape.process is not None
        writer.picture(
            piece,
            self.config.placeholder,
            shape.tokens,
            loss=loss,
            mask="full" if self.config.full_pictures and together else "causal",
            positions="one" if self.config.one_position and together else "each",
        )

    def _is_special(self, token: str) -> bool:
        try:
            self.text.id_of(token)
        except ComponentError:
            return False
        return True

    def _writer(self) -> Writer:
        return Writer(self.text)
