"""Decode steps in memory that stays where it is give what the eager engine gives, and could be recorded."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from janiform import Conversation, UnifiedModel, generate_codes, generate_text
from janiform.inference.batching import BatchingEngine, EngineRequest, PictureRequest, TextRequest
from janiform.inference.generate import static_step
from janiform.inference.generate.engine import generating
from janiform.inference.generate.static_step import GraphEngine
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


@pytest.fixture
def exact(tiny_model: UnifiedModel, monkeypatch: pytest.MonkeyPatch) -> UnifiedModel:
    """A model in float64, of whose positions four are read in a recorded step, so that steps cross many lengths."""
    monkeypatch.setattr(static_step, "KEYS", 4)
    return copy.deepcopy(tiny_model).double()


@pytest.fixture
def static(exact: UnifiedModel) -> Iterator[tuple[UnifiedModel, GraphEngine]]:
    model = copy.deepcopy(exact)
    engine = GraphEngine(model)
    model.engine = engine
    yield model, engine
    assert engine.reason == ""


def prompts(model: UnifiedModel, count: int) -> list[Any]:
    texts = ["a circle", "a large red circle above it", "square", "two"]
    return [model.processor.drawing_prompt(texts[number % 4] + " x" * number) for number in range(count)]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_pictures_and_texts_are_those_of_the_eager_engine(
    exact: UnifiedModel, static: tuple[UnifiedModel, GraphEngine], count: int
) -> None:
    model, engine = static
    rows, seeds = prompts(exact, count), list(range(count))
    for settings in ({"temperature": 0.0}, {"temperature": 1.0, "guidance": 1.0}, {"top_k": 5, "guidance": 3.0}):
        expected = generate_codes(exact, rows, seeds=seeds, **settings)
        assert torch.equal(generate_codes(model, rows, seeds=seeds, **settings), expected)
    asked = [exact.processor.sequence(Conversation.asking("how many? " * (n + 1)), answer=False) for n in range(count)]
    texts = generate_text(exact, asked, max_new_tokens=9, temperature=1.0, seeds=seeds)
    assert generate_text(model, asked, max_new_tokens=9, temperature=1.0, seeds=seeds) == texts
    assert len(engine._memories) <= 3, "memory of generations that have ended is used again"


def some_request(model: UnifiedModel, chance: random.Random) -> EngineRequest:
    words = " ".join(chance.choice(("a", "large", "red", "circle")) for _ in range(chance.randint(1, 12)))
    seed = chance.randrange(1000)
    if chance.random() < 0.5:
        settings = {"guidance": chance.choice((1.0, 3.0)), "temperature": chance.choice((0.0, 1.0))}
        return PictureRequest(prompt=model.processor.drawing_prompt(words), seed=seed, settings=settings)
    prompt = model.processor.sequence(Conversation.asking(words), answer=False)
    return TextRequest(prompt=prompt, max_new_tokens=chance.randint(1, 20), temperature=1.0, seed=seed)


@pytest.mark.parametrize("seed", range(4))
def test_requests_that_join_and_leave_give_what_the_eager_engine_gives(
    exact: UnifiedModel, static: tuple[UnifiedModel, GraphEngine], seed: int
) -> None:
    results = []
    for model in (exact, static[0]):
        chance = random.Random(seed)
        requests = [some_request(exact, chance) for _ in range(10)]
        arrivals = sorted(chance.randrange(30) for _ in requests)
        engine = BatchingEngine(model, most_rows=chance.choice((3, 6, 100)))
        step = 0
        while not engine.idle or step <= arrivals[-1]:
            for number, (request, arrival) in enumerate(zip(requests, arrivals, strict=True)):
                if arrival == step:
                    engine.add(request)
                if number == 3 and arrival + 4 == step:
                    engine.cancel(request)
            engine.step()
            step += 1
        assert all(request.error is None for request in requests)
        results.append([request.result for number, request in enumerate(requests) if number != 3])
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other) if isinstance(one, Tensor) else one == other


def test_two_generations_at_once_do_not_share_memory(
    exact: UnifiedModel, static: tuple[UnifiedModel, GraphEngine]
) -> None:
    model, engine = static
    first, second = prompts(exact, 2)
    states = {}
    with generating(model):
        for name, runner in (("eager", static_step.EagerEngine(exact)), ("static", engine)):
            one, other = runner.prefill([first], 6), runner.prefill([second], 6)
            hidden = []
            for number in range(6):
                step = exact.backbone.embed(torch.tensor([[number % 3]]))
                hidden += [runner.decode(one, step), runner.decode(other, step)]
            states[name] = torch.cat(hidden)
    assert torch.allclose(states["eager"], states["static"], atol=1e-12)
    assert len(engine._memories) == 2


HOST = {"aten::_local_scalar_dense", "aten::item", "aten::nonzero", "aten::masked_select", "aten::unique_dim"}
"""Operations whose result, or its shape, the host waits for."""


class Recorded(TorchDispatchMode):
    """The operations of a step, with the memory that they read and wrote which was there before."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, ...]] = []
        self.host: list[str] = []
        self.made: set[int] = set()
        self.kept: list[Tensor] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        leaves = torch.utils._pytree.tree_leaves
        tensors = [one for one in leaves((args, kwargs or {})) if isinstance(one, Tensor)]
        name = func._schema.name
        indexed = name.startswith("aten::index") and any(one.dtype == torch.bool for one in tensors[1:])
        if name in HOST or (indexed and name != "aten::index_fill_"):
            self.host.append(name)
        outside = tuple(one.data_ptr() for one in tensors if one.untyped_storage().data_ptr() not in self.made)
        out = func(*args, **(kwargs or {}))
        results = [one for one in leaves(out) if isinstance(one, Tensor)]
        before = {one.untyped_storage().data_ptr() for one in tensors}
        self.made |= {one.untyped_storage().data_ptr() for one in results} - before
        self.kept += results  # or memory that is freed would be taken for new
        self.operations.append((name, tuple(tuple(one.shape) for one in tensors), outside))
        return out


