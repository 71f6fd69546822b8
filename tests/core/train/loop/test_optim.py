"""The update is AdamW's, schedules hit their ends, and a step without a finite gradient changes nothing."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from janiform.train.loop.ema import Average
from janiform.train.loop.optim import adamw, clip_gradients, rate_at, skip_where
from torch import nn


def layer() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(4, 3).double()


def step(optimizer: torch.optim.Optimizer, module: nn.Module, loss: torch.Tensor, clip: float) -> tuple[float, float]:
    clipped = clip_gradients(list(module.parameters()), loss, clip)
    skip_where(clipped.skipped, optimizer)
    optimizer.step()
    optimizer.zero_grad()
    return float(clipped.norm), float(clipped.skipped)


def loss_of(module: nn.Linear, scale: float = 1.0) -> torch.Tensor:
    inputs = torch.arange(8, dtype=torch.float64).view(2, 4)
    return scale * (module(inputs) ** 2).sum()


def test_the_update_is_adamw_with_clipping_and_without_decay_of_biases() -> None:
    ours, rate, decay, clip = layer(), 0.01, 0.1, 0.5
    betas = (0.9, 0.95)
    optimizer = adamw(dict(ours.named_parameters()).items(), learning_rate=rate, betas=betas, weight_decay=decay)
    expected = {name: parameter.detach().clone() for name, parameter in ours.named_parameters()}
    first = {name: torch.zeros_like(value) for name, value in expected.items()}
    second = {name: torch.zeros_like(value) for name, value in expected.items()}
    for t in range(1, 5):
        theirs = layer()
        theirs.load_state_dict(expected)
        loss_of(theirs).backward()
        gradients = {name: parameter.grad for name, parameter in theirs.named_parameters()}
        norm = math.sqrt(sum(float((gradient**2).sum()) for gradient in gradients.values()))  # type: ignore[operator]
        for name, gradient in gradients.items():
            clipped = gradient * min(1.0, clip / (norm + 1e-6))  # type: ignore[operator]
            first[name] = betas[0] * first[name] + (1 - betas[0]) * clipped
            second[name] = betas[1] * second[name] + (1 - betas[1]) * clipped**2
            if name == "weight":
                expected[name] = expected[name] * (1 - rate * decay)
            change = first[name] / (1 - betas[0] ** t) / ((second[name] / (1 - betas[1] ** t)).sqrt() + 1e-8)
            expected[name] = expected[name] - rate * change
        loss = loss_of(ours)
        loss.backward()
        measured, skipped = step(optimizer, ours, loss, clip)
        assert measured == pytest.approx(norm)
        assert skipped == 0
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.detach(), expected[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_step_that_is_not_finite_changes_nothing(bad: float) -> None:
    module = layer()
    optimizer = adamw(module.named_parameters(), learning_rate=0.1, betas=(0.9, 0.95), weight_decay=0.1)

    def train(scale: float) -> float:
        loss = loss_of(module, scale)
        loss.backward()
        return step(optimizer, module, loss, 1.0)[1]

    train(1.0)
    before = [parameter.detach().clone() for parameter in module.parameters()]
    states = [value.clone() for state in optimizer.state.values() for value in state.values()]
    assert train(bad) == 1
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))
    after = [value for state in optimizer.state.values() for value in state.values()]
    assert all(torch.equal(a, b) for a, b in zip(states, after, strict=True))
    assert train(1.0) == 0
    assert not torch.equal(before[0], module.weight)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "linear"])
def test_schedules_rise_and_end_where_they_say(schedule: str) -> None:
    rates = [
        rate_at(step, steps=20, learning_rate=2.0, warmup=4, schedule=schedule, final_fraction=0.1)
        for step in range(20)
    ]
    assert rates[:5] == [0.5, 1.0, 1.5, 2.0, 2.0]
    assert rates[-1] == pytest.approx(2.0 if schedule == "constant" else 0.2)
    assert all(a >= b for a, b in pairwise(rates[4:]))


def test_schedules_of_one_step_and_of_warmup_alone() -> None:
    for schedule in ("constant", "cosine", "linear"):
        assert rate_at(0, steps=1, learning_rate=1.0, warmup=0, schedule=schedule, final_fraction=0.0) == 1.0
        assert rate_at(2, steps=3, learning_rate=1.0, warmup=3, schedule=schedule, final_fraction=0.0) == 1.0


def test_the_average_follows_and_replaces_the_weights() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    average = Average({"p": parameter}, 0.5)
    expected = 0.0
    for t in range(20):
        with torch.no_grad():
            parameter.fill_(float(t))
        keep = min(0.5, (1 + t) / (10 + t))
        expected = keep * expected + (1 - keep) * t
        average.update(t, torch.tensor(0.0))
    average.update(20, torch.tensor(1.0))  # a step that changed nothing
    average.apply()
    assert parameter.tolist() == pytest.approx([expected] * 2)
