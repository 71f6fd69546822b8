"""The diffusion of single places: steps are those of diffusers' DDPM with a learned range, the loss a formula's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from janiform import Grid, Guidance, Hidden, Latents, PlaceNoise, PlaceSampling
from janiform_plugins.heads.config import DIFFUSION_PRESETS, DiffusionHeadConfig
from janiform_plugins.heads.diffusion import DiffusionHead
from janiform_plugins.heads.iddpm import Schedule, losses, sampled, spaced
from torch import Tensor
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import layer_norm, silu

CPU = torch.device("cpu")
EVERY = range(1000)


def theirs(clip: float = 0.0) -> Any:
    return DDPMScheduler(
        beta_schedule="squaredcos_cap_v2",
        variance_type="learned_range",
        clip_sample=clip > 0,
        clip_sample_range=clip,
        num_train_timesteps=1000,
    )


def wild(x: Tensor, step: int) -> tuple[Tensor, Tensor]:
    return torch.sin(2 * x + step), torch.cos(x * 3 - step).clamp(-0.9, 0.9)


@pytest.mark.parametrize(("count", "clip"), [(2, 0.0), (7, 2.0), (100, 0.0), (1000, 0.0)])
def test_sampling_is_that_of_diffusers(count: int, clip: float) -> None:
    scheduler, steps = theirs(clip), spaced(count)
    assert steps == [round(index * 999 / (count - 1)) for index in range(count)]
    scheduler.set_timesteps(timesteps=steps[::-1])
    start = torch.randn(5, 3, generator=torch.Generator().manual_seed(count))
    path: list[Tensor] = []

    def predict(x: Tensor, step: int) -> tuple[Tensor, Tensor]:
        path.append(x)
        return wild(x, step)

    torch.manual_seed(9)
    path.append(sampled(Schedule.of(steps, CPU), steps, start, predict, lambda: torch.randn(5, 3), clip))
    torch.manual_seed(9)
    # Each step from our vectors, since differences grow along a path.
    for before, after, step in zip(path, path[1:], scheduler.timesteps, strict=False):
        expected = scheduler.step(torch.cat(wild(before, int(step)), 1), step, before).prev_sample
        assert float((expected - after).abs().max() / after.abs().max().clamp(min=1)) < 1e-4


def test_noisy_vectors_are_those_of_diffusers() -> None:
    data, noise = torch.randn(50, 4), torch.randn(50, 4)
    t = torch.randint(1000, (50,))
    ours = Schedule.of(EVERY, CPU).noisy(data, noise, t)
    assert torch.allclose(ours, theirs().add_noise(data, noise, t), atol=2e-6)


def alpha_bar() -> np.ndarray:
    share = [math.cos((i / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(1001)]
    return np.cumprod([1 - min(1 - share[i + 1] / share[i], 0.999) for i in range(1000)])


def twin(data: Tensor, noise: Tensor, t: int, made: Tensor, spread: Tensor) -> Tensor:
    """The loss of one vector [C] in float64, with torch's distributions."""
    bar = alpha_bar()
    left, before = bar[t], bar[t - 1] if t else 1.0
    beta = 1 - left / before
    x = math.sqrt(left) * data + math.sqrt(1 - left) * noise
    known = math.sqrt(before) * beta / (1 - left), math.sqrt(1 - beta) * (1 - before) / (1 - left)
    step = max(t, 1)
    small = (1 - bar[step] / bar[step - 1]) * (1 - bar[step - 1]) / (1 - bar[step])
    share = (spread + 1) / 2
    deviation = (0.5 * (share * math.log(beta) + (1 - share) * math.log(small))).exp()
    fixed = made.detach()
    mean = known[0] * (x - math.sqrt(1 - left) * fixed) / math.sqrt(left) + known[1] * x
    if t:
        truth = Normal(known[0] * data + known[1] * x, torch.full_like(x, math.sqrt(small)))
        bound = kl_divergence(truth, Normal(mean, deviation))
    else:

        def below(value: Tensor) -> Tensor:
            z = (value - mean) / deviation
            return 0.5 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))

        top, bottom = below(data + 1 / 255), below(data - 1 / 255)
        top = torch.where(data > 0.999, torch.ones_like(top), top)
        bottom = torch.where(data < -0.999, torch.zeros_like(bottom), bottom)
        bound = -(top - bottom).clamp(min=1e-12).log()
    return (made - noise).square().mean() + bound.mean() / math.log(2)


