"""Pictures of several full blocks, one after the other: the mask is block-causal, alone and packed."""

from __future__ import annotations

import pytest
import torch
from janiform import Sequence, Span, collate, pack

LENGTHS = (1, 4, 9)


def drawing(text: int, loss: bool = True) -> Sequence:
    picture = Span("draw", (9,) * 14, "generation", torch.zeros(14, 1), loss=loss, block_lengths=LENGTHS)
    return Sequence((Span("text", (5,) * text), picture, Span("text", (6, 7))))


def allowed(sequence: Sequence) -> torch.Tensor:
    """Which position attends to which, by the scale of each: text is causal, a scale sees itself and all before."""
    scales = [scale for scale, length in enumerate(LENGTHS) for _ in range(length)]
    names: list[int | None] = []
    for span in sequence.spans:
        names += scales if span.kind == "draw" else [None] * span.length
    size = len(sequence)
    return torch.tensor(
        [[k <= q or (names[q] is not None and names[q] == names[k]) for k in range(size)] for q in range(size)]
    )


@pytest.mark.parametrize("texts", [(3,), (2, 4), (1, 1, 5)])
def test_a_scale_sees_itself_and_all_before(texts: tuple[int, ...]) -> None:
    sequences = [drawing(text) for text in texts]
    batch = pack(sequences, sum(map(len, sequences)))
    assert len(batch.ids) == 1
    by_length = {len(sequence): sequence for sequence in sequences}
    sizes = batch.documents[0].bincount().tolist()
    expected = torch.block_diag(*(allowed(by_length[size]).float() for size in sizes)).bool()
    mask, _ = batch.mask().compiled(len(expected), len(expected), torch.device("cpu"))
    assert mask is not None
    assert torch.equal(mask[0, 0], expected)
    assert batch.blocks[0].unique().tolist() == list(range(3 * len(texts) + 1))
    for side in ("left", "right"):
        alone = collate(sequences, side)  # type: ignore[arg-type]
        for row, sequence in enumerate(sequences):
            start = alone.ids.shape[1] - len(sequence) if side == "left" else 0
            part = slice(start, start + len(sequence))
            mask, _ = alone.mask().compiled(alone.ids.shape[1], alone.ids.shape[1], torch.device("cpu"))
            assert mask is not None
            assert torch.equal(mask[row, 0, part, part], allowed(sequence))


def test_blocks_that_do_not_fill_the_span_are_refused() -> None:
    span = Span("draw", (9,) * 13, "generation", torch.zeros(13, 1), block_lengths=LENGTHS)
    with pytest.raises(ValueError, match=r"a span of 13 positions cannot have blocks of \(1, 4, 9\)"):
        collate([Sequence((span,))])
