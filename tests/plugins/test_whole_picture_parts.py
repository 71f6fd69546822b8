"""Embedding ``patches`` and head ``values`` compute what diffusers, BAGEL and the formulas of the papers do."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.embeddings import TimestepEmbedding, Timesteps, get_2d_sincos_pos_embed
from janiform import Codes, ComponentError, Corrupted, Grid, Hidden, Latents, PortMismatch, Values
from janiform_plugins.embeddings.config import PatchesConfig
from janiform_plugins.embeddings.patches import PatchEmbedding
from janiform_plugins.embeddings.time import time_waves
from janiform_plugins.heads.config import ValuesHeadConfig
from janiform_plugins.heads.values import ValuesHead
from janiform_plugins.sinusoidal import grid_waves

LATENTS = Latents(Grid(3, 2), 5)


def hidden(width: int) -> Hidden:
    return Hidden(width, 64, 128, 2, 2, 8)


def embedding(width: int = 8, **settings: Any) -> PatchEmbedding:
    torch.manual_seed(0)
    return PatchEmbedding(PatchesConfig(**settings), LATENTS, hidden(width)).eval()


@pytest.mark.parametrize("seed", range(4))
def test_times_are_embedded_as_in_diffusers(seed: int) -> None:
    chance = random.Random(seed)
    frequencies, width = 2 * chance.randrange(1, 40), 4 * chance.randrange(1, 8)
    order = ("cos-sin", "sin-cos")[seed % 2]
    waves = Timesteps(frequencies, flip_sin_to_cos=order == "cos-sin", downscale_freq_shift=0)
    times = torch.rand(5)
    assert torch.allclose(time_waves(times * 1000, frequencies, order), waves(times * 1000), atol=1e-4)
    part = embedding(width, frequencies=frequencies, order=order, time="lead")
    theirs = TimestepEmbedding(frequencies, width)
    theirs.linear_1.load_state_dict(part.time.into.state_dict())
    theirs.linear_2.load_state_dict(part.time.out.state_dict())
    vectors = part(torch.zeros(5, 6, 5), 0, Corrupted(times))
    assert vectors.shape == (5, 7, width)
    assert torch.allclose(vectors[:, 0], theirs(waves(times * 1000)), atol=1e-4)


def test_the_time_stands_before_the_places_or_is_added_to_them() -> None:
    x, times = torch.randn(2, 6, 5), Corrupted(torch.tensor([0.25, 0.75]))
    lead, add, none = (embedding(time=time) for time in ("lead", "add", "none"))
    assert PatchesConfig(time="lead").embed(LATENTS, hidden(8)).lead == 1
    assert torch.equal(add.project.weight, lead.project.weight)
    vectors = lead(x, 0, times)
    assert torch.allclose(vectors[:, 1:], none(x, 0, times), atol=1e-6)
    assert torch.allclose(add(x, 0, times), vectors[:, 1:] + vectors[:, :1], atol=1e-6)


@pytest.mark.parametrize("data_at", [0.0, 1.0])
def test_complete_pictures_have_the_time_of_data(data_at: float) -> None:
    part, x = embedding(data_at=data_at), torch.randn(2, 6, 5)
    assert torch.equal(part(x), part(x, 0, Corrupted(torch.full((2,), data_at))))
    assert not torch.allclose(part(x), part(x, 0, Corrupted(torch.full((2,), 1 - data_at))))


@pytest.mark.parametrize("side", [3, 8])
def test_waves_are_those_of_bagel(side: int) -> None:
    """BAGEL's ``get_2d_sincos_pos_embed`` is that of MAE, which diffusers has as well."""
    theirs = get_2d_sincos_pos_embed(24, side, interpolation_scale=1.0, base_size=side, output_type="pt")
    assert torch.allclose(
        grid_waves(Grid(side, side), 24, torch.device("cpu")), torch.as_tensor(theirs).float(), atol=1e-5
    )
    row, column, width = 1, 2, 24
    rates = 1 / 10_000 ** (np.arange(width // 4) / (width / 4))
    expected = np.concatenate([f(place * rates) for place in (column, row) for f in (np.sin, np.cos)])
    waves = grid_waves(Grid(3, 4), width, torch.device("cpu"))[row * 4 + column]
    assert np.allclose(waves.numpy(), expected, atol=1e-6)


def test_positions_count_from_the_first_place() -> None:
    for positions in ("waves", "learned"):
        part, x = embedding(positions=positions, time="none"), torch.randn(2, 6, 5)
        whole = part(x)
        assert torch.allclose(part(x[:, 2:4], 2), whole[:, 2:4], atol=1e-6)
        assert not torch.allclose(part(x[:, 2:4], 0), whole[:, 2:4], atol=1e-3)


def test_hidden_places_have_a_learned_vector() -> None:
    places = torch.tensor([[True, False, True, False, False, False]])
    part, x = embedding(mask=True, time="none"), torch.randn(1, 6, 5)
    vectors = part(x, 0, Corrupted(None, places))
    assert torch.equal(vectors[0, 0], part.masked)
    assert torch.equal(vectors[0, 2], part.masked)
    assert torch.equal(vectors[~places], part(x)[~places])
    with pytest.raises(ComponentError, match="set its 'mask' to true"):
        embedding()(x, 0, Corrupted(None, places))


@pytest.mark.parametrize("norm", ["none", "rms", "layer"])
def test_the_head_reads_the_last_states_and_has_their_mean_squared_error(norm: str) -> None:
    torch.manual_seed(1)
    head = ValuesHead(ValuesHeadConfig(norm=norm, layers=2), hidden(8), LATENTS)  # type: ignore[arg-type]
    states, target = torch.randn(3, 7, 8), torch.randn(3, 6, 5)
    nothing = Corrupted()
    predicted = head(states, target, nothing)
    assert torch.equal(predicted, head(states[:, 1:], target, nothing))
    loss = head.loss(states, target, nothing, target + 1)
    assert loss.total.item() == pytest.approx(
        sum(
            (predicted[n, place] - target[n, place] - 1).square().mean().item() for n in range(3) for place in range(6)
        ),
        rel=1e-5,
    )
    assert int(loss.count) == 18
    half = head.bfloat16().loss(states.bfloat16(), target, nothing, target)
    assert half.total.dtype == torch.float32


def test_ports_that_do_not_fit_are_refused() -> None:
    codes = Codes(8, Grid(2, 2), 4)
    with pytest.raises(PortMismatch, match="'patches' needs latents, but its source is codes"):
        PatchesConfig().embed(codes, hidden(8))
    with pytest.raises(PortMismatch, match="'values' predicts latents, but is given codes"):
        ValuesHeadConfig().predict(hidden(8), codes)
    with pytest.raises(PortMismatch, match="multiple of 4, but the backbone has 6"):
        PatchesConfig(positions="waves").embed(LATENTS, hidden(6))
    assert ValuesHeadConfig(of="noise").predict(hidden(8), LATENTS) == Values(6, 5, "noise")
    with pytest.raises(ValueError, match="frequencies 3 is not an even number above 0"):
        PatchesConfig(frequencies=3)
