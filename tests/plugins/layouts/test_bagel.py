"""The sequences of BAGEL, token by token; positions and mask against the release's rules written out again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import Conversation, Draw, Features, Grid, Latents, Look, Sequence, Turn, UsageError, collate, pack
from janiform.compose.plan import PathwayShape
from janiform_plugins.layouts.bagel import BagelLayout
from janiform_plugins.layouts.config import BagelLayoutConfig
from janiform_plugins.samplers.flow.process import FlowProcess

SPECIAL = {"<|im_start|>": 0, "<|im_end|>": 1, "<|vision_start|>": 2, "<|vision_end|>": 3, "<|endoftext|>": 4}
BEGIN, END, VISION, DONE, PAD = SPECIAL.values()
PICTURE = np.zeros((8, 8, 3), np.uint8)
FEATURES, PLACES = 3, 4
"""Positions of a picture that is looked at, and of latents."""
BOTH = ("source_latents", "understanding")


@pytest.fixture(scope="module")
def layout_of(characters: Any) -> Callable[..., BagelLayout]:
    text = characters(SPECIAL, 100, "")
    latents = Latents(Grid(2, 2), 5)

    def make(*draws_from: str, wholes: bool = True) -> BagelLayout:
        shapes = {
            "understanding": PathwayShape("look", FEATURES, lambda: None, None, Features(FEATURES, 8)),
            "source_latents": PathwayShape("look", PLACES, lambda: None, latents, Features(PLACES, 8, latents.grid)),
            "generation": PathwayShape(
                "draw",
                PLACES,
                lambda: None,
                latents,
                Features(PLACES, 8, latents.grid),
                process=FlowProcess("velocity", data_at=0.0) if wholes else None,
                route=1,
            ),
        }
        return BagelLayout(BagelLayoutConfig(draws_from=draws_from), text, shapes)

    return make


def ids(text: str) -> list[int]:
    return [BEGIN, *(100 + ord(letter) for letter in text), END]


def picture(count: int) -> list[int]:
    return [VISION, *[PAD] * count, DONE]


def test_texts_have_no_roles(layout_of: Callable[..., BagelLayout]) -> None:
    layout = layout_of()
    asked = Conversation.asking("why?", PICTURE, answer="so")
    sequence = layout.render(asked)
    assert sequence.ids == [*picture(FEATURES), *ids("why?"), *ids("so")]
    assert [span.ids for span in sequence.spans if span.loss] == [tuple(ids("so")[1:])]
    prompt = layout.render(asked, answer=False)
    assert prompt.ids == [*picture(FEATURES), *ids("why?"), BEGIN]
    assert layout.render(Conversation(asked.turns[:1]), answer=False) == prompt
    assert layout.render(Conversation.document("once")).ids == ids("once")
    assert layout.render(Conversation(asked.turns, "Think.")).ids[: len(ids("Think."))] == ids("Think.")


def test_a_picture_to_draw_follows_its_prompt_as_one_block(layout_of: Callable[..., BagelLayout]) -> None:
    layout = layout_of(*BOTH)
    sequence = layout.render(Conversation.drawing("a cat", PICTURE))
    assert sequence.ids == [*ids("a cat"), *picture(PLACES)]
    assert sequence.positions == [*range(7), *[7] * 6]
    prompt, canvas = layout.drawing_prompt("a cat"), layout.canvas("generation")
    assert (*prompt.spans, *canvas.spans) == sequence.spans
    assert layout.unconditional(sequence).ids == [PAD, *picture(PLACES)]
    empty = layout.without(prompt, frozenset({"text"}))
    assert empty == layout.unconditional(prompt)
    assert [span.seen_by for span in empty.spans] == ["itself"]
    assert Sequence((*empty.spans, *canvas.spans)).positions == [0] * 7


def test_a_picture_to_change_is_looked_at_through_every_pathway(layout_of: Callable[..., BagelLayout]) -> None:
    layout = layout_of(*BOTH)
    conversation = Conversation.drawing("in red", PICTURE, sources=[PICTURE])
    sequence = layout.render(conversation)
    assert sequence.ids == [*picture(PLACES), *picture(FEATURES), *ids("in red"), *picture(PLACES)]
    assert [span.pathway for span in sequence.spans if span.kind != "text"] == [*BOTH, "generation"]
    prompt = layout.drawing_prompt(Conversation(conversation.turns[:1]))
    assert prompt.spans == sequence.spans[: len(prompt.spans)]
    textless = layout.without(prompt, frozenset({"text"}))
    assert textless.ids == [*picture(PLACES), *picture(FEATURES)]
    text = layout.without(prompt, frozenset(BOTH))
    assert text.ids == [PAD, PAD, *ids("in red")]
    assert text.positions == [0, 1, *range(2, 10)]
    assert layout.without(prompt, frozenset({"understanding"})).ids == [*picture(PLACES), PAD, *ids("in red")]


def test_a_picture_that_others_follow_must_be_given(layout_of: Callable[..., BagelLayout]) -> None:
    turns = (Turn("user", "one"), Turn("assistant", (Draw(), "two")))
    with pytest.raises(UsageError, match="a picture that others follow must be given"):
        layout_of(*BOTH).render(Conversation(turns))


def test_the_last_text_is_left_out(layout_of: Callable[..., BagelLayout]) -> None:
    layout = layout_of(*BOTH)
    turns = (Turn("user", "one"), Turn("assistant", "two"), Turn("user", "three"), Turn("assistant", Draw(PICTURE)))
    sequence = layout.render(Conversation(turns))
    assert layout.without(sequence, frozenset({"text"})).ids == [*ids("one"), *ids("two"), *picture(PLACES)]
    thought = layout.render(Conversation((turns[0], Turn("assistant", ("thought", Draw(PICTURE))))))
    assert layout.without(thought, frozenset({"text"})).ids == [*ids("one"), *picture(PLACES)]


def test_codes_that_are_drawn_one_by_one_are_causal(layout_of: Callable[..., BagelLayout]) -> None:
    layout = layout_of(wholes=False)
    sequence = layout.render(Conversation.drawing("a cat", PICTURE))
    assert sequence.ids == [*ids("a cat"), *picture(PLACES)]
    assert not any(span.full for span in sequence.spans)
    prompt = layout.drawing_prompt("a cat")
    assert prompt.ids == [*ids("a cat"), VISION]
    assert layout.unconditional(prompt).ids == [PAD, VISION]
    assert layout.unconditional(sequence).ids == [PAD, *picture(PLACES)]


pieces = st.lists(
    st.one_of(
        st.tuples(st.just("user"), st.text("ab", min_size=1, max_size=4)),
        st.tuples(st.just("assistant"), st.text("cd", min_size=1, max_size=4)),
        st.tuples(st.just("user"), st.just("look")),
        st.tuples(st.just("assistant"), st.just("draw")),
    ),
    min_size=1,
    max_size=7,
)


def packed(content: list[tuple[str, str]]) -> tuple[list[tuple[int, str]], list[int], list[int]]:
    """Splits (length and attention), positions, and the places whose set of weights is "gen".

    ``pack_sequence`` of the release's ``dataset_base.py``, in the order in which its datasets plan a sample: a picture
    to draw that others follow stands there three times, as noise, as its latents and as its features.
    """
    splits: list[tuple[int, str]] = []
    positions: list[int] = []
    routed: list[int] = []
    count = 0
    draws = any(what == "draw" for _, what in content)

    def add_picture(length: int, attention: str, *, latents: bool) -> None:
        nonlocal count
        start = len(positions)
        splits.append((length + 2, attention))
        positions.extend([count] * (length + 2))
        if latents:
            routed.extend(range(start + 1, start + 1 + length))
        count += attention == "full"

    for index, (_, what) in enumerate(content):
        if what not in ("look", "draw"):
            splits.append((len(what) + 2, "causal"))
            positions.extend(range(count, count + len(what) + 2))
            count += len(what) + 2
            continue
        if what == "draw":
            add_picture(PLACES, "noise", latents=True)
            if index == len(content) - 1:
                continue
        if draws:
            add_picture(PLACES, "full", latents=True)
        add_picture(FEATURES, "full", latents=False)
    return splits, positions, routed


def mask_of(splits: list[tuple[int, str]]) -> np.ndarray:
    """Which key each query of a document sees, position by position."""
    kinds = [(number, attention) for number, (length, attention) in enumerate(splits) for _ in range(length)]
    seen = np.zeros((len(kinds), len(kinds)), bool)
    for query, (own, _) in enumerate(kinds):
        for key, (other, attention) in enumerate(kinds):
            together = own == other and attention in ("full", "noise")
            hidden = attention == "noise" and own != other
            seen[query, key] = (key <= query or together) and not hidden
    return seen


def conversation_of(content: list[tuple[str, str]]) -> Conversation:
    made: dict[str, Any] = {"look": Look(PICTURE), "draw": Draw(PICTURE)}
    return Conversation([Turn(role, made.get(what, what)) for role, what in content])


def with_tensors(sequence: Sequence) -> Sequence:
    """The sequence with latents and pixels in place of its pictures."""
    latents, pixels = torch.zeros(PLACES, 5), torch.zeros(3, 2, 2)
    return Sequence(
        evolve(span, picture=pixels if span.pathway == "understanding" else latents) if span.kind != "text" else span
        for span in sequence.spans
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(pieces, min_size=1, max_size=3), st.booleans())
def test_mask_positions_and_routes_are_those_of_the_release(
    layout_of: Callable[..., BagelLayout], documents: list[list[tuple[str, str]]], together: bool
) -> None:
    layout = layout_of(*BOTH)
    sequences = [with_tensors(layout.render(conversation_of(content))) for content in documents]
    routes = {"generation": 1, "source_latents": 1}
    lay = pack if together else collate
    batch = lay(sequences, *([200] if together else []), pad=PAD, routes=routes, sets=2)
    length = batch.ids.shape[1]
    allowed, causal = batch.mask().compiled(length, length, torch.device("cpu"))
    if allowed is None:
        assert causal
        allowed = torch.ones(1, 1, length, length).tril().bool()
    allowed = allowed.expand(len(batch.ids), 1, length, length)[:, 0]
    routed: set[int] = set() if batch.routes is None or batch.routes.one == 0 else set(batch.routes.sets[1].tolist())
    found: list[str] = []
    for row in range(len(batch.ids)):
        for number in batch.documents[row].unique().tolist():
            if number < 0:
                continue
            places = (batch.documents[row] == number).nonzero().flatten()
            first = int(places[0])
            content = batch.ids[row, places].tolist()
            wanted = next(some for some in documents if layout.render(conversation_of(some)).ids == content)
            found.append(str(wanted))
            splits, positions, gen = packed(wanted)
            assert batch.positions[row, places].tolist() == positions
            assert np.array_equal(allowed[row][places][:, places].numpy(), mask_of(splits))
            assert not allowed[row][places].any() or not allowed[row][places][:, batch.documents[row] != number].any()
            assert {place for place in routed if row * length + first <= place <= row * length + int(places[-1])} == {
                row * length + first + place for place in gen
            }
    assert sorted(found) == sorted(map(str, documents))
