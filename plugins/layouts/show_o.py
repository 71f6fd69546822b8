"""The layout of Show-o (arXiv:2408.12528), as ``training/prompting_utils.py`` of its release writes it.

    draw    {draw}{begin}{prompt}{end}{begin_of_image} codes {end_of_image}
    look    {look}{begin_of_image} codes {end_of_image}{begin}{question}{answer}{end}
    text    {begin}{text}{end}

A picture to draw and its marks are one full block behind the causal prompt. A picture to look at is one full block with
everything before it. Several of them stand one after the other, before the text, in one block. A question and its
answer are ``USER: \\n{question} ASSISTANT: {answer}``, as in ``inference_mmu.py``; a caption without a question stands
alone.

The release pads prompts on their left to 129 positions. The pads are seen by nobody while a picture is drawn, and
rotary positions are relative, so that they only shift what follows: they are left out here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve
from janiform import Draw, Look, Sequence, Span, UsageError

from .base import TokenLayout
from .turns import parted, pictures_of, to_answer

if TYPE_CHECKING:
    from janiform import Conversation, Turn


_BLOCK = 1
"""The number of the only full block of a sequence."""


class ShowOLayout(TokenLayout["ShowOLayoutConfig"]):
    """The layout of Show-o. Ids are looked up on use, since the text tokenizer may be fitted later."""

    @property
    def stop_ids(self) -> tuple[int, ...]:
        return (self.text.id_of(self.config.end),)

    def render(self, conversation: Conversation, *, answer: bool = True) -> Sequence:
        """Render every turn.

        The loss covers the assistant's texts with the end token, and the codes of a picture to draw; that of its marks
        is part of the codes' with ``predict_marks``. Without ``answer``, a last turn of the assistant is left out.
        Raises ``UsageError`` where a conversation draws otherwise than one picture from one text.
        """
        if conversation.draws and answer:
            return self._drawing(conversation)
        turns = conversation.turns
        if not answer and not conversation.is_document:
            turns = to_answer(turns)
        pictures = [piece for turn in turns for piece in turn.content if isinstance(piece, Look)]
        spans: list[Span] = []
        if pictures:
            spans.append(self._marks(self.config.look))
            for piece in pictures:
                for picture in pictures_of(piece):
                    spans += self._picture(picture)
        spans.append(evolve(self._marks(self.config.begin), block=0))
        if conversation.is_document and not answer:
            return Sequence(spans)
        return Sequence((*spans, *self._texts(turns, conversation.system, loss=answer)))

    def drawing_prompt(self, prompt: str, pathway: str = "generation") -> Sequence:
        """The text of the prompt, cut to ``longest_prompt`` positions with its marks, as in the release."""
        begin, end = self.text.id_of(self.config.begin), self.text.id_of(self.config.end)
        ids = self.text.encode(prompt.strip())
        if self.config.longest_prompt:
            ids = ids[: self.config.longest_prompt - 3]
        return Sequence((Span("text", (self.text.id_of(self.config.draw), begin, *ids, end)),))

    def canvas(self, pathway: str) -> Sequence:
        """A picture to draw, with its marks, which follows its prompt as one block."""
        placeholder = (self.pad_id,) * self.pathways[pathway].tokens
        return self._framed(Span("draw", placeholder, pathway, loss=True, block=_BLOCK))

    def unconditional(self, sequence: Sequence) -> Sequence:
        """The sequence without the text of its drawing prompt: ``{draw}{begin}{end}`` and the picture."""
        prompt, *rest = sequence.spans
        if prompt.kind != "text" or prompt.ids[0] != self.text.id_of(self.config.draw):
            return sequence
        return Sequence((evolve(prompt, ids=(*prompt.ids[:2], prompt.ids[-1])), *rest))

    def without(self, sequence: Sequence, hidden: frozenset[str]) -> Sequence:
        """The unconditional sequence where ``"text"`` is hidden, since pictures are drawn from texts alone."""
        return self.unconditional(sequence) if "text" in hidden else sequence

    def _drawing(self, conversation: Conversation) -> Sequence:
        *before, last = conversation.turns
        pieces = [piece for turn in before for piece in turn.content]
        if (
            len(last.content) != 1
            or not isinstance(last.content[0], Draw)
            or any(not isinstance(piece, str) for piece in pieces)
        ):
            raise UsageError("layout 'show-o' draws one picture from a text: a conversation must have nothing else")
        texts = [text for text in (conversation.system, *(turn.text for turn in before)) if text]
        prompt = self.drawing_prompt("\n".join(texts), last.content[0].pathway)
        return Sequence((*prompt.spans, *self._picture(last.content[0], loss=True)))

    def _picture(self, piece: Look | Draw, *, loss: bool = False) -> tuple[Span, ...]:
        kind = "draw" if isinstance(piece, Draw) else "look"
        ids = (self.pad_id,) * self.pathways[piece.pathway].tokens
        return self._framed(Span(kind, ids, piece.pathway, piece.picture, loss=loss, block=_BLOCK)).spans

    def _framed(self, picture: Span) -> Sequence:
        first, last = self._marks(self.config.begin_of_image), self._marks(self.config.end_of_image)
        if picture.loss and self.config.predict_marks:
            first, last = (
                evolve(mark, loss=True, targets=mark.ids, loss_name=picture.pathway) for mark in (first, last)
            )
        return Sequence((first, picture, last))

    def _marks(self, token: str) -> Span:
        return Span("text", (self.text.id_of(token),), block=_BLOCK)

    def _texts(self, turns: tuple[Turn, ...], system: str | None, *, loss: bool) -> list[Span]:
        """The texts of the turns; those of the assistant are encoded alone, so that they are what has a loss."""
        user, assistant = self.config.roles
        spans, given = list[Span](), f"{system.strip()} " if system else ""
        end = self.text.id_of(self.config.end)
        asked = False
        for turn in turns:
            text = " ".join(piece for piece in parted(turn) if isinstance(piece, str))
            if turn.role == "user":
                asked = bool(text)
                given += f"{user}{text}{assistant}" if asked else ""
                continue
            if given:
                spans.append(Span("text", self.text.encode(given)))
            given = ""
            if text:
                spans.append(Span("text", (*self.text.encode(f" {text}" if asked else text), end), loss=loss))
        return [*spans, Span("text", self.text.encode(given))] if given else spans
