"""Prompts of other requests are not read again where they begin in the same way."""

from __future__ import annotations

import copy
import random

import numpy as np
import pytest
import torch
from janiform import Sequence, Span, UnifiedModel
from janiform.inference.batching import BatchingEngine, TextRequest
from janiform.inference.generate import generate_text
from janiform.inference.generate.engine import EagerEngine, generating
from janiform.inference.generate.prefix_store import LEAST, MOST_PROMPTS, PrefixStore

PICTURES = [torch.from_numpy(np.random.default_rng(seed).normal(size=(3, 16, 16))) for seed in range(2)]


@pytest.fixture(scope="module")
def exact(tiny_model: UnifiedModel) -> UnifiedModel:
    return copy.deepcopy(tiny_model).double()


def texts(*ids: int) -> Span:
    return Span("text", list(ids))


def look(picture: int) -> Span:
    return Span("look", [7] * 4, "understanding", PICTURES[picture])


def conversation(chance: random.Random, turns: int) -> Sequence:
    """One of a few conversations, cut after a number of turns; they begin alike and part later."""
    which = chance.randrange(3)
    spans = [texts(*[1, 2, 3, 4] * 8), look(which % 2)]
    for turn in range(turns):
        spans.append(texts(*((which * 5 + turn + place) % 9 for place in range(5))))
    return Sequence(spans)


def request(prompt: Sequence, seed: int = 0, temperature: float = 1.0) -> TextRequest:
    return TextRequest(prompt=prompt, max_new_tokens=4, temperature=temperature, seed=seed)


def run(engine: BatchingEngine) -> None:
    while not engine.idle:
        engine.step()


def test_a_prompt_is_read_after_what_is_stored_as_if_it_were_read_whole(exact: UnifiedModel) -> None:
    chance, engine, store = random.Random(0), EagerEngine(exact), PrefixStore(exact, 10**9)
    reused = []
    with generating(exact):
        for _ in range(20):
            prompt = conversation(chance, chance.randrange(4))
            whole, read = engine.prefill([prompt], 3), store.read(prompt, 3)
            if read is None:
                store.keep(prompt, whole, 0)
                continue
            state, shared = read
            reused.append(shared)
            assert LEAST <= shared < len(prompt)
            assert torch.allclose(state.hidden, whole.hidden, atol=1e-9)
            step = exact.backbone.embed(torch.tensor([[5]]))
            assert torch.allclose(engine.decode(state, step), engine.decode(whole, step), atol=1e-9)
    assert len(reused) == 19, "only the first prompt has nothing before it"
    assert max(reused) > LEAST + 4, "the picture and a turn after it"


def test_requests_at_different_times_read_a_common_beginning_once(exact: UnifiedModel) -> None:
    chance = random.Random(1)
    prompts = [conversation(chance, chance.randrange(4)) for _ in range(12)]
    engine = BatchingEngine(exact)
    read: list[int] = []
    hook = exact.backbone.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0].shape[1]))
    try:
        requests = [request(prompt, seed) for seed, prompt in enumerate(prompts)]
        for number, each in enumerate(requests):
            engine.add(each)
            if number % 3 == 2:
                engine.step()
        run(engine)
    finally:
        hook.remove()
    for seed, each in enumerate(requests):
        assert each.error is None
        assert each.result == generate_text(exact, [each.prompt], max_new_tokens=4, temperature=1.0, seeds=[seed])[0]
    assert all(each.reused == 0 for each in requests[:3]), "they were read together, before anything was stored"
    assert all(each.reused >= LEAST for each in requests[3:])
    whole = [length for length in read if length > LEAST]
    assert len(whole) <= 2, "the first three are read whole, and no others"


def test_the_rows_of_a_request_are_its_own(exact: UnifiedModel) -> None:
    store, engine = PrefixStore(exact, 10**9), EagerEngine(exact)
    prompt = Sequence([texts(*[1, 2] * 20)])
    with generating(exact):
        state = engine.prefill([prompt], 4)
        store.keep(prompt, state, 0)
        before = engine.prefill([prompt], 4).hidden
        state.cache.keys.zero_()
        read = store.read(prompt, 4)
        assert read is not None
        read[0].cache.keys.fill_(3.0)
        again = store.read(prompt, 4)
    assert again is not None
    assert torch.allclose(again[0].hidden, before, atol=1e-9)


def test_longer_prompts_replace_those_that_they_begin_with(exact: UnifiedModel) -> None:
    store, engine = PrefixStore(exact, 10**9), EagerEngine(exact)
    ids = [index % 9 for index in range(60)]
    sizes = []
    with generating(exact):
        for length in (40, 50, 45, 50, 60):
            prompt = Sequence([texts(*ids[:length])])
            store.keep(prompt, engine.prefill([prompt], 0), 0)
            sizes.append(store.nbytes)
    per_position = sizes[0] // 40
    assert sizes == [per_position * length for length in (40, 50, 50, 50, 60)]


def test_the_prompts_used_least_recently_are_dropped(exact: UnifiedModel) -> None:
    engine = EagerEngine(exact)
    prompts = [Sequence([texts(first, *[1, 2] * 20)]) for first in range(4)]
    with generating(exact):
        states = [engine.prefill([prompt], 0) for prompt in prompts]
        one = states[0].cache.nbytes
        store = PrefixStore(exact, 3 * one)
        for prompt, state in zip(prompts[:3], states, strict=False):
            store.keep(prompt, state, 0)
        assert store.read(prompts[0], 1) is not None
        store.keep(prompts[3], states[3], 0)
        assert store.nbytes == 3 * one
        assert [store.read(prompt, 1) is not None for prompt in prompts] == [True, False, True, True]
        store.trim(one)
        assert store.nbytes == one
        small = PrefixStore(exact, one - 1)
        small.keep(prompts[0], states[0], 0)
        assert small.nbytes == 0
        many = PrefixStore(exact, 10**9)
        for first in range(MOST_PROMPTS + 5):
            many.keep(Sequence([texts(first % 9, first // 9, *[1, 2] * 19, 3)]), states[0], 0)
        assert many.nbytes == MOST_PROMPTS * one


def test_stored_prompts_give_their_memory_to_requests(exact: UnifiedModel) -> None:
    prompts = [Sequence([texts(first, *[1, 2] * 20)]) for first in range(6)]
    engine = BatchingEngine(exact)
    _, needed = engine._costs(request(prompts[0]))
    engine = BatchingEngine(exact, memory=needed + 1)
    for prompt in prompts:
        engine.add(request(prompt))
    run(engine)
    assert engine._stored.nbytes <= (needed + 1) // 4


def test_short_prompts_are_not_stored(exact: UnifiedModel) -> None:
    engine = BatchingEngine(exact)
    first, second = (request(Sequence([texts(*[1, 2] * 10)])) for _ in range(2))
    engine.add(first)
    run(engine)
    engine.add(second)
    run(engine)
    assert second.reused == 0
    assert first.error is None
    assert engine._stored.nbytes == 0
