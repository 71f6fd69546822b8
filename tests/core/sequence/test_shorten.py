"""What is cut off is the end, never half a picture, and never all but the question."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from janiform import Sequence, Span
from janiform.sequence.shorten import shortened

PICTURE = np.zeros((2, 2, 3), np.uint8)


def text(*ids: int, loss: bool = False) -> Span:
    return Span("text", ids, loss=loss)


def look(length: int) -> Span:
    return Span("look", [9] * length, "understanding", PICTURE)


lengths = st.integers(1, 6)
spans = st.one_of(
    st.builds(lambda n, loss: text(*range(1, n + 1), loss=loss), lengths, st.booleans()),
    st.builds(look, lengths),
    st.builds(lambda n, loss: Span("draw", [9] * n, "generation", PICTURE, loss=loss), lengths, st.booleans()),
)


@given(st.lists(spans, max_size=6), st.integers(1, 30))
def test_a_shortened_sequence_begins_alike_and_ends_with_what_is_learned(rest: list[Span], length: int) -> None:
    whole = Sequence((text(1), *rest))
    short = shortened(whole, length)
    learned = [span for span in whole.spans if span.loss]
    if short is None:
        first = next((i for i, span in enumerate(whole.spans) if span.loss), None)
        if first is not None:
            before = sum(span.length for span in whole.spans[:first])
            needed = 1 if whole.spans[first].kind == "text" else whole.spans[first].length
            assert before + needed > length
        return
    assert learned
    assert len(short) <= length
    assert short.ids == whole.ids[: len(short)]
    assert short.spans[-1].loss
    for ours, theirs in zip(short.spans, whole.spans, strict=False):
        assert ours == theirs or (ours.kind == "text" and ours is short.spans[-1])
        assert ours.picture is theirs.picture


def test_a_conversation_loses_its_last_turns_and_a_document_its_end() -> None:
    chat = Sequence([text(1), look(3), text(2, 3), text(4, 5, 6, loss=True), text(7, 8), text(9, 9, loss=True)])
    assert shortened(chat, 10) == Sequence(chat.spans[:4])
    assert shortened(chat, 12) == Sequence([*chat.spans[:5], text(9, loss=True)])
    assert shortened(chat, 7) == Sequence([*chat.spans[:3], text(4, loss=True)])
    assert shortened(chat, 6) is None
    assert shortened(Sequence([text(1), text(2, 3, 4, loss=True)]), 3) == Sequence([text(1), text(2, 3, loss=True)])
    drawing = Sequence([text(1, 2), Span("draw", [9] * 4, "generation", PICTURE, loss=True), text(3)])
    assert shortened(drawing, 5) is None
    assert shortened(drawing, 6) == Sequence(drawing.spans[:2])
    assert shortened(Sequence([text(1, 2, loss=True)]), 1) is None


def test_a_block_is_whole_or_left_out() -> None:
    mark = Span("text", [2], loss=True, block=1, targets=[2], loss_name="generation")
    picture = Span("draw", [9] * 4, "generation", PICTURE, loss=True, block=1)
    whole = Sequence((text(1, 1, 1), mark, picture, mark))
    assert shortened(whole, 9) == whole
    assert shortened(whole, 8) is None
    assert shortened(Sequence((text(1, 1, loss=True), *whole.spans)), 10) == Sequence((text(1, 1, loss=True),))


def test_the_targets_of_a_text_are_cut_with_it() -> None:
    hidden = Span("text", [9, 9, 4], loss=True, targets=(3, -1, 5))
    assert shortened(Sequence((text(1), hidden)), 3) == Sequence((text(1), hidden.part(0, 2)))
    assert hidden.part(0, 2).targets == (3, -1)
