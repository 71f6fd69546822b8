"""The layout of Harmon (arXiv:2503.21979): the chat template of Qwen2.5, with a picture in place of an answer.

    draw    {start}user\nGenerate an image: {prompt}{end}\n{start}assistant\n picture
    look    {start}user\n picture \n{question}{end}\n{start}assistant\n{answer}{end}

Nothing stands around a picture. The prompt of an unconditional row is ``Generate an image.``. A document without a user
is ``{pad}{text}{end}``.
"""

from __future__ import annotations

from janiform import Conversation, Draw, Sequence, Span, Turn, UsageError

from .base import TokenLayout
from .config import HarmonLayoutConfig
from .turns import parted, pictures_of, prompt_of, to_answer
from .writer import Writer


class HarmonLayout(TokenLayout[HarmonLayoutConfig]):
    """The layout of Harmon. Ids are looked up on use, since the text tokenizer may be fitted later."""

    @property
    def stop_ids(self) -> tuple[int, ...]:
        return (self.text.id_of(self.config.end),)

    def render(self, conversation: Conversation, *, answer: bool = True) -> Sequence:
        """Render every turn.

        The loss covers the assistant's texts with the end token, and the places of its pictures. Without ``answer``, a
        last turn of the assistant is left out. Raises ``UsageError`` where a conversation draws otherwise than one
        picture from one text.
        """
        turns = conversation.turns
        if conversation.draws and answer:
            return self._drawing(conversation)
        writer = Writer(self.text)
        if conversation.is_document:
            writer.special(self.config.pad)  # a text needs a position that it is predicted from
            if answer:
                self._answer(writer, turns[0], loss=True)
            return writer.finished()
        if conversation.system:
            self._opened(writer, "system")
            writer.text(conversation.system.strip())
            self._closed(writer)
        turns = turns if answer else to_answer(turns)
        for number, turn in enumerate(turns):
            self._opened(writer, turn.role)
            last = number == len(turns) - 1
            if turn.role == "user":
                self._pieces(writer, turn)
                self._closed(writer)
            elif turn.content or not last:
                writer.flush()
                self._answer(writer, turn, loss=answer)
                writer.text("" if last else "\n")
        return writer.finished()

    def drawing_prompt(self, prompt: str, pathway: str = "generation") -> Sequence:
        return self._asked(self.config.request.replace("{prompt}", prompt.strip()))

    def canvas(self, pathway: str) -> Sequence:
        """The positions of a picture to draw."""
        return Sequence((self._picture(Draw(pathway=pathway)),))

    def unconditional(self, sequence: Sequence) -> Sequence:
        """The sequence with the prompt of an unconditional row in place of its own."""
        _, rest = prompt_of(sequence)
        return Sequence((*self._asked(self.config.unconditional).spans, *rest))

    def without(self, sequence: Sequence, hidden: frozenset[str]) -> Sequence:
        """The unconditional sequence where ``"text"`` is hidden, since pictures are drawn from texts alone."""
        return self.unconditional(sequence) if "text" in hidden else sequence

    def _drawing(self, conversation: Conversation) -> Sequence:
        *before, last = conversation.turns
        pieces = [piece for turn in before for piece in turn.content]
        draws = len(last.content) == 1 and isinstance(last.content[0], Draw)
        if not draws or any(not isinstance(piece, str) for piece in pieces):
            raise UsageError("layout 'harmon' draws one picture from a text: a conversation must have nothing else")
        texts = [text for text in (conversation.system, *(turn.text for turn in before)) if text]
        piece = last.content[0]
        assert isinstance(piece, Draw)
        prompt = self.drawing_prompt("\n".join(texts), piece.pathway)
        return Sequence((*prompt.spans, self._picture(piece)))

    def _asked(self, text: str) -> Sequence:
        writer = Writer(self.text)
        self._opened(writer, "user")
        writer.text(text)
        self._closed(writer)
        self._opened(writer, "assistant")
        return writer.finished()

    def _opened(self, writer: Writer, role: str) -> None:
        writer.special(self.config.start)
        writer.text(f"{role}\n")

    def _closed(self, writer: Writer) -> None:
        writer.special(self.config.end)
        writer.text("\n")

    def _answer(self, writer: Writer, turn: Turn, *, loss: bool) -> None:
        self._pieces(writer, turn)
        writer.flush(loss)
        writer.special(self.config.end, loss=loss)

    def _pieces(self, writer: Writer, turn: Turn) -> None:
        """Write texts, and pictures with a line break behind each."""
        for piece in parted(turn):
            if isinstance(piece, str):
                writer.text(piece)
                continue
            for picture in pictures_of(piece):
                writer.picture(picture, self.config.pad, self.pathways[picture.pathway].tokens, loss=False)
                writer.text("\n")

    def _picture(self, piece: Draw) -> Span:
        ids = (self.pad_id,) * self.pathways[piece.pathway].tokens
        return Span("draw", ids, piece.pathway, piece.picture, loss=True)
