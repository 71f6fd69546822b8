"""Blocks over several spans, shared positions, what later positions see, and corruption: against a twin, by hand."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import Batch, Corruption, Sequence, Span, collate, pack

TOKENS = 3
NUMBERS = count()
"""Of sequences and pictures, so that each can be told from all others."""


def picture(loss: bool) -> Span:
    number = next(NUMBERS)
    chance = np.random.default_rng(number)
    return Span(
        "draw",
        (9,) * TOKENS,
        "generation",
        torch.full((TOKENS, 1), number),
        loss=loss,
        corruption=Corruption(float(np.float32(chance.random())), chance.random(TOKENS) < 0.5, number),
    )


@st.composite
def groups(draw: st.DrawFn) -> list[dict[str, object]]:
    """Consecutive spans that belong together: their settings, all the same."""
    kind = draw(st.sampled_from(["causal", "full", "block"]))
    one = draw(st.booleans())
    return [
        {
            "kind": kind,
            "positions": "one" if one else "each",
            "seen_by": draw(st.sampled_from(["later", "later", "block", "itself"])),
            "advances": draw(st.booleans()),
            "length": draw(st.integers(1, 3)),
            "picture": draw(st.booleans()),
        }
        for _ in range(draw(st.integers(1, 3)) if kind == "block" else 1)
    ]


@st.composite
def sequences(draw: st.DrawFn) -> Sequence:
    spans = [Span("text", (100 + next(NUMBERS),))]
    for number, group in enumerate(draw(st.lists(groups(), max_size=4)), start=1):
        for settings_ in group:
            loss = draw(st.booleans())
            base = picture(loss) if settings_["picture"] else Span("text", (7,) * settings_["length"], loss=loss)  # type: ignore[operator]
            spans.append(evolved(base, settings_, 1 + number % 2))
    return Sequence(spans)


def evolved(span: Span, values: dict[str, object], block: int) -> Span:
    from attrs import evolve

    return evolve(
        span,
        mask="full" if values["kind"] == "full" else "causal",
        block=block if values["kind"] == "block" else 0,
        positions=values["positions"],
        seen_by=values["seen_by"],
        advances=values["advances"],
    )


def by_hand(sequence: Sequence) -> Iterator[tuple[int, int, str]]:
    """Each position's number for the backbone, its group (0 for none), and who sees it."""
    runs: list[list[Span]] = []
    for span in sequence.spans:
        if runs and span.block and runs[-1][-1].block == span.block:
            runs[-1].append(span)
        else:
            runs.append([span])
    at = 0
    for number, run in enumerate(runs, start=1):
        group = number if run[0].block or run[0].mask == "full" else 0
        shared = run[0].positions == "one"
        for span in run:
            for _ in range(span.length):
                yield at, group, span.seen_by
                at += not shared
        at += shared and run[-1].advances


def check(batch: Batch, given_sequences: list[Sequence]) -> None:
    by_number = {sequence.ids[0]: sequence for sequence in given_sequences}
    width = batch.ids.shape[1]
    dense, causal = batch.mask().compiled(width, width, torch.device("cpu"))
    visible = torch.ones(len(batch.ids), 1, width, width, dtype=torch.bool).tril() if dense is None else dense
    assert (dense is None) == causal
    starts: dict[int, int] = {}
    for row in range(len(batch.ids)):
        documents = batch.documents[row].tolist()
        places: list[tuple[int, int, int, str] | None] = [None] * width
        for document in sorted({number for number in documents if number >= 0}):
            at = [column for column, number in enumerate(documents) if number == document]
            sequence = by_number.pop(int(batch.ids[row, at[0]]))
            assert batch.ids[row, at].tolist() == sequence.ids
            for column, (position, group, seen_by) in zip(at, by_hand(sequence), strict=True):
                assert int(batch.positions[row, column]) == position
                places[column] = document, group, column, seen_by
            offset = at[0]
            for span in sequence.spans:
                if span.kind == "draw":
                    starts[int(span.picture[0, 0])] = row * width + offset  # type: ignore[index]
                offset += span.length
        for q, mine in enumerate(places):
            for k, other in enumerate(places):
                if mine is None or other is None:
                    continue
                together = mine[:2] == other[:2] and mine[1] > 0
                seen = other[3] == "later" or (other[3] == "block" and together)
                expected = q == k or (mine[0] == other[0] and (k <= q or together) and seen)
                assert bool(visible[min(row, len(visible) - 1), 0, q, k]) == expected
    assert not by_number
    check_pictures(batch, given_sequences, starts)