@pytest.mark.parametrize("seed", range(3))
def test_the_loss_is_that_of_a_twin_in_float64(seed: int) -> None:
    torch.manual_seed(seed)
    t = torch.cat((torch.tensor([0, 0, 1, 2, 999]), torch.randint(1000, (40,))))
    data, noise = torch.randn(45, 4) * 0.7, torch.randn(45, 4)
    data[0] = torch.tensor([1.5, -1.5, 0.9995, -0.9995])
    predicted = torch.cat((noise + 0.1 * torch.randn(45, 4), torch.rand(45, 4) * 2 - 1), 1).requires_grad_(True)
    ours = losses(Schedule.of(EVERY, CPU), data, noise, t, predicted)
    exact = predicted.detach().double().requires_grad_(True)
    other = torch.stack(
        [twin(data[i].double(), noise[i].double(), int(t[i]), exact[i, :4], exact[i, 4:]) for i in range(len(t))]
    )
    later = t > 0
    assert torch.allclose(ours[later].double(), other[later], rtol=2e-3, atol=2e-4)
    # At the first step the deviation is tiny, and float32 knows what the bins hold to a few digits.
    assert torch.allclose(ours[~later].double(), other[~later], rtol=2e-2)
    ours[later].sum().backward()
    other[later].sum().backward()
    assert torch.allclose(predicted.grad[later].double(), exact.grad[later], rtol=5e-3, atol=1e-3)
    # The bound teaches the variance only.
    assert torch.allclose(predicted.grad[later, :4], (predicted.detach()[later, :4] - noise[later]) / 2, atol=1e-6)


def head(width: int = 12, **settings: Any) -> DiffusionHead:
    torch.manual_seed(1)
    config = DiffusionHeadConfig(**{"width": width, "depth": 2, "frequencies": 8, "steps": 5} | settings)
    made = DiffusionHead(config, Hidden(6, 64, 128, 2, 2, 8), Latents(Grid(2, 3), 4))
    for parameter in made.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return made.eval().requires_grad_(False)


def test_the_net_is_that_of_the_formula() -> None:
    """MAR's ``SimpleMLPAdaLN`` written out."""
    net = head().net
    x, steps, z = torch.randn(5, 4), torch.tensor([0, 3, 500, 998, 999]), torch.randn(5, 6)
    rates = torch.tensor([10_000 ** (-i / 4) for i in range(4)])
    angles = steps[:, None] * rates
    waves = torch.cat((angles.cos(), angles.sin()), 1)
    condition = net.time_out(silu(net.time_into(waves))) + net.condition(z)
    h = net.enter(x)
    for block in net.blocks:
        shift, scale, gate = block.modulation(silu(condition)).split(12, dim=1)
        inner = layer_norm(h, (12,), block.norm.weight, block.norm.bias, 1e-6) * (1 + scale) + shift
        h = h + gate * block.out(silu(block.into(inner)))
    shift, scale = net.modulation(silu(condition)).split(12, dim=1)
    expected = net.leave(layer_norm(h, (12,), None, None, 1e-6) * (1 + scale) + shift)
    assert torch.allclose(net(x, steps, z), expected, atol=1e-5)


def test_a_new_net_predicts_nothing_whatever_it_is_given() -> None:
    torch.manual_seed(0)
    made = DiffusionHead(
        DiffusionHeadConfig(width=8, depth=2, frequencies=4), Hidden(6, 64, 128, 2, 2, 8), Latents(Grid(1, 1), 3)
    )
    assert not made.net(torch.randn(2, 3), torch.tensor([4, 5]), torch.randn(2, 6)).any()


