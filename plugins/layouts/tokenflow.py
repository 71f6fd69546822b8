"""The layout of TokenFlow's drawing model (arXiv:2412.03069), as ``train_t2i.sh`` and ``llava_arch.py`` of its release.

    {begin}{prompt} picture {end_of_image}{end}

The token ``<img>`` of the release, whose state predicts the single code of the first scale, is the first place of the
picture: its vector is the embedding's ``start``. The last place of the release, that of its last code, is read by
nothing and is left out.

The release pads prompts on their left to 128 positions. The pads are seen by nobody, and rotary positions are relative,
so that they only shift what follows: they are left out here. Longer prompts are cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from janiform import Draw, Sequence, Span, UsageError

from .base import TokenLayout
from .turns import Piece, parted, pictures_of, prompt_of, to_answer

if TYPE_CHECKING:
    from janiform import Conversation


class TokenflowLayout(TokenLayout["TokenflowLayoutConfig"]):
    """The layout of TokenFlow's drawing model. Ids are looked up on use, since the text tokenizer may be fitted later.

    Other texts, and pictures that are looked at, are written as they are, one after the other; answers end with {end}.
    """

    @property
    def stop_ids(self) -> tuple[int, ...]:
        return (self.text.id_of(self.config.end),)

    def render(self, conversation: Conversation, *, answer: bool = True) -> Sequence:
        """Render every turn: one picture to draw from a text, or texts and pictures to look at.

        The loss covers the codes of the picture, or the assistant's texts with the end token. Raises ``UsageError``
        where a conversation that draws has more than a text and one picture.
        """
        if conversation.draws and answer:
            return self._drawing(conversation)
        spans, end = [Span("text", (self.text.id_of(self.config.begin),))], self.text.id_of(self.config.end)
        if conversation.system:
            spans.append(Span("text", self.text.encode(conversation.system.strip())))
        for turn in conversation.turns if answer else to_answer(conversation.turns):
            answers, pieces = turn.role == "assistant", parted(turn)
            for piece in pieces:
                spans += self._piece(piece, loss=answers and answer)
            if answers and pieces:
                spans.append(Span("text", (end,), loss=answer))
        return Sequence(span for span in spans if span.length)

    def drawing_prompt(self, prompt: str, pathway: str = "generation") -> Sequence:
        """The text of the prompt, cut to ``longest_prompt`` positions with the first token, as in the release."""
        ids = (self.text.id_of(self.config.begin), *self.text.encode(prompt.strip()))
        return Sequence((Span("text", ids[: self.config.longest_prompt or None]),))

    def unconditional(self, sequence: Sequence) -> Sequence:
        """The sequence with the negative prompt, which is empty by default: the first token alone."""
        _, rest = prompt_of(sequence)
        return Sequence((*self.drawing_prompt(self.config.negative).spans, *rest))

    def without(self, sequence: Sequence, hidden: frozenset[str]) -> Sequence:
        """The unconditional sequence where ``"text"`` is hidden, since pictures are drawn from texts alone."""
        return self.unconditional(sequence) if "text" in hidden else sequence

    def _piece(self, piece: Piece, *, loss: bool) -> list[Span]:
        """A text, or a picture to look at, each of whose tiles is a span."""
        if isinstance(piece, str):
            return [Span("text", self.text.encode(piece), loss=loss)]
        places = (self.pad_id,) * self.pathways[piece.pathway].tokens
        return [Span("look", places, one.pathway, one.picture) for one in pictures_of(piece)]

    def _drawing(self, conversation: Conversation) -> Sequence:
        *before, last = conversation.turns
        pieces = [piece for turn in before for piece in turn.content]
        if (
            len(last.content) != 1
            or not isinstance(last.content[0], Draw)
            or any(not isinstance(piece, str) for piece in pieces)
        ):
            raise UsageError("layout 'tokenflow' draws one picture from a text: a conversation must have nothing else")
        drawn = last.content[0]
        texts = [text for text in (conversation.system, *(turn.text for turn in before)) if text]
        prompt = self.drawing_prompt("\n".join(texts), drawn.pathway)
        places = (self.pad_id,) * self.pathways[drawn.pathway].tokens
        picture = Span("draw", places, drawn.pathway, drawn.picture, loss=True)
        after = Span("text", (self.text.id_of(self.config.end_of_image), self.text.id_of(self.config.end)))
        return Sequence((*prompt.spans, picture, after))
