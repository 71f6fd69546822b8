"""Every step of masked drawing against diffusers' ``AmusedScheduler``, under the same noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import AmusedScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform_plugins.samplers.masked.process import MaskedProcess
from janiform_plugins.samplers.masked.step import fractions, last_step, step, temperatures
from torch import Tensor


def uniforms_of(logits: Tensor, codes: Tensor) -> Tensor:
    """Uniforms [B, N] that choose the given codes: the middle of their part of the cumulative probabilities."""
    chances = logits.softmax(-1)
    own = chances.gather(-1, codes[..., None])[..., 0]
    return (chances.cumsum(-1).gather(-1, codes[..., None])[..., 0] - own / 2).double()


@given(st.data())
@settings(max_examples=25)
def test_every_step_is_that_of_diffusers(data: st.DataObject) -> None:
    batch, places, vocabulary = (data.draw(st.integers(*bounds)) for bounds in ((1, 3), (2, 40), (2, 17)))
    steps = data.draw(st.integers(2, places))
    schedule = data.draw(st.sampled_from(["cosine", "linear"]))
    first = data.draw(st.sampled_from([0.0, 1.0, 4.5]))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**31)))
    scheduler = AmusedScheduler(mask_token_id=vocabulary, masking_schedule=schedule)
    scheduler.set_timesteps(steps)
    scheduler.temperatures = torch.tensor(list(temperatures(first, steps)))
    sample = torch.full((batch, places), vocabulary)
    codes, hidden = torch.full_like(sample, -1), torch.ones_like(sample, dtype=torch.bool)
    after = fractions(schedule, steps)
    for number, temperature in enumerate(temperatures(first, steps)):
        logits = torch.randn(batch, places, vocabulary, generator=generator) * 2
        state = generator.get_state()
        result = scheduler.step(logits, int(scheduler.timesteps[number]), sample, generator=generator)
        replay = torch.Generator()
        replay.set_state(state)
        drawn = torch.multinomial(logits.softmax(-1).flatten(0, 1), 1, generator=replay).view(batch, places)
        noise = torch.stack((uniforms_of(logits, drawn), torch.rand(batch, places, generator=replay).double()))
        if number + 1 < steps:
            codes, hidden = step(logits, codes, hidden, after[number], temperature, noise)
            assert torch.equal(codes, result.pred_original_sample)
            assert torch.equal(codes.masked_fill(hidden, vocabulary), result.prev_sample)
        else:
            assert torch.equal(last_step(logits, codes, hidden, noise), result.prev_sample)
        sample = result.prev_sample


def test_the_temperature_is_a_running_product() -> None:
    """The figures of Show-o's sampler for 8 steps."""
    assert list(temperatures(1.0, 8))[:3] == [0.875, 0.65625, 0.41015625]
    assert list(temperatures(2.0, 8))[-1] == 0


@pytest.mark.parametrize("schedule", ["cosine", "linear", "square"])
@pytest.mark.parametrize("places", [1, 2, 7, 64, 100])
def test_as_many_places_are_hidden_as_the_schedule_says(schedule: str, places: int) -> None:
    """Fewer in every step, also with as many steps as places; one is left where rounding would leave none."""
    after = fractions(schedule, places)
    hidden, codes = torch.ones(1, places, dtype=torch.bool), torch.full((1, places), -1)
    for number in range(places - 1):
        before = int(hidden.sum())
        logits = torch.randn(1, places, 5, generator=torch.Generator().manual_seed(number))
        noise = torch.rand(2, 1, places, dtype=torch.float64, generator=torch.Generator().manual_seed(number))
        codes, hidden = step(logits, codes, hidden, after[number], 0.0, noise)
        assert 1 <= int(hidden.sum()) <= max(1, before - 1)
        expected = int((places * after[number]).floor())
        assert int(hidden.sum()) == max(1, min(before - 1, expected))


def test_codes_are_sampled_from_the_logits() -> None:
    logits = torch.tensor([0.0, 1.0, -2.0, 0.5]).expand(1, 20_000, 4)
    noise = torch.rand(2, 1, 20_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    codes = last_step(logits, torch.zeros(1, 20_000, dtype=torch.int64), torch.ones(1, 20_000, dtype=torch.bool), noise)
    shares = torch.bincount(codes[0], minlength=4) / 20_000
    assert torch.allclose(shares, logits[0, 0].softmax(-1), atol=0.02)


def test_training_hides_places_as_show_o_does() -> None:
    process, chance = MaskedProcess(), np.random.default_rng(0)
    for places in (1, 2, 16, 64):
        counts, ever = [], np.zeros(places)
        for _ in range(3000):
            hidden = process.corrupt(places, chance).hidden
            assert hidden is not None
            assert hidden.shape == (places,)
            counts.append(int(hidden.sum()))
            ever += hidden
        assert min(counts) >= 1
        ratios = np.cos(np.random.default_rng(1).random(3000) * np.pi / 2)
        assert np.mean(counts) == pytest.approx(np.maximum(1, np.round(ratios * places)).mean(), rel=0.05)
        assert ever.std() / ever.mean() < 0.1
        whole = process.complete(places).hidden
        assert whole is not None
        assert whole.shape == (places,)
        assert not whole.any()