def check_pictures(batch: Batch, given_sequences: list[Sequence], starts: dict[int, int]) -> None:
    spans = [span for sequence in given_sequences for span in sequence.spans if span.kind == "draw"]
    if not spans:
        assert not batch.pictures
        return
    pictures = batch.pictures["generation"]
    corrupted, drawn = pictures.corrupted, pictures.drawn
    assert corrupted is not None
    assert drawn is not None
    by_picture = {int(span.picture[0, 0]): span for span in spans}  # type: ignore[index]
    numbers = drawn[:, 0, 0].tolist()
    assert sorted(numbers) == sorted(by_picture)
    assert corrupted.hidden is not None
    assert corrupted.times is not None
    assert corrupted.seeds is not None
    for index, number in enumerate(numbers):
        corruption = by_picture[number].corruption
        assert corruption is not None
        assert corruption.hidden is not None
        assert corrupted.hidden[index].tolist() == corruption.hidden.tolist()
        assert float(corrupted.times[index]) == corruption.time
        assert int(corrupted.seeds[index]) == number
        assert pictures.positions[index].tolist() == list(range(starts[number], starts[number] + TOKENS))
    assert corrupted.places is not None
    assert corrupted.places.tolist() == corrupted.hidden.flatten().nonzero().flatten().tolist()
    losses = {numbers[index] for index in batch.codes.get("generation", torch.tensor([], dtype=torch.int64)).tolist()}
    assert losses == {number for number, span in by_picture.items() if span.loss}


@given(st.lists(sequences(), min_size=1, max_size=4), st.sampled_from(["left", "right"]))
@settings(max_examples=60)
def test_rows(some: list[Sequence], side: str) -> None:
    check(collate(some, side), some)  # type: ignore[arg-type]


@given(st.lists(sequences(), min_size=1, max_size=6), st.integers(40, 60))
@settings(max_examples=60)
def test_packed(some: list[Sequence], length: int) -> None:
    check(pack(some, length), some)


def test_a_picture_and_its_marks_are_one_block_at_one_position() -> None:
    """As in BAGEL: the noised picture is seen by its block alone, and what follows has its position."""
    noised = [
        Span("text", (1,), block=1, seen_by="block", positions="one", advances=False),
        Span("draw", (9,) * TOKENS, block=1, seen_by="block", positions="one", advances=False),
    ]
    clean = [Span("text", (1, 1), block=2, positions="one"), Span("text", (2,), block=2, positions="one")]
    sequence = Sequence([Span("text", (5, 6)), *noised, *clean, Span("text", (7, 8))])
    assert sequence.positions == [0, 1, 2, 2, 2, 2, 2, 2, 2, 3, 4]


def test_all_pictures_of_a_pathway_declare_a_corruption_or_none_does() -> None:
    plain = Span("draw", (9,) * TOKENS, "generation", torch.zeros(TOKENS, 1, dtype=torch.int64))
    assert collate([Sequence([Span("text", (1,)), plain])]).pictures["generation"].corrupted is None
    with pytest.raises(ValueError, match="either all pictures of a pathway have a corruption, or none"):
        collate([Sequence([Span("text", (1,)), plain, picture(True)])])


def test_moved_it_keeps_what_is_hidden() -> None:
    hole = Span("text", (3,), seen_by="itself")
    batch = collate([Sequence([Span("text", (1,)), hole, picture(True)])])
    moved = batch.to("meta")
    corrupted = moved.pictures["generation"].corrupted
    assert corrupted is not None
    for tensor in (corrupted.hidden, corrupted.times, corrupted.places, moved.seen):
        assert tensor is not None
        assert tensor.device.type == "meta"
    assert corrupted.seeds is not None
    assert corrupted.seeds.device.type == "cpu"
    assert moved.mask().has_holes
