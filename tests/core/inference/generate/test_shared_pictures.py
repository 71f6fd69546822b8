"""What prompts about the same pictures share is computed once, and nothing that comes out changes by it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from janiform import Conversation, Model, Sequence, Span, UnifiedModel
from janiform.inference.generate.engine import EagerEngine, generating
from janiform.inference.generate.shared_pictures import FeatureCache, shared_prefixes
from janiform.inference.memory import memory_for_answers
from PIL import Image

PICTURES = [torch.from_numpy(np.random.default_rng(seed).normal(size=(3, 16, 16))) for seed in range(3)]

text = st.builds(lambda ids: Span("text", ids), st.lists(st.integers(0, 3), min_size=1, max_size=4))
look = st.builds(
    lambda picture, mask: Span("look", [7] * 4, "understanding", PICTURES[picture].clone(), mask),
    st.integers(0, 2),
    st.sampled_from(["causal", "full"]),
)
prefix = st.builds(lambda spans, last: [*spans, last], st.lists(st.one_of(text, look), max_size=3), look)
suffix = st.builds(lambda ids: [Span("text", ids)], st.lists(st.integers(0, 3), min_size=1, max_size=3))


@pytest.fixture(scope="module")
def exact(tiny_model: UnifiedModel) -> UnifiedModel:
    return copy.deepcopy(tiny_model).double()


@given(st.lists(st.tuples(prefix, st.lists(suffix, min_size=2, max_size=6)), min_size=1, max_size=3), st.randoms())
@settings(max_examples=60, suppress_health_check=[HealthCheck.filter_too_much])
def test_prompts_are_read_after_their_prefixes_as_if_they_were_read_whole(
    exact: UnifiedModel, groups: list[tuple[list[Span], list[list[Span]]]], chance: Any
) -> None:
    prompts = [Sequence([*first, *last]) for first, suffixes in groups for last in suffixes]
    chance.shuffle(prompts)
    features = FeatureCache()
    shared = shared_prefixes(prompts, features)
    assume(shared is not None)
    assert shared is not None
    assert len(shared.prefixes) <= len(groups)
    engine = EagerEngine(exact)
    with generating(exact):
        whole = engine.prefill(prompts, 3)
        with exact.sharing(features):
            after = engine.prefill(prompts, 3)
        assert torch.allclose(after.hidden, whole.hidden, atol=1e-9)
        assert torch.equal(after.positions, whole.positions)
        assert after.cache.filled == whole.cache.filled
        for row, prompt in enumerate(prompts):
            own = slice(after.cache.filled - len(prompt), after.cache.filled)
            for one, other in ((after.cache.keys, whole.cache.keys), (after.cache.values, whole.cache.values)):
                assert torch.allclose(one[:, row, :, own], other[:, row, :, own], atol=1e-9)
        for id in (5, 2):
            step = exact.backbone.embed(torch.full((len(prompts), 1), id))
            assert torch.allclose(engine.decode(after, step), engine.decode(whole, step), atol=1e-9)


def picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (20, 16, 3), dtype=np.uint8))


def conversations(pictures: int, questions: int) -> list[Conversation]:
    texts = ["red?", "is it blue or red?", "what is above the square?", "how many?", "a circle?", "where is it?"]
    return [Conversation.asking(text, picture(seed)) for seed in range(pictures) for text in texts[:questions]]


def test_each_picture_is_encoded_once(tiny_model: UnifiedModel) -> None:
    asked = conversations(5, 6)
    encoded: list[int] = []
    hook = tiny_model.part("understanding.encoder").register_forward_hook(
        lambda _, inputs, __: encoded.append(len(inputs[0]))
    )
    try:
        plain = Model(tiny_model).reply_all(asked, max_new_tokens=4)
        assert encoded == [30]
        encoded.clear()
        features = FeatureCache()
        with tiny_model.sharing(features):
            assert Model(tiny_model).reply_all(asked, max_new_tokens=4) == plain
            assert Model(tiny_model).reply_all(asked[::6], max_new_tokens=4) == plain[::6]
        assert encoded == [5]
        assert features.computed == 5
    finally:
        hook.remove()
    assert tiny_model.features is None


def test_a_prefix_is_read_once(tiny_model: UnifiedModel) -> None:
    read: list[tuple[int, int]] = []
    hook = tiny_model.backbone.register_forward_hook(lambda _, inputs, __: read.append(tuple(inputs[0].shape[:2])))
    try:
        with tiny_model.sharing(FeatureCache()):
            Model(tiny_model).reply_all(conversations(2, 6), max_new_tokens=1)
    finally:
        hook.remove()
    (prefixes, _), (rows, window) = read
    assert (prefixes, rows) == (2, 12)
    longest = max(len(Model(tiny_model).model.processor.sequence(one, answer=False)) for one in conversations(2, 6))
    assert window < longest


def test_the_cache_is_bounded(tiny_model: UnifiedModel) -> None:
    features = FeatureCache(3)
    with tiny_model.sharing(features):
        for start in (0, 4):
            Model(tiny_model).reply_all(conversations(8, 1)[start : start + 4], max_new_tokens=1)
        assert features.computed == 8
        Model(tiny_model).reply_all(conversations(8, 1)[5:], max_new_tokens=1)
        assert features.computed == 8
        Model(tiny_model).reply_all(conversations(8, 1)[:1], max_new_tokens=1)
        assert features.computed == 9


@pytest.mark.parametrize("alike", [lambda one: [one] * 6, lambda one: [Sequence([Span("text", [1, 2])])] * 6])
def test_nothing_is_shared_where_it_saves_nothing(exact: UnifiedModel, alike: Callable[..., Any]) -> None:
    look = Span("look", [7] * 4, "understanding", PICTURES[0])
    ends = Sequence([Span("text", [1]), look, Span("text", [1] * 60)])
    assert shared_prefixes(alike(ends), FeatureCache()) is None
    assert shared_prefixes([Sequence([Span("text", [1]), look])] * 6, FeatureCache()) is None
    assert shared_prefixes([Sequence([look, Span("text", [1])])] * 6, FeatureCache()) is not None


def test_memory_is_planned_for_what_is_copied(tiny_model: UnifiedModel) -> None:
    rows = [tiny_model.processor.sequence(one, answer=False) for one in conversations(2, 6)]
    plain = memory_for_answers(tiny_model, rows, 4)
    with tiny_model.sharing(FeatureCache()):
        assert memory_for_answers(tiny_model, rows, 4).work >= plain.work
