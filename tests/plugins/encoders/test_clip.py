"""CLIP's vision transformer, against transformers on random sizes, and the layers that it is seen after."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from janiform import Features, Grid
from janiform_plugins.encoders.clip import ClipEncoder
from janiform_plugins.encoders.config import CLIP_PRESETS, ClipConfig
from janiform_plugins.encoders.weights import clip_tower
from transformers import CLIPConfig as TheirConfig
from transformers import CLIPModel, CLIPVisionConfig, CLIPVisionModel

ACTIVATIONS = {"quick-gelu": "quick_gelu", "gelu": "gelu", "gelu-tanh": "gelu_pytorch_tanh"}


def sizes(chance: random.Random) -> dict[str, Any]:
    heads, patch, layers = chance.choice((1, 2, 3)), chance.choice((4, 8)), chance.choice((1, 2, 4))
    return {
        "image_size": patch * chance.choice((2, 3, 5)) + chance.choice((0, 3)),
        "cut_edges": True,
        "table_size": patch * chance.choice((2, 3, 4)),
        "patch_size": patch,
        "width": heads * 8,
        "layers": layers,
        "heads": heads,
        "inner": chance.choice((12, 20)),
        "eps": chance.choice((1e-5, 1e-3)),
        "layer": chance.randint(-layers - 1, layers),
        "activation": chance.choice(tuple(ACTIVATIONS)),
    }


def their_config(said: ClipConfig) -> CLIPVisionConfig:
    return CLIPVisionConfig(
        hidden_size=said.width, intermediate_size=said.inner_width, num_hidden_layers=said.layers,
        num_attention_heads=said.heads, image_size=said.table_size or said.image_size, patch_size=said.patch_size,
        hidden_act=ACTIVATIONS[said.activation], layer_norm_eps=said.eps,
    )  # fmt: skip


@torch.no_grad()
@pytest.mark.parametrize("seed", range(10))
def test_the_patches_are_those_of_a_hidden_state(seed, opened, randomise, assert_exact) -> None:
    said = sizes(random.Random(seed))
    config = ClipConfig(**said)
    theirs = randomise(CLIPVisionModel(their_config(config)), seed)
    ours = opened("clip", theirs, clip_tower(config).below(""), **said)
    pixels = torch.randn(2, 3, config.image_size, config.image_size)
    states = theirs(pixels, output_hidden_states=True, interpolate_pos_encoding=True).hidden_states
    assert_exact(ours(pixels), states[config.layer][:, 1:])


def test_the_last_but_one_is_taken_where_nothing_is_said() -> None:
    config = ClipConfig(image_size=16, patch_size=8, width=8, layers=3, heads=2)
    assert config.features() == Features(4, 8, Grid(2, 2))
    assert len(ClipEncoder(config).blocks) == 2
    assert [ClipConfig(layers=3, layer=layer).depth for layer in (-4, -1, 0, 1, 3)] == [0, 3, 0, 1, 3]
    for layer in (-5, 4):
        with pytest.raises(ValueError, match=f"layer {layer} is none of 3 layers: -4 to 3"):
            ClipConfig(layers=3, layer=layer)


def test_pictures_are_normalised_as_clip_does() -> None:
    transform = ClipConfig().transform()
    assert transform.mean == (0.48145466, 0.4578275, 0.40821073)
    assert transform.std == (0.26862954, 0.26130258, 0.27577711)


def test_a_table_of_another_size_is_whole_patches() -> None:
    with pytest.raises(ValueError, match="table_size 30 is not a multiple of patch_size 8"):
        ClipConfig(image_size=16, patch_size=8, table_size=30)


# Parameters of the released vision towers without their projections, in millions, as their model cards have them.
@pytest.mark.parametrize(
    ("preset", "tokens", "millions"),
    [("base-patch32", 49, 87.5), ("base-patch16", 196, 85.8), ("large-patch14", 256, 303.2),
     ("large-patch14-336", 576, 303.5)],
)  # fmt: skip
def test_the_presets_have_the_tensors_of_the_released_models(preset, tokens, millions, assert_covered) -> None:
    config = ClipConfig(**CLIP_PRESETS[preset])
    assert config.features().tokens == tokens
    with torch.device("meta"):
        ours = ClipEncoder(config)
        whole = CLIPModel(
            TheirConfig(vision_config=their_config(config).to_dict(), text_config={"num_hidden_layers": 1})
        )
    tower = whole.vision_model
    assert round(sum(parameter.numel() for parameter in tower.parameters()) / 1e6, 1) == millions
    assert_covered(ours, clip_tower(config), {name: tuple(t.shape) for name, t in whole.state_dict().items()})
