"""The sampler ``diffusion``: schedule, corruption and steps are those of diffusers' DDPM and DDIM."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from flow_recipes import tiny_flow
from janiform import (
    Codes,
    Corrupted,
    Grid,
    Latents,
    Logits,
    PortMismatch,
    UnifiedModel,
    Values,
    build_model,
    normal,
    read_recipe_text,
    sampler_of,
)
from janiform.compose import compose
from janiform_plugins.samplers.diffusion.config import DiffusionConfig
from janiform_plugins.samplers.diffusion.process import DiffusionProcess, kept
from janiform_plugins.samplers.diffusion.sampler import step_back, taken

COSINE: dict[str, Any] = {"num_train_timesteps": 1000, "beta_schedule": "squaredcos_cap_v2", "clip_sample": False}
NAMES: Any = {"noise": "epsilon", "data": "sample"}


def wild(z: torch.Tensor, time: float) -> torch.Tensor:
    return torch.sin(3 * z + time) - 0.3 * z.roll(1, 1)


def test_the_schedule_is_that_of_diffusers() -> None:
    theirs = DDPMScheduler(**COSINE).alphas_cumprod.double()
    ours = torch.tensor(kept(), dtype=torch.float64)
    assert len(ours) == 1001
    assert torch.allclose(ours[1:], theirs, rtol=1e-3, atol=1e-6)  # theirs are products of float32


def test_pictures_are_corrupted_as_in_diffusers() -> None:
    process, scheduler = DiffusionProcess("noise"), DDPMScheduler(**COSINE)
    drawn = [process.corrupt(4, np.random.default_rng(seed)) for seed in range(9)]
    times = torch.tensor([each.time for each in drawn])
    corrupted = Corrupted(times, None, torch.tensor([each.seed for each in drawn]))
    x, noise = torch.randn(9, 4, 3), normal([each.seed for each in drawn], (4, 3))
    theirs = scheduler.add_noise(x, noise, (times * 1000).round().long() - 1)
    assert torch.allclose(process.read(x, corrupted), theirs, atol=1e-4)
    assert torch.equal(process.target(x, corrupted), noise)
    assert torch.equal(DiffusionProcess("data").target(x, corrupted), x)
    every = {round(process.corrupt(4, np.random.default_rng(s)).time * 1000) for s in range(20_000)}  # type: ignore[operator]
    assert every == set(range(1, 1001))


@pytest.mark.parametrize("clip", [0.0, 1.5])
@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("of", ["noise", "data"])
@pytest.mark.parametrize("steps", [10, 250])
def test_ddim_takes_the_steps_of_diffusers(steps: int, of: Any, eta: float, clip: float) -> None:
    settings = COSINE | {"clip_sample": clip > 0, "clip_sample_range": clip or 1.0}
    scheduler = DDIMScheduler(**settings, prediction_type=NAMES[of], timestep_spacing="trailing")
    scheduler.alphas_cumprod = torch.tensor(kept()[1:], dtype=torch.float64)  # beyond the rounding of their betas
    scheduler.set_timesteps(steps)
    assert [int(t) + 1 for t in scheduler.timesteps] == taken(steps)[:-1]
    chance = torch.Generator().manual_seed(steps)
    z = theirs = torch.randn(2, 5, 3, generator=chance, dtype=torch.float64)
    path, table = taken(steps), kept()
    for now, after, t in zip(path[:-1], path[1:], scheduler.timesteps, strict=True):
        noise = torch.randn(z.shape, generator=chance, dtype=torch.float64)
        z, _ = step_back(z, wild(z, now), table[now], table[after], of, noise if eta else None, eta, clip)
        step = scheduler.step(wild(theirs, now), t, theirs, eta, use_clipped_model_output=True, variance_noise=noise)
        theirs = step.prev_sample
    assert torch.allclose(z, theirs, rtol=1e-5, atol=1e-5 * float(theirs.abs().max()))


@pytest.mark.parametrize("steps", [20, 1000])
def test_eta_1_is_ddpm(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = DDPMScheduler(**COSINE, timestep_spacing="trailing", prediction_type="sample")
    scheduler.alphas_cumprod = torch.tensor(kept()[1:], dtype=torch.float64)
    scheduler.set_timesteps(steps)
    chance, path, table = torch.Generator().manual_seed(1), taken(steps), kept()
    z = theirs = torch.randn(2, 5, 3, generator=chance, dtype=torch.float64)
    for now, after, t in zip(path[:-1], path[1:], scheduler.timesteps, strict=True):
        noise = torch.randn(z.shape, generator=chance, dtype=torch.float64)
        monkeypatch.setattr("diffusers.schedulers.scheduling_ddpm.randn_tensor", lambda *_, noise=noise, **__: noise)
        z, _ = step_back(z, wild(z, now), table[now], table[after], "data", noise if after else None, 1.0)
        theirs = scheduler.step(wild(theirs, now), t, theirs).prev_sample
    assert torch.allclose(z, theirs, rtol=1e-5, atol=1e-5)


def diffusion_model(*changes: str) -> UnifiedModel:
    torch.manual_seed(0)
    sampler = (
        'sampler = { use = "flow", steps = 4, guidance = 2.0 } -> sampler = { use = "diffusion", steps = 5, clip = 3 }'
    )
    text = tiny_flow(
        'norm = "rms" -> norm = "rms", of = "noise"', 'positions = "waves" -> data_at = 0', sampler, *changes
    )
    model = build_model(compose(read_recipe_text(text)))
    model.processor.fit(["a red circle"] * 4)
    return model.eval()


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_a_picture_does_not_depend_on_its_batch(eta: float) -> None:
    model = diffusion_model()
    prompts = [model.processor.drawing_prompt(text) for text in ("a red circle above a blue square", "two", "a cross")]
    sampler, seen = sampler_of(model.plan), []
    together = sampler.draw(model, prompts, seeds=[4, 5, 6], eta=eta, on_codes=seen.append)
    assert len(seen) == 5
    assert torch.equal(seen[-1], together)
    for row in range(3):
        alone = sampler.draw(model, prompts[row : row + 1], seeds=[4 + row], eta=eta)
        assert torch.allclose(alone[0], together[row], atol=1e-4)


@pytest.mark.parametrize(
    ("drawn", "predicted", "sentence"),
    [
        (Codes(8, Grid(2, 2), 4), Logits(8), "draws latents, but the tokenizer has codes"),
        (Latents(Grid(2, 2), 3), Logits(8), "needs a head of values"),
        (Latents(Grid(2, 2), 3), Values(4, 3, "velocity"), "predicts noise or data, but the head gives velocity"),
    ],
)
def test_ports_that_do_not_fit_are_refused(drawn: Any, predicted: Any, sentence: str) -> None:
    with pytest.raises(PortMismatch, match=sentence):
        DiffusionConfig().process(drawn, predicted)
    for steps in (0, 1001):
        with pytest.raises(ValueError, match=f"steps {steps} is not a whole number from 1 to 1000"):
            DiffusionConfig(steps=steps)
