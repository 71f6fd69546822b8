"""The batching engine: requests that begin and end at any time give what each gives alone."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import Conversation, ResourceError, UsageError
from janiform.inference.batching import BatchingEngine, EngineRequest, PictureRequest, TextRequest
from janiform.inference.generate import generate_text, sampler_of
from janiform.model.unified_model import UnifiedModel


def some_request(model: UnifiedModel, chance: random.Random) -> EngineRequest:
    words = " ".join(chance.choice(("a", "large", "red", "circle")) for _ in range(chance.randint(1, 12)))
    seed = chance.randrange(1000)
    if chance.random() < 0.4:
        guided = {"guidance": chance.choice((1.0, 3.0)), "temperature": chance.choice((0.0, 1.0))}
        return PictureRequest(prompt=model.processor.drawing_prompt(words), seed=seed, settings=guided)
    return TextRequest(
        prompt=model.processor.sequence(Conversation.asking(words), answer=False),
        max_new_tokens=chance.randint(1, 30),
        temperature=chance.choice((0.0, 1.0)),
        top_p=chance.choice((1.0, 0.9)),
        stop=chance.choice(((), ("e",))),
        seed=seed,
        on_text=None if chance.random() < 0.5 else lambda text: None,
    )


def alone(model: UnifiedModel, request: EngineRequest) -> Any:
    if isinstance(request, TextRequest):
        return generate_text(
            model,
            [request.prompt],
            max_new_tokens=request.max_new_tokens,
            temperature=request.temperature,
            top_p=request.top_p,
            stop=request.stop,
            seeds=[request.seed],
        )[0]
    return sampler_of(model.plan).draw(model, [request.prompt], seeds=[request.seed], **request.settings)


def equal(one: Any, other: Any) -> bool:
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_requests_that_join_at_any_time_give_what_they_give_alone(tiny_model: UnifiedModel, seed: int) -> None:
    chance = random.Random(seed)
    requests = [some_request(tiny_model, chance) for _ in range(10)]
    arrivals = sorted(chance.randrange(40) for _ in requests)
    cancelled = {number for number in range(len(requests)) if chance.random() < 0.2}
    engine = BatchingEngine(tiny_model, most_rows=chance.choice((2, 5, 100)))
    step = 0
    while not engine.idle or step <= arrivals[-1]:
        for request, arrival in zip(requests, arrivals, strict=True):
            if arrival == step:
                engine.add(request)
        for number in cancelled:
            if arrivals[number] + number == step:
                engine.cancel(requests[number])
        engine.step()
        step += 1
    assert engine.active == engine.waiting == engine.rows == 0
    for number, request in enumerate(requests):
        if request.done or number not in cancelled:
            assert request.error is None
            assert equal(request.result, alone(tiny_model, request))
        else:
            assert request.result is None


def test_a_step_is_one_forward_for_texts_and_pictures(tiny_model: UnifiedModel) -> None:
    chance = random.Random(1)
    engine = BatchingEngine(tiny_model)
    requests = [some_request(tiny_model, chance) for _ in range(8)]
    assert {type(request) for request in requests} == {TextRequest, PictureRequest}
    decoded: list[int] = []

    def count(_: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        if inputs[0].shape[1] == 1:
            decoded.append(len(inputs[0]))

    hook = tiny_model.backbone.register_forward_pre_hook(count)
    try:
        for number, request in enumerate(requests):
            engine.add(request)
            engine.step()
            assert len(decoded) == number + 1, "one forward for all"
            assert decoded[-1] >= engine.rows
    finally:
        hook.remove()
    assert max(decoded) > 4


def test_a_request_that_fails_does_not_affect_the_others(tiny_model: UnifiedModel) -> None:
    def fails(text: str) -> None:
        raise RuntimeError("the client is gone")

    prompt = tiny_model.processor.sequence(Conversation.asking("a red circle"), answer=False)
    bad = TextRequest(prompt=prompt, max_new_tokens=20, temperature=1.0, on_text=fails)
    good = TextRequest(prompt=prompt, max_new_tokens=20, temperature=1.0, seed=3)
    engine = BatchingEngine(tiny_model)
    engine.add(bad)
    engine.add(good)
    while not engine.idle:
        engine.step()
    assert isinstance(bad.error, RuntimeError)
    assert good.error is None
    assert good.result == alone(tiny_model, good)
    assert good.tokens > 0


def test_what_can_never_run_is_refused_when_it_is_added(tiny_model: UnifiedModel) -> None:
    prompt = tiny_model.processor.sequence(Conversation.asking("a red circle"), answer=False)
    with pytest.raises(UsageError, match="do not fit into the model's context"):
        BatchingEngine(tiny_model).add(TextRequest(prompt=prompt, max_new_tokens=10_000))
    drawing = tiny_model.processor.drawing_prompt("a circle")
    with pytest.raises(UsageError, match="has no setting 'guidanc'"):
        BatchingEngine(tiny_model).add(PictureRequest(prompt=drawing, settings={"guidanc": 1.0}))
    with pytest.raises(ResourceError, match="all requests together may take 1"):
        BatchingEngine(tiny_model, memory=1000).add(TextRequest(prompt=prompt, max_new_tokens=10))


def test_requests_wait_for_memory(tiny_model: UnifiedModel) -> None:
    prompt = tiny_model.processor.sequence(Conversation.asking("a red circle"), answer=False)
    requests = [TextRequest(prompt=prompt, max_new_tokens=5, temperature=1.0, seed=seed) for seed in range(5)]
    engine = BatchingEngine(tiny_model)
    engine.memory = int(2.5 * engine._costs(requests[0])[1])
    for request in requests:
        engine.add(request)
    engine.step()
    assert (engine.active, engine.waiting) == (2, 3)
    while not engine.idle:
        engine.step()
    assert [request.result for request in requests] == [alone(tiny_model, request) for request in requests]


def test_a_row_that_stays_free_is_carried_on_within_the_cache(tiny_model: UnifiedModel) -> None:
    """Its position is counted on as well, past the positions of the cache, which backbones have tables for."""
    engine = BatchingEngine(tiny_model)

    def picture(seed: int) -> PictureRequest:
        prompt = tiny_model.processor.drawing_prompt(f"a circle {'red ' * (seed % 3)}")
        return PictureRequest(prompt=prompt, seed=seed, settings={"guidance": 1.0})

    # Five rows that are taken again as soon as they are free, and the sixth of a text of one token.
    requests = [picture(seed) for seed in range(5)]
    for request in requests:
        engine.add(request)
        for _ in range(2):
            engine.step()
    text = tiny_model.processor.sequence(Conversation.asking("a red circle"), answer=False)
    engine.add(TextRequest(prompt=text, max_new_tokens=1))
    for _ in range(300):
        engine.step()
        while engine.active + engine.waiting < 5:
            requests.append(picture(len(requests)))
            engine.add(requests[-1])
    done = [request for request in requests if request.done]
    assert len(done) > 50
    assert [request.error for request in done] == [None] * len(done)
    assert all(equal(request.result, alone(tiny_model, request)) for request in done[::10])
