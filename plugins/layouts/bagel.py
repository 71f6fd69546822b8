"""The layout of BAGEL (arXiv:2505.14683), as ``dataset_base.py`` and ``inferencer.py`` of its release write it.

    text       {begin}{text}{end}, without roles
    picture    {begin_of_image} places {end_of_image}

A picture with its marks is one full block, all of which has one position for the backbone. A picture that is looked at
while another is drawn is shown through every pathway of ``draws_from``: first its latents, then the features of the
encoder. A picture that is drawn from noise is seen by its own positions alone. What follows it sees the same picture
complete, as if it were looked at, which begins at the same position.

A prompt without its text lacks the last text. A prompt without pictures keeps their positions empty, as in training; a
prompt without anything is one pad that no other position sees.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from attrs import evolve
from janiform import Conversation, Draw, Look, Sequence, Span, Turn, UsageError

from .base import TokenLayout
from .config import BagelLayoutConfig
from .turns import Piece, parted, pictures_of

if TYPE_CHECKING:
    from collections.abc import Collection


class BagelLayout(TokenLayout[BagelLayoutConfig]):
    """The layout of BAGEL."""

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

        The loss covers the assistant's texts with their end token, and the pictures to draw, but no marks. Without
        ``answer``, a last turn of the assistant is left out.
        """
        turns = conversation.turns
        if not answer and turns[-1].role == "assistant":
            turns = turns[:-1]
        writer = self._written(turns, conversation.system, draws=conversation.draws, loss=answer)
        if not answer:
            writer.special(self.config.begin)
        return Sequence(writer.spans)

    def drawing_prompt(self, prompt: str | Conversation, pathway: str = "generation") -> Sequence:
        conversation = prompt if isinstance(prompt, Conversation) else Conversation((Turn("user", prompt),))
        writer = self._written(conversation.turns, conversation.system, draws=True, loss=False)
        if not self._whole(pathway):
            writer.special(self.config.begin_of_image)
        return Sequence(writer.spans)

    def canvas(self, pathway: str) -> Sequence:
        """A picture to draw, with its marks, which follows its prompt as one block."""
        writer = _Writer(self)
        writer.block(Draw(pathway=pathway), loss=True)
        return Sequence(writer.spans)

    def unconditional(self, sequence: Sequence) -> Sequence:
        """The sequence without its prompt: nothing precedes the picture to draw but a pad that it does not see."""
        prompt, rest = self._divided(sequence)
        return Sequence((self._unseen(advances=False), *rest)) if prompt else sequence

    def without(self, sequence: Sequence, hidden: frozenset[str]) -> Sequence:
        """The sequence whose prompt lacks its last text, where ``"text"`` is hidden, and the pictures of pathways."""
        prompt, rest = self._divided(sequence)
        left = self._without_pictures(self._without_text(prompt) if "text" in hidden else prompt, hidden)
        if prompt and not left:
            left = [self._unseen(advances=False)]
        return Sequence((*left, *rest))

    def _written(self, turns: Iterable[Turn], system: str | None, *, draws: bool, loss: bool) -> _Writer:
        """The system text and all turns. ``draws``: whether the conversation draws; ``loss``: whether it is learned."""
        writer = _Writer(self)
        if system and system.strip():
            writer.text(system.strip(), loss=False)
        pieces = [(piece, loss and turn.role == "assistant") for turn in turns for piece in parted(turn)]
        for index, (piece, learned) in enumerate(pieces):
            last = learned and index == len(pieces) - 1
            self._piece(writer, piece, draws=draws, learned=learned, last=last)
        return writer

    def _piece(self, writer: _Writer, piece: Piece, *, draws: bool, learned: bool, last: bool) -> None:
        if isinstance(piece, str):
            writer.text(piece, loss=learned)
        elif isinstance(piece, Look):
            for pathway in self.config.draws_from if draws and piece.pathway in self.config.draws_from else ("",):
                for picture in pictures_of(Look(piece.picture, pathway or piece.pathway)):
                    writer.block(picture)
        elif not self._whole(piece.pathway):
            writer.special(self.config.begin_of_image)
            writer.place_by_place(piece, loss=learned)
            writer.special(self.config.end_of_image)
        else:
            if learned:
                writer.block(piece, loss=True, alone=not last)
            if not last:
                if piece.picture is None:
                    raise UsageError(
                        "a picture that others follow must be given, but the conversation has a Draw without"
                    )
                copies = [Look(piece.picture, pathway) for pathway in self.config.draws_from]
                for copy in copies or [piece]:
                    writer.block(copy)

    def _whole(self, pathway: str) -> bool:
        """Whether a pathway draws pictures as wholes."""
        return self.pathways[pathway].process is not None

    def _divided(self, sequence: Sequence) -> tuple[list[Span], list[Span]]:
        """The spans before the first picture that is predicted, and those from its first mark on."""
        spans = list(sequence.spans)
        end = next((index for index, span in enumerate(spans) if span.kind == "draw" and span.loss), len(spans))
        if end and spans[end - 1].ids == (self.text.id_of(self.config.begin_of_image),):
            end -= 1
        return spans[:end], spans[end:]

    def _without_text(self, prompt: list[Span]) -> list[Span]:
        """A prompt without its last text, whose begin token is a span of its own where the text has a loss."""
        texts = [index for index, span in enumerate(prompt) if span.kind == "text" and not span.block]
        if not texts:
            return prompt
        first = last = texts[-1]
        if prompt[last].ids[0] != self.text.id_of(self.config.begin):
            first -= 1
        return prompt[:first] + prompt[last + 1 :]

    def _without_pictures(self, prompt: list[Span], hidden: Collection[str]) -> list[Span]:
        blocks = {span.block for span in prompt if span.kind != "text" and span.pathway in hidden}
        left: list[Span] = []
        for span in prompt:
            if span.block not in blocks:
                left.append(span)
            elif span.kind != "text":
                left.append(self._unseen(advances=True))
        return left

    def _unseen(self, *, advances: bool) -> Span:
        """A position that no other one sees."""
        return Span("text", (self.pad_id,), seen_by="itself", positions="one", advances=advances)


