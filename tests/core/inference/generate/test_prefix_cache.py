"""What was read of a conversation is not read again, and nothing that comes out changes by it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import janiform
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import Chat, Model, ResourceError, Sequence, Span, UnifiedModel, generate_text
from janiform.inference.generate.engine import EagerEngine, generating
from janiform.inference.generate.prefix_cache import PrefixCache
from PIL import Image

PICTURES = [torch.from_numpy(np.random.default_rng(seed).normal(size=(3, 16, 16))) for seed in range(2)]

text = st.builds(lambda ids: Span("text", ids), st.lists(st.integers(0, 3), min_size=1, max_size=4))
look = st.builds(
    lambda picture, mask: Span("look", [7] * 4, "understanding", PICTURES[picture], mask),
    st.integers(0, 1),
    st.sampled_from(["causal", "full"]),
)
spans = st.lists(st.one_of(text, look), max_size=4)


@pytest.fixture(scope="module")
def exact(tiny_model: UnifiedModel) -> UnifiedModel:
    return copy.deepcopy(tiny_model).double()


@given(spans, spans, spans, st.lists(st.integers(0, 3), max_size=4), st.integers(0, 4))
@settings(max_examples=60)
def test_a_prompt_is_read_on_as_if_it_were_read_whole(
    exact: UnifiedModel, common: list[Span], one: list[Span], other: list[Span], said: list[int], followed: int
) -> None:
    prefix, engine = PrefixCache(), EagerEngine(exact)
    first = Sequence([Span("text", [1]), *common, *one, Span("text", [2])])
    next_one = Sequence([Span("text", [1]), *common, *other, Span("text", [2, 3])])
    with generating(exact):
        state = engine.prefill([first], 4, prefix)
        assert torch.allclose(state.hidden, engine.prefill([first], 4).hidden, atol=1e-9)
        for step, id in enumerate(said):
            prefix.add(id)
            if step < followed:
                engine.decode(state, exact.backbone.embed(torch.tensor([[id]])))
        shared = prefix.shared(next_one)
        assert shared >= sum(span.length for span in (Span("text", [1]), *common))
        assert shared == shared_by_hand([*first.spans, Span("text", said[:followed])], next_one)
        again, whole = engine.prefill([next_one], 2, prefix), engine.prefill([next_one], 2)
        assert torch.allclose(again.hidden, whole.hidden, atol=1e-9)
        assert again.cache.filled == whole.cache.filled == len(next_one)
        assert torch.allclose(again.cache.keys, whole.cache.keys, atol=1e-9)
        assert torch.equal(again.positions, whole.positions)
        step = exact.backbone.embed(torch.tensor([[5]]))
        assert torch.allclose(engine.decode(again, step), engine.decode(whole, step), atol=1e-9)


def shared_by_hand(read_already: list[Span], prompt: Sequence) -> int:
    """Position by position, and back to where a picture begins that is not the same to its end."""

    def labels(spans: Any) -> list[tuple[Any, ...]]:
        return [
            (id,) if span.kind == "text" else (span.mask, at, span.picture.sum().item())
            for span in spans
            for at, id in enumerate(span.ids)
        ]

    mine, theirs = labels(read_already), labels(prompt.spans)
    count = 0
    while count < min(len(mine), len(theirs) - 1) and mine[count] == theirs[count]:
        count += 1
    while count < len(theirs) and len(theirs[count]) == 3 and theirs[count][1] > 0:
        count -= 1
    return count


def block(number: int, marks: tuple[int, int], picture: int) -> list[Span]:
    """A picture with its marks, as one block."""
    look = Span("look", [7] * 4, "understanding", PICTURES[picture], block=number)
    return [Span("text", [marks[0]], block=number), look, Span("text", [marks[1]], block=number)]


block_or_text = st.one_of(
    text.map(lambda span: [span]),
    st.builds(block, st.integers(1, 2), st.tuples(st.integers(0, 1), st.integers(0, 1)), st.integers(0, 1)),
    st.lists(st.integers(0, 1), min_size=1, max_size=3).map(lambda ids: [Span("text", ids, mask="full")]),
)


@given(*[st.lists(block_or_text, max_size=3)] * 3)
@settings(max_examples=60)
def test_a_block_is_never_cut(
    exact: UnifiedModel, common: list[list[Span]], one: list[list[Span]], other: list[list[Span]]
) -> None:
    prefix, engine = PrefixCache(), EagerEngine(exact)
    flat = [[span for group in groups for span in group] for groups in (common, one, other)]
    first = Sequence([Span("text", [1]), *flat[0], *flat[1], Span("text", [2])])
    following = Sequence([Span("text", [1]), *flat[0], *flat[2], Span("text", [2, 3])])
    with generating(exact):
        engine.prefill([first], 1, prefix)
        shared = prefix.shared(following)
        for sequence in (first, following):
            inside = exact.processor.collate([sequence]).blocks[0].tolist()
            assert not (0 < shared < len(inside) and inside[shared - 1] == inside[shared] != 0)
        again, whole = engine.prefill([following], 2, prefix), engine.prefill([following], 2)
        assert torch.allclose(again.hidden, whole.hidden, atol=1e-9)
        assert torch.allclose(again.cache.keys, whole.cache.keys, atol=1e-9)
        assert torch.equal(again.positions, whole.positions)


def test_blocks_that_are_the_same_are_read_once(exact: UnifiedModel) -> None:
    prefix = PrefixCache()
    start = [Span("text", [1]), *block(1, (2, 3), 0)]
    with generating(exact):
        prefix.prefill(exact, Sequence([*start, Span("text", [4])]), 1)
    for rest, expected in (([Span("text", [5])], 7), ([Span("text", [4, 6])], 8)):
        assert prefix.shared(Sequence([*start, *rest])) == expected
    # One mark differs, at the end of the block: all of it is read again.
    assert prefix.shared(Sequence([Span("text", [1]), *block(1, (2, 9), 0), Span("text", [4])])) == 1


def picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (20, 16, 3), dtype=np.uint8))


@pytest.fixture
def positions(tiny_model: UnifiedModel, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many positions each forward of the backbone is given."""
    given: list[int] = []
    handle = tiny_model.backbone.register_forward_hook(lambda _, inputs, __: given.append(inputs[0].shape[1]))
    yield given
    handle.remove()