def test_a_step_is_the_same_operations_on_the_same_memory_and_the_host_waits_for_none(
    static: tuple[UnifiedModel, GraphEngine],
) -> None:
    model, engine = static
    with generating(model):
        state = engine.prefill(prompts(model, 3), 30)
        embeddings = model.backbone.embed(torch.tensor([[1], [2], [3]]))
        engine.decode(state, embeddings)
        (memory,) = engine._memories
        step = memory.step(model, 4, memory.length)
        step()
        runs = []
        for _ in range(2):
            with Recorded() as recorded:
                step()
            assert recorded.host == []
            runs.append(recorded.operations)
    assert runs[0] == runs[1], "the same operations with the same shapes at the same addresses"
    assert len(runs[0]) > 20


def test_what_a_step_reads_is_known_without_what_it_makes(static: tuple[UnifiedModel, GraphEngine]) -> None:
    model, engine = static
    with generating(model):
        state = engine.prefill(prompts(model, 2), 30)
        engine.decode(state, model.backbone.embed(torch.tensor([[1], [2]])))
        (memory,) = engine._memories
        step = memory.step(model, 2, 8)
        with static_step._StoragesRead() as read:
            step()
    parts = [*model.backbone.layers.parameters(), memory.keys, memory.values, memory.seen, memory.embeddings]
    assert {part.untyped_storage().data_ptr() for part in parts} <= read.storages.keys()
    table = model.backbone._rotary._tables
    assert table is not None
    assert table[0].untyped_storage().data_ptr() in read.storages
    size = sum(part.nbytes for part in [*model.backbone.parameters(), memory.keys, memory.values])
    assert sum(storage.nbytes() for storage in read.storages.values()) < 1.5 * size


def test_no_more_steps_are_kept_than_needed(
    exact: UnifiedModel, static: tuple[UnifiedModel, GraphEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(static_step, "MOST_STEPS", 3)
    model, engine = static
    rows = prompts(exact, 2)
    assert torch.equal(generate_codes(model, rows, seeds=[0, 1]), generate_codes(exact, rows, seeds=[0, 1]))
    assert max(len(memory.steps) for memory in engine._memories) == 3


def test_a_step_that_waits_for_the_host_is_found() -> None:
    with Recorded() as recorded:
        values = torch.arange(3)
        values[values > 1]
        int(values.sum())
    assert len(recorded.host) == 2


def test_kernels_of_their_own_and_steps_that_cannot_be_recorded_are_left_to_the_eager_engine(
    exact: UnifiedModel, static: tuple[UnifiedModel, GraphEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = static
    other = GraphEngine(model)
    model.engine = other

    def fails(*_: Any) -> Any:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(other, "_step", fails)
    rows = prompts(exact, 2)
    expected = generate_codes(exact, rows, seeds=[0, 1])
    assert torch.equal(generate_codes(model, rows, seeds=[0, 1]), expected)
    assert other.reason == "the decode step was not recorded: operation not permitted when stream is capturing"


@pytest.mark.gpu
def test_recorded_steps_give_what_the_eager_engine_gives_on_a_gpu(tiny_model: UnifiedModel) -> None:
    eager = copy.deepcopy(tiny_model).cuda()
    model = copy.deepcopy(eager)
    engine = GraphEngine(model)
    model.engine = engine
    for count in (1, 3, 9):
        rows = prompts(tiny_model, count)
        expected = generate_codes(eager, rows, temperature=0.0, seeds=range(count))
        assert torch.equal(generate_codes(model, rows, temperature=0.0, seeds=range(count)), expected)
    assert engine.reason == ""
    assert engine.recorded > 0
