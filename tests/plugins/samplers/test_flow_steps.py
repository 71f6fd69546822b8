"""The steps of the sampler ``flow`` are those of diffusers' schedulers, and of closed forms."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FlowMatchHeunDiscreteScheduler
from janiform_plugins.samplers.flow import steps as flow_steps
from janiform_plugins.samplers.flow.steps import levels, renormed, slope
from torch import Tensor


def draw_along(*arguments: Any) -> Tensor:
    """What the steps come to."""
    steps = flow_steps.draw_along(*arguments)
    while True:
        try:
            assert next(steps) is None
        except StopIteration as end:
            return end.value


def wild(z: Tensor, level: float) -> Tensor:
    """A velocity that depends on everything."""
    return torch.sin(3 * z + level) - 0.3 * z.roll(1, 1)


@pytest.mark.parametrize("seed", range(4))
def test_euler_takes_the_steps_of_diffusers(seed: int) -> None:
    chance = random.Random(seed)
    steps, shift = chance.randrange(1, 60), chance.choice((1.0, 3.0, 0.4))
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    if seed % 2:  # BAGEL counts timesteps, the last of which is 0 and needs no step
        scheduler.set_timesteps(sigmas=torch.linspace(1, 0, steps + 1, dtype=torch.float64)[:-1].numpy())
    else:  # JanusFlow and Transfusion
        scheduler.set_timesteps(sigmas=[1 - index / steps for index in range(steps)])
    z = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(seed))
    theirs = z
    for sigma, timestep in zip(scheduler.sigmas, scheduler.timesteps, strict=False):
        theirs = scheduler.step(wild(theirs, float(sigma)), timestep, theirs).prev_sample
    ours = draw_along(z, levels(steps, shift), wild)
    assert torch.allclose(scheduler.sigmas.double(), torch.tensor(levels(steps, shift)).double(), atol=1e-6)
    assert torch.allclose(ours, theirs, atol=2e-5)


@pytest.mark.parametrize("seed", range(4))
def test_heun_takes_the_steps_of_diffusers(seed: int) -> None:
    steps = random.Random(seed).randrange(2, 40)
    scheduler = FlowMatchHeunDiscreteScheduler(shift=1.0 + seed)
    scheduler.set_timesteps(steps)
    path = [float(sigma) for sigma in scheduler.sigmas]
    path = [path[0], *path[1:-1:2], path[-1]]  # it lists each level twice but the first
    z = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(seed))
    theirs = z
    for timestep in scheduler.timesteps:
        sigma = float(scheduler.sigmas[0 if scheduler.step_index is None else scheduler.step_index])
        if scheduler.step_index is not None and scheduler.dt is not None:  # second half of a step
            sigma = float(scheduler.sigmas[scheduler.step_index])
        theirs = scheduler.step(wild(theirs, sigma), timestep, theirs).prev_sample
    assert torch.allclose(draw_along(z, path, wild, "heun"), theirs, atol=2e-5)


@pytest.mark.parametrize("data_at", [0.0, 1.0])
@pytest.mark.parametrize("of", ["velocity", "noise", "data"])
@pytest.mark.parametrize("solver", ["euler", "heun"])
def test_a_perfect_head_leads_to_the_data(of: str, data_at: float, solver: str) -> None:
    """Of one picture x, the noise in z is known, so that every prediction is exact and all steps are on one line."""
    data, noise = torch.randn(2, 2, 4, 3, generator=torch.Generator().manual_seed(0)).double()
    seen: list[Tensor] = []

    def change(z: Tensor, level: float) -> Tensor:
        predicted = {"velocity": data - noise if data_at else noise - data, "noise": noise, "data": data}[of]
        return slope(predicted, z, level, of, data_at)  # type: ignore[arg-type]

    path = levels(7, 2.0)
    start = noise
    if of == "noise":  # at level 1 predicted noise says nothing, so that a drawing begins with a picture of zeros
        assert torch.equal(change(noise, 1.0), noise)
        path, start = path[1:], (1 - path[1]) * data + path[1] * noise
    drawn = draw_along(start, path, change, solver, lambda _, so_far: seen.append(so_far))  # type: ignore[arg-type]
    assert torch.allclose(drawn, data, atol=1e-9)
    assert all(torch.allclose(each, data, atol=1e-9) for each in seen)


def test_heun_is_of_second_order() -> None:
    """dz/ds = z: halving the step divides Euler's error by 2 and Heun's by 4."""
    z = torch.ones(1, 1, 1, dtype=torch.float64)
    errors = {
        solver: [
            abs(
                float(draw_along(z, [1 - 0.9 * i / n for i in range(n + 1)], lambda z, _: z, solver))  # type: ignore[arg-type]
                - torch.tensor(-0.9).double().exp().item()
            )
            for n in (40, 80)
        ]
        for solver in ("euler", "heun")
    }
    assert errors["euler"][0] / errors["euler"][1] == pytest.approx(2, rel=0.05)
    assert errors["heun"][0] / errors["heun"][1] == pytest.approx(4, rel=0.1)


def test_renorm_is_that_of_bagel() -> None:
    """The formula of ``_forward_flow``: v · clamp(|c| / (|v| + 1e-8), 0, 1), over the picture or per place."""
    guided, plain = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(1))
    assert renormed(guided, plain, "none") is guided
    for picture in range(3):
        v, c = guided[picture], plain[picture]
        whole = v * min(1.0, float(c.norm() / (v.norm() + 1e-8)))
        assert torch.allclose(renormed(guided, plain, "global")[picture], whole, atol=1e-6)
        for place in range(4):
            one = v[place] * min(1.0, float(c[place].norm() / (v[place].norm() + 1e-8)))
            assert torch.allclose(renormed(guided, plain, "channel")[picture, place], one, atol=1e-6)