def test_the_loss_of_a_place_follows_from_its_picture_s_seed() -> None:
    part = head()
    seeds, n = torch.tensor([7, 8, 2**62 - 1]), 6
    conditions, target = torch.randn(3 * n, 6), torch.randn(3 * n, 4)
    places = torch.tensor([0, 1, 5, 6, 9, 12, 17])
    whole = part.loss(conditions[places], target[places], PlaceNoise(seeds, places, n))
    parts = [part.loss(conditions[p], target[p], PlaceNoise(seeds, p, n)) for p in (places[:2], places[2:])]
    assert int(whole.count) == 7
    assert torch.allclose(whole.total, parts[0].total + parts[1].total, rtol=1e-5)
    alone = torch.tensor([0, 5])
    last = part.loss(conditions[[12, 17]], target[[12, 17]], PlaceNoise(seeds[2:], alone, n))
    among = part.loss(conditions[[12, 17]], target[[12, 17]], PlaceNoise(seeds, torch.tensor([12, 17]), n))
    assert torch.allclose(last.total, among.total, rtol=1e-6)
    other = part.loss(conditions[places], target[places], PlaceNoise(seeds + 1, places, n))
    assert not torch.allclose(whole.total, other.total, rtol=1e-3)


def test_the_numbers_of_places_are_those_of_the_whole_picture() -> None:
    seeds, n = torch.tensor([3, 4]), 5
    every, some = torch.arange(10), torch.tensor([1, 8])
    whole, part = PlaceNoise(seeds, every, n), PlaceNoise(seeds, some, n)
    assert torch.equal(whole.normal(6)[some], part.normal(6))
    assert torch.equal(whole.uniform(2)[some], part.uniform(2))
    assert bool((whole.uniform(50) < 1).all())
    wide = PlaceNoise(torch.arange(40), torch.arange(40 * 20), 20)
    assert abs(float(wide.normal(8).std()) - 1) < 0.03
    assert abs(float(wide.uniform(8).mean()) - 0.5) < 0.02


def sampling(guidance: Guidance, places: int, **others: Any) -> PlaceSampling:
    return PlaceSampling(guidance, [torch.Generator().manual_seed(seed) for seed in (5, 6)], places, **others)


def test_guidance_mixes_the_noise_of_the_rows_with_the_first_row_s_variance() -> None:
    """MAR's ``forward_with_cfg``: both rows read the same values, and keep their own variances."""
    part, scale = head(), 2.5
    shown, blank = torch.randn(6, 6), torch.randn(6, 6)
    given = part.sample(torch.cat((shown, blank)), sampling(Guidance.plain(scale), 3, temperature=0.9))
    chance = [torch.Generator().manual_seed(seed) for seed in (5, 6)]

    def normal() -> Tensor:
        return torch.cat([torch.randn(3, 4, generator=each) for each in chance])

    def predict(x: Tensor, step: int) -> tuple[Tensor, Tensor]:
        t = torch.full((6,), step)
        one, other = part.net(x, t, shown), part.net(x, t, blank)
        return other[:, :4] + scale * (one[:, :4] - other[:, :4]), one[:, 4:]

    steps = spaced(5)
    start = normal()
    expected = sampled(Schedule.of(steps, CPU), steps, start, predict, lambda: 0.9 * normal())
    assert torch.allclose(given, expected, atol=1e-4)
    alone = part.sample(shown, sampling(Guidance.plain(1.0), 3))
    assert torch.allclose(
        part.sample(torch.cat((shown, blank)), sampling(Guidance.plain(3.0), 3, strength=0.0)), alone, atol=1e-4
    )


def test_presets_are_the_sizes_of_mar() -> None:
    assert {name: (p["width"], p["depth"]) for name, p in DIFFUSION_PRESETS.items()} == {
        "base": (1024, 6),
        "large": (1280, 8),
        "huge": (1536, 12),
    }


@pytest.mark.parametrize("steps", [0, 1, 1001])
def test_wrong_steps_are_refused(steps: int) -> None:
    with pytest.raises(ValueError, match=f"steps {steps} is not a whole number from 2 to 1000"):
        DiffusionHeadConfig(steps=steps)