def alone(model: UnifiedModel, chat: Chat, *, seed: int = 0, **settings: Any) -> str:
    """The last answer of a chat, from all that was said before it, read at once."""
    assert chat.conversation is not None
    prompt = model.processor.sequence(janiform.Conversation(chat.conversation.turns[:-1]), answer=False)
    return generate_text(model, [prompt], seeds=[seed], **settings)[0]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_chat_with_pictures_says_what_it_says_without_a_cache(
    tiny_model: UnifiedModel, positions: list[int], temperature: float
) -> None:
    chat = Chat(Model(tiny_model), max_new_tokens=7, temperature=temperature, seed=3)
    turns = [([0], "a red circle?"), ([], "and the blue one?"), ([1, 2], "which?"), ([0], "again"), ([], "large")]
    length = 0
    for number, (seen, line) in enumerate(turns):
        for seed in seen:
            chat.look(picture(seed))
        positions.clear()
        answer = "".join(chat.say(line))
        read_now, steps = positions[0], positions[1:]
        assert set(steps) <= {1}
        assert answer == alone(tiny_model, chat, max_new_tokens=7, temperature=temperature, seed=3 + number)
        assert chat.conversation is not None
        turns_before = janiform.Conversation(chat.conversation.turns[:-1])
        whole = len(tiny_model.processor.sequence(turns_before, answer=False))
        assert read_now < whole - length + 8 if number else read_now == whole  # 7 said, of which some read as others
        length = whole


def test_a_chat_goes_on_after_an_answer_that_was_stopped(tiny_model: UnifiedModel, positions: list[int]) -> None:
    chat = Chat(Model(tiny_model), max_new_tokens=40)
    chat.look(picture(0))
    answer = chat.say("a red circle?")
    next(answer)
    answer.close()  # type: ignore[attr-defined]
    positions.clear()
    second = "".join(chat.say("and now?"))
    assert second == alone(tiny_model, chat, max_new_tokens=40)
    assert chat.conversation is not None
    whole = tiny_model.processor.sequence(janiform.Conversation(chat.conversation.turns[:-1]), answer=False)
    assert positions[0] < len(whole) // 2


def test_where_memory_is_short_the_prefix_cache_is_cleared(
    tiny_model: UnifiedModel, positions: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second plan and the second drawing are refused as long as the prefix cache takes memory."""
    chat = Chat(Model(tiny_model), max_new_tokens=5)
    first = "".join(chat.say("a red circle?"))
    plan, draw = janiform.inference.answering.memory_for_answers, chat.model.generate

    def short(work: Any) -> Any:
        def refuse(*args: Any, **more: Any) -> Any:
            if chat._prefix.nbytes:
                raise ResourceError("it does not fit")
            return work(*args, **more)

        return refuse

    monkeypatch.setattr("janiform.inference.answering.memory_for_answers", short(plan))
    positions.clear()
    second = "".join(chat.say("and the blue one?"))
    whole = Chat(Model(tiny_model), max_new_tokens=5)
    monkeypatch.setattr("janiform.inference.answering.memory_for_answers", plan)
    assert [first, second] == ["".join(whole.say(line)) for line in ("a red circle?", "and the blue one?")]
    assert positions[0] > 40
    monkeypatch.setattr(chat.model, "generate", short(draw))
    assert chat.draw("a red circle").size == (16, 16)
    assert chat._prefix.nbytes == 0


def test_a_model_that_was_moved_is_read_anew(tiny_model: UnifiedModel) -> None:
    model = copy.deepcopy(tiny_model)
    chat = Chat(Model(model), max_new_tokens=5)
    "".join(chat.say("a red circle?"))
    model.double()
    assert "".join(chat.say("and the blue one?")) == alone(model, chat, max_new_tokens=5)
