"""DINOv2 with and without registers, against transformers on random sizes."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from janiform import Features, Grid
from janiform_plugins.encoders.config import DINOV2_PRESETS, Dinov2Config
from janiform_plugins.encoders.dinov2 import Dinov2Encoder
from janiform_plugins.encoders.weights import DINOV2_TOWER
from transformers import Dinov2Config as PlainConfig
from transformers import Dinov2Model, Dinov2WithRegistersConfig, Dinov2WithRegistersModel


def sizes(chance: random.Random, registers: int) -> dict[str, Any]:
    heads, patch, ffn = chance.choice((1, 2, 3)), chance.choice((4, 7)), chance.choice(("mlp", "swiglu"))
    return {
        "image_size": patch * chance.choice((2, 3, 5)) + chance.choice((0, 3)),
        "cut_edges": True,
        "table_size": patch * chance.choice((2, 3, 4)),
        "patch_size": patch,
        "width": heads * 8,
        "layers": chance.choice((1, 2, 3)),
        "heads": heads,
        "eps": chance.choice((1e-6, 1e-3)),
        "registers": registers,
        "ffn": ffn,
    }


def their_model(said: Dinov2Config) -> Any:
    settings = {
        "hidden_size": said.width, "num_hidden_layers": said.layers, "num_attention_heads": said.heads,
        "image_size": said.table_size or said.image_size, "patch_size": said.patch_size, "mlp_ratio": 4,
        "layer_norm_eps": said.eps, "use_swiglu_ffn": said.ffn == "swiglu",
    }  # fmt: skip
    if said.registers:
        return Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**settings, num_register_tokens=said.registers))
    return Dinov2Model(PlainConfig(**settings))


@torch.no_grad()
@pytest.mark.parametrize("registers", [0, 1, 4])
@pytest.mark.parametrize("seed", range(5))
def test_the_features_are_the_patches_of_the_last_state(seed, registers, opened, randomise, assert_exact) -> None:
    said = sizes(random.Random(seed), registers)
    config = Dinov2Config(**said)
    theirs = randomise(their_model(config), seed)
    ours = opened("dinov2", theirs, DINOV2_TOWER, **said)
    pixels = torch.randn(2, 3, config.image_size, config.image_size)
    features = ours(pixels)
    assert features.shape == (2, config.features().tokens, config.width)
    assert_exact(features, theirs(pixels).last_hidden_state[:, 1 + registers :])


def test_the_ports_know_nothing_of_class_token_and_registers() -> None:
    config = Dinov2Config(image_size=24, patch_size=8, width=8, layers=1, heads=2, registers=4)
    assert config.features() == Features(9, 8, Grid(3, 3))
    assert config.transform().mean == (0.485, 0.456, 0.406)
    assert config.transform().std == (0.229, 0.224, 0.225)


def test_the_scales_begin_small() -> None:
    encoder = Dinov2Encoder(Dinov2Config(image_size=8, patch_size=8, width=8, layers=1, heads=2, layer_scale=0.25))
    assert encoder.blocks[0].scale1.tolist() == encoder.blocks[0].scale2.tolist() == [0.25] * 8


# The published numbers of parameters in millions, of which the mask token, which is left out here, is no thousandth.
@pytest.mark.parametrize(("preset", "millions"), [("small", 22.1), ("base", 86.6), ("large", 304.4), ("giant", 1136.5)])
@pytest.mark.parametrize("registers", [0, 4])
def test_the_presets_have_the_tensors_of_the_released_models(preset, millions, registers) -> None:
    config = Dinov2Config(**DINOV2_PRESETS[preset], registers=registers)
    with torch.device("meta"):
        ours, theirs = Dinov2Encoder(config), their_model(config)
    assert round(sum(parameter.numel() for parameter in ours.parameters()) / 1e6, 1) == millions
    masked = sum(parameter.numel() for parameter in theirs.parameters()) - config.width
    assert sum(parameter.numel() for parameter in ours.parameters()) == masked
