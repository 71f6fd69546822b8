"""The released SigLIPs, and the SigLIP 2s of fixed size, which are the same model: against transformers."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import Grid
from janiform_plugins.encoders.config import SIGLIP_PRESETS, SiglipConfig
from janiform_plugins.encoders.siglip import SiglipEncoder
from janiform_plugins.encoders.weights import SIGLIP_TOWER
from janiform_plugins.sinusoidal import sinusoidal_positions
from transformers import SiglipConfig as TheirConfig
from transformers import SiglipModel, SiglipVisionConfig, SiglipVisionModel


def sizes(chance: random.Random) -> dict[str, Any]:
    heads, patch = chance.choice((1, 2, 3)), chance.choice((4, 7))
    return {
        "image_size": patch * chance.choice((2, 3)) + chance.choice((0, 3)),
        "cut_edges": True,
        "patch_size": patch,
        "width": heads * 9,  # so400m has heads of an odd width, 72
        "layers": chance.choice((1, 2, 3)),
        "heads": heads,
        "inner": chance.choice((11, 20)),
        "eps": chance.choice((1e-6, 1e-3)),
        "activation": chance.choice(("gelu", "gelu-tanh")),
    }


def their_config(config: SiglipConfig) -> SiglipVisionConfig:
    """What the files do not say of themselves, as ``gelu_pytorch_tanh``, is left to the defaults of transformers."""
    activation = {"hidden_act": "gelu"} if config.activation == "gelu" else {}
    return SiglipVisionConfig(
        hidden_size=config.width, intermediate_size=config.inner_width, num_hidden_layers=config.layers,
        num_attention_heads=config.heads, image_size=config.image_size, patch_size=config.patch_size,
        layer_norm_eps=config.eps, **activation,
    )  # fmt: skip


@torch.no_grad()
@pytest.mark.parametrize("seed", range(8))
def test_the_features_are_the_last_state(seed, opened, randomise, assert_exact) -> None:
    values = sizes(random.Random(seed))
    config = SiglipConfig(**values)
    reference = randomise(SiglipVisionModel(their_config(config)), seed)
    ours = opened("siglip", reference, SIGLIP_TOWER.below(""), **values)
    pixels = torch.randn(2, 3, config.image_size, config.image_size)
    features = ours(pixels)
    assert features.shape == (2, config.features().tokens, config.width)
    assert_exact(features, reference(pixels).last_hidden_state)


# The paper (arXiv:2502.14786) calls the vision towers 86M, 303M and 400M; positions and rounding are the difference.
@pytest.mark.parametrize(
    ("preset", "tokens", "millions"),
    [("so400m-patch14-980", 4900, 418), ("siglip2-base-patch16-256", 256, 86), ("siglip2-large-patch16-256", 256, 303),
     ("siglip2-large-patch16-384", 576, 303), ("siglip2-so400m-patch14-384", 729, 400),
     ("siglip2-so400m-patch16-384", 576, 400)],
)  # fmt: skip
def test_the_presets_have_the_tensors_of_the_released_models(preset, tokens, millions, assert_covered) -> None:
    config = SiglipConfig(**SIGLIP_PRESETS[preset])
    assert config.features().tokens == tokens
    with torch.device("meta"):
        ours = SiglipEncoder(config)
        whole = SiglipModel(TheirConfig(vision_config=their_config(config).to_dict(), text_config={"vocab_size": 9}))
    assert sum(parameter.numel() for parameter in ours.parameters()) / 1e6 == pytest.approx(millions, rel=0.04)
    assert_covered(ours, SIGLIP_TOWER, {name: tuple(value.shape) for name, value in whole.state_dict().items()})


def test_edges_are_cut_only_where_that_is_said() -> None:
    with pytest.raises(ValueError, match="image_size 384 is not a multiple of patch_size 14"):
        SiglipConfig(image_size=384, patch_size=14)
    with pytest.raises(ValueError, match="image_size 8 is smaller than patch_size 14"):
        SiglipConfig(image_size=8, patch_size=14, cut_edges=True)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(8, 67))
@settings(max_examples=40, derandomize=True)
def test_waves_say_how_far_apart_patches_are(height: int, width: int, channels: int) -> None:
    table = sinusoidal_positions(Grid(height, width), channels)[0]
    assert table.shape == (height * width, channels)
    likeness = (table @ table.T).unflatten(0, (height, width)).unflatten(2, (height, width))
    for row, column in ((0, 0), (height // 2, width - 1)):
        one = likeness[row, column]
        assert one[row, column] == one.max()
        assert (one.flatten().sort().values[:-1] < one.max() - 1e-4).all()
        shift = likeness[0, 0, : height - row, : width - column]
        torch.testing.assert_close(one[row:, column:], shift, atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("seed", range(3))
def test_a_smaller_picture_has_the_positions_of_its_rows_and_columns(seed, randomise) -> None:
    """Row · side + column of the whole table, as in ``siglip_navit.py`` of BAGEL with extrapolated positions."""
    sizes = {"patch_size": 4, "width": 12, "layers": 1, "heads": 2}
    large = randomise(SiglipEncoder(SiglipConfig(**sizes, image_size=20)), seed)
    small = SiglipEncoder(SiglipConfig(**sizes, image_size=12, table_size=20))
    small.load_state_dict(large.state_dict())
    fixed = SiglipEncoder(SiglipConfig(**sizes, image_size=12))
    rows = [row * 5 + column for row in range(3) for column in range(3)]
    fixed.load_state_dict(large.state_dict() | {"pos_embed": large.pos_embed[:, rows]})
    pixels = torch.randn(2, 3, 12, 12)
    assert torch.equal(small(pixels), fixed(pixels))
    with pytest.raises(ValueError, match="table_size 8 is smaller than image_size 12"):
        SiglipConfig(**sizes, image_size=12, table_size=8)


def test_positions_begin_as_they_are_asked_to() -> None:
    sizes = {"image_size": 24, "patch_size": 8, "width": 12, "layers": 0, "heads": 1}
    begun = SiglipEncoder(SiglipConfig(**sizes, positions="waves"))
    assert torch.equal(begun.pos_embed, sinusoidal_positions(Grid(3, 3), 12))
    assert begun.pos_embed.requires_grad
    assert SiglipEncoder(SiglipConfig(**sizes)).pos_embed.abs().max() < 5 * 12**-0.5
