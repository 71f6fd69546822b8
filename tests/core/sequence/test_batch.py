"""Collating and packing: every token lands once, and the batch says which of them have a loss."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from janiform import Batch, JaniformError, Sequence, Span, collate, pack

SIZES = {"understanding": 3, "generation": 4}


@st.composite
def spans(draw: st.DrawFn) -> Span:
    kind = draw(st.sampled_from(["text", "text", "look", "draw"]))
    loss = draw(st.booleans())
    if kind == "text":
        return Span("text", draw(st.lists(st.integers(1, 99), min_size=1, max_size=5)), loss=loss)
    pathway = "understanding" if kind == "look" else "generation"
    mask = draw(st.sampled_from(["causal", "full"]))
    picture = torch.full((3, 2, 2), float(draw(st.integers(0, 10**6))))
    return Span(kind, (100,) * SIZES[pathway], pathway, picture, mask, loss and kind == "draw")


def sequences() -> st.SearchStrategy[Sequence]:
    begin = st.builds(lambda id: Span("text", (id,)), st.integers(1, 99))
    return st.builds(lambda first, rest: Sequence((first, *rest)), begin, st.lists(spans(), max_size=5))


def documents(batch: Batch) -> list[list[int]]:
    """The flat positions of every document, in order."""
    found: dict[tuple[int, int], list[int]] = {}
    for row, numbers in enumerate(batch.documents.tolist()):
        for column, number in enumerate(numbers):
            if number >= 0:
                found.setdefault((row, number), []).append(row * len(numbers) + column)
    return list(found.values())


def check(batch: Batch, given_sequences: list[Sequence]) -> None:
    ids, positions, blocks = (tensor.flatten().tolist() for tensor in (batch.ids, batch.positions, batch.blocks))
    places = documents(batch)
    assert sorted([ids[place] for place in at] for at in places) == sorted(list(s.ids) for s in given_sequences)
    for at in places:
        assert at == list(range(at[0], at[0] + len(at)))
        assert [positions[place] for place in at] == list(range(len(at)))

    # What is expected of each document, from its spans one by one, in the order in which documents lie in the batch.
    left = list(given_sequences)
    texts: dict[str, set[int]] = {}
    drawn: set[tuple[float, int]] = set()
    shown: dict[str, set[tuple[float, int]]] = {}
    for at in places:
        document = next(s for s in left if s.ids == [ids[p] for p in at] and fits(s, batch, at))
        left.remove(document)
        offset = 0
        full = []
        for span in document.spans:
            here = at[offset : offset + span.length]
            if span.kind == "text" and span.loss:
                name = document.pathway or "text"
                texts.setdefault(name, set()).update(here)
            if span.kind != "text":
                value = float(span.picture[0, 0, 0])
                shown.setdefault(span.pathway, set()).add((value, here[0]))
                if span.loss:
                    drawn.add((value, here[0]))
            numbers = {blocks[p] for p in here}
            assert len(numbers) == 1
            assert (numbers == {0}) == (span.mask == "causal")
            full += [n for n in numbers if n]
            offset += span.length
        assert len(full) == len(set(full))
    assert {name: set(positions.tolist()) for name, positions in batch.text.items()} == texts
    for name, pictures in batch.pictures.items():
        starts = pictures.positions[:, 0].tolist()
        assert set(zip(pictures.pixels[:, 0, 0, 0].tolist(), starts, strict=True)) == shown.pop(name)
        assert torch.equal(pictures.positions, pictures.positions[:, :1] + torch.arange(SIZES[name]))
    assert not shown
    found = set()
    for name, indices in batch.codes.items():
        pictures = batch.pictures[name]
        values = pictures.pixels[indices, 0, 0, 0].tolist()
        found |= set(zip(values, pictures.positions[indices, 0].tolist(), strict=True))
    assert found == drawn


def fits(sequence: Sequence, batch: Batch, at: list[int]) -> bool:
    """Whether the document at these places has the sequence's pictures, masks and losses, which tells twins apart."""
    blocks = batch.blocks.flatten().tolist()
    drawn = {
        place for name, indices in batch.codes.items() for place in batch.pictures[name].positions[indices, 0].tolist()
    }
    offset = 0
    for span in sequence.spans:
        if span.kind != "text":
            pictures, place = batch.pictures[span.pathway], at[offset]
            starts = pictures.positions[:, 0].tolist()
            if place not in starts or not torch.equal(pictures.pixels[starts.index(place)], span.picture):
                return False
            if (blocks[place] == 0) != (span.mask == "causal") or (place in drawn) != span.loss:
                return False
        offset += span.length
    targets = set().union(*(positions.tolist() for positions in batch.text.values()))
    offset = 0
    for span in sequence.spans:
        if span.kind == "text" and span.loss != (at[offset] in targets):
            return False
        offset += span.length
    return True


@given(st.lists(sequences(), min_size=1, max_size=5), st.sampled_from(["left", "right"]))
def test_rows(some: list[Sequence], side: str) -> None:
    batch = collate(some, side, pad=7)
    check(batch, some)
    assert batch.ids.shape == (len(some), max(map(len, some)))
    assert batch.tokens == sum(map(len, some))
    padding = batch.documents < 0
    assert (batch.ids[padding] == 7).all()
    edge = 0 if side == "left" else -1
    assert all(bool(padding[row, edge]) == (len(s) < batch.ids.shape[1]) for row, s in enumerate(some))


@given(st.lists(sequences(), min_size=1, max_size=8), st.integers(40, 90))
def test_packed(some: list[Sequence], length: int) -> None:
    batch = pack(some, length)
    check(batch, some)
    assert batch.ids.shape[1] <= 2 * length
    assert batch.ids.shape[0] <= len(some)


def test_rows_are_as_few_and_as_short_as_can_be() -> None:
    def shape(sizes: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(pack([Sequence([Span("text", [1] * size)]) for size in sizes], 10).ids.shape)

    assert shape((6, 5, 4, 3, 2)) == (2, 10)
    assert shape((4, 4, 3, 3)) == (2, 7)


def test_what_cannot_be_laid_out_is_refused() -> None:
    text = Sequence([Span("text", [1, 2, 3])])
    with pytest.raises(JaniformError, match="3 tokens does not fit into 2"):
        pack([text], 2)
    with pytest.raises(ValueError, match="at least one sequence"):
        collate([])
    with pytest.raises(ValueError, match="no sequence may be empty"):
        collate([Sequence(())])
    with pytest.raises(ValueError, match="needs its pathway and its picture"):
        collate([Sequence([Span("text", [1]), Span("draw", [1], "generation", None, loss=True)])])
    both = [
        Span("text", [1]),
        *(Span("look", [1], "p", picture) for picture in (torch.zeros(3, 2, 2), torch.ones(1, 1).long())),
    ]
    with pytest.raises(ValueError, match="not both in one batch"):
        collate([Sequence(both)])


def test_moved_it_keeps_everything() -> None:
    codes = torch.arange(4)[:, None]
    batch = collate(
        [Sequence([Span("text", [1, 2], loss=True), Span("draw", [9] * 4, "generation", codes, loss=True)])]
    )
    moved = batch.to("meta")
    assert moved.pictures["generation"].drawn.device.type == "meta"
    assert moved.pictures["generation"].pixels is None
    for tensor in (moved.ids, moved.text["text"], moved.codes["generation"]):
        assert tensor.device.type == "meta"
