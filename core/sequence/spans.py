"""A sample as the model reads it: a sequence of typed spans, rendered from a conversation by a layout. Torch-free."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Literal

from attrs import evolve, field, frozen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .conversation import Picture
    from .corruption import Corruption

Kind = Literal["text", "look", "draw"]

SeenBy = Literal["later", "block", "itself"]
"""The positions that attend to a span: it and all later ones of the document, those of its own block, or itself."""


def _ids(value: Iterable[int]) -> tuple[int, ...]:
    return tuple(value)


def _spans(value: Iterable[Span]) -> tuple[Span, ...]:
    return tuple(value)


@frozen
class Span:
    """Consecutive positions of one kind.

    ``ids``: one id per position; for pictures those of the placeholder, which the pathway's vectors replace.
    ``pathway``: the one that embeds the picture, and predicts it where it is drawn; None for text.
    ``mask``: "full" where the positions attend to one another in both directions, else "causal".
    ``loss``: whether the span is predicted in training.
    ``block``: spans of one number that follow each other are one full block, such as a picture with its marks; 0 means
    a block of its own where the mask is "full".
    ``positions``: "one" where all of the span, or of its block, have one position for the backbone. ``advances``:
    whether what follows counts on from there, or shares that position as well.
    ``corruption``: how a picture with a loss is corrupted, where its pathway draws pictures as wholes.
    ``block_lengths``: the lengths of the full blocks that follow one another in the span, such as the scales of a
    picture; none where it is causal or all of it in one block.
    ``unread``: bool [length], positions that no other attends to and that are not counted, as if they were not there.
    ``looked_at``: the pathway that looks at a picture which is predicted in training too, and so is drawn by another.
    ``targets``: of a text with a loss, the ids that the states at its own positions predict, -1 where they predict
    none, as in text with hidden tokens; empty where every id is predicted by the state before it. ``loss_name``: the
    loss that the targets count for; None is that of the document's text.
    """

    kind: Kind
    ids: tuple[int, ...] = field(converter=_ids)
    pathway: str | None = None
    picture: Picture | None = field(default=None, eq=False, repr=False)
    mask: Literal["causal", "full"] = "causal"
    loss: bool = False
    block: int = 0
    seen_by: SeenBy = "later"
    positions: Literal["each", "one"] = "each"
    advances: bool = True
    corruption: Corruption | None = field(default=None, eq=False, repr=False)
    block_lengths: tuple[int, ...] = field(default=(), converter=_ids)
    unread: NDArray[np.bool_] | None = field(default=None, eq=False, repr=False)
    looked_at: str | None = None
    targets: tuple[int, ...] = field(default=(), converter=_ids)
    loss_name: str | None = None

    def __attrs_post_init__(self) -> None:
        if self.targets and len(self.targets) != len(self.ids):
            raise ValueError(f"a span of {len(self.ids)} positions needs as many targets, got {len(self.targets)}")

    @property
    def predictions(self) -> int:
        """The number of its positions that are predicted in training."""
        if not self.loss:
            return 0
        return sum(target >= 0 for target in self.targets) if self.targets else self.length

    def part(self, start: int, stop: int | None = None) -> Span:
        """The span from one of its positions to another, of a text."""
        return evolve(self, ids=self.ids[start:stop], targets=self.targets[start:stop])

    @property
    def full(self) -> bool:
        """Whether the positions attend to one another in both directions, if only within the blocks of the span."""
        return self.mask == "full" or self.block > 0 or bool(self.block_lengths)

    @property
    def plain(self) -> bool:
        """Whether it is causal text that all later positions see, each at a position of its own."""
        own = self.seen_by == "later" and self.positions == "each"
        return self.kind == "text" and own and not self.full

    @property
    def length(self) -> int:
        """The number of positions."""
        return len(self.ids)


@frozen
class Sequence:
    """One document: spans in order."""

    spans: tuple[Span, ...] = field(converter=_spans)

    def __len__(self) -> int:
        return sum(span.length for span in self.spans)

    @property
    def ids(self) -> list[int]:
        """All ids, those of placeholders included."""
        return [id for span in self.spans for id in span.ids]

    @property
    def positions(self) -> list[int]:
        """The position of each id for the backbone, counted from 0."""
        positions: list[int] = []
        count = 0
        for index, span in enumerate(self.spans):
            if span.positions == "each":
                for unread in [False] * span.length if span.unread is None else span.unread:
                    positions.append(count)
                    count += not unread
                continue
            positions += [count] * span.length
            following = self.spans[index + 1] if index + 1 < len(self.spans) else None
            together = following is not None and span.block > 0 and following.block == span.block
            count += span.advances and not together
        return positions

    @property
    def pathway(self) -> str | None:
        """The first pathway that looks, to which the loss of the text belongs; None without a picture."""
        looks = (span.looked_at or (span.pathway if span.kind == "look" else None) for span in self.spans)
        return next((name for name in looks if name is not None), None)

    def after(self, count: int) -> Sequence:
        """The sequence after the first ``count`` positions, which end at a span or within a text."""
        spans = []
        for span in self.spans:
            if count < span.length:
                spans.append(span.part(count) if count else span)
            count = max(0, count - span.length)
        return Sequence(spans)

    def with_pictures(self, pictures: Iterable[Picture | None]) -> Sequence:
        """The same spans with other pictures: one for each span that is not text, in order."""
        following = iter(pictures)
        return Sequence(span if span.kind == "text" else evolve(span, picture=next(following)) for span in self.spans)


def without(sequence: Sequence, pad: int, hidden: Collection[str]) -> Sequence:
    """The sequence whose prompt says or shows less: everything that is hidden becomes ``pad``, position by position.

    ``hidden`` holds names of pathways, through whose pictures it does not look, and ``"text"`` for all ids but the
    first and the last. The prompt ends before the first picture that is predicted, or with the sequence.
    """
    spans = list(sequence.spans)
    end = next((index for index, span in enumerate(spans) if span.kind == "draw" and span.loss), len(spans))
    texts = [index for index, span in enumerate(spans[:end]) if span.kind == "text" and span.length]
    for index, span in enumerate(spans[:end]):
        if span.kind != "text":
            if span.pathway in hidden:
                spans[index] = Span("text", (pad,) * span.length)
        elif "text" in hidden and texts:
            ids = [pad] * span.length
            if index == texts[0]:
                ids[0] = span.ids[0]
            if index == texts[-1]:
                ids[-1] = span.ids[-1]
            spans[index] = Span("text", ids)
    return Sequence(spans)


def blanked(sequence: Sequence, pad: int) -> Sequence:
    """The sequence with every id of its prompt except the first and the last replaced by ``pad``, as in Janus.

    The prompt ends before the first picture that is predicted, or with the sequence. Pictures in the prompt are blanked
    as well. The pads are ordinary text: later positions attend to them.
    """
    prompt: list[int] = []
    rest: tuple[Span, ...] = ()
    for index, span in enumerate(sequence.spans):
        if span.kind == "draw" and span.loss:
            rest = sequence.spans[index:]
            break
        prompt += span.ids
    if len(prompt) > 2:
        prompt[1:-1] = [pad] * (len(prompt) - 2)
    return Sequence((Span("text", prompt), *rest))