class _Writer:
    """The spans of one sequence, in order, with the number of the last block."""

    def __init__(self, layout: BagelLayout) -> None:
        self.layout = layout
        self.spans: list[Span] = []
        self._blocks = 0

    def special(self, token: str) -> None:
        self.spans.append(Span("text", (self.layout.text.id_of(token),)))

    def text(self, text: str, *, loss: bool) -> None:
        """A text between its begin and its end token, the first of which has no loss."""
        config, tokenizer = self.layout.config, self.layout.text
        begin, *ids = tokenizer.id_of(config.begin), *tokenizer.encode(text), tokenizer.id_of(config.end)
        if loss:
            self.spans += [Span("text", (begin,)), Span("text", ids, loss=True)]
        else:
            self.spans.append(Span("text", (begin, *ids)))

    def block(self, piece: Look | Draw, *, loss: bool = False, alone: bool = False) -> None:
        """A picture with its marks as one full block.

        ``alone``: it is seen by itself only, and shares its position with what follows.
        """
        self._blocks += 1
        config, tokenizer = self.layout.config, self.layout.text
        kind = "draw" if isinstance(piece, Draw) else "look"
        ids = (self.layout.pad_id,) * self.layout.pathways[piece.pathway].tokens
        begin, end = ((tokenizer.id_of(mark),) for mark in (config.begin_of_image, config.end_of_image))
        for span in (
            Span("text", begin),
            Span(kind, ids, piece.pathway, piece.picture, loss=loss),
            Span("text", end),
        ):
            self.spans.append(
                evolve(
                    span,
                    block=self._blocks,
                    positions="one",
                    seen_by="block" if alone else "later",
                    advances=not alone,
                )
            )

    def place_by_place(self, piece: Draw, *, loss: bool) -> None:
        """A picture whose codes are drawn one after the other."""
        ids = (self.layout.pad_id,) * self.layout.pathways[piece.pathway].tokens
        self.spans.append(Span("draw", ids, piece.pathway, piece.picture, loss=loss))
