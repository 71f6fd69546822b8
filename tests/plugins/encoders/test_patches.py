"""Patches without an encoder, against Fuyu's own cutting and linear map, and against a convolution."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from janiform import Features, Grid
from janiform_plugins.encoders.config import PatchesConfig
from janiform_plugins.encoders.patches import PatchEncoder, patches_of
from janiform_plugins.encoders.weights import FUYU_PATCHES
from safetensors.torch import save_file
from torch.nn.functional import conv2d
from transformers import FuyuConfig, FuyuModel
from transformers.image_utils import SizeDict
from transformers.models.fuyu.image_processing_pil_fuyu import FuyuImageProcessorPil

sizes = st.integers(1, 4)


def cut_by_fuyu(pixels: torch.Tensor, side: int) -> torch.Tensor:
    return torch.from_numpy(FuyuImageProcessorPil().patchify_image(pixels.numpy(), SizeDict(height=side, width=side)))


@given(sizes, sizes, sizes)
def test_a_patch_is_cut_as_fuyu_cuts_it(side: int, rows: int, columns: int) -> None:
    pixels = torch.randn(2, 3, rows * side, columns * side)
    assert torch.equal(patches_of(pixels, side), cut_by_fuyu(pixels, side))


@torch.no_grad()
@pytest.mark.parametrize("positions", [False, True])
def test_the_features_are_one_linear_map(positions, opened, randomise, assert_exact) -> None:
    theirs = FuyuModel(
        FuyuConfig(
            patch_size=4,
            text_config={"model_type": "persimmon", "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
                         "num_attention_heads": 2, "vocab_size": 10, "pad_token_id": 0},
        )
    )  # fmt: skip
    linear = randomise(theirs, 0).vision_embed_tokens
    ours = opened("patches", _Only(linear), FUYU_PATCHES, image_size=12, patch_size=4, width=8, positions=positions)
    pixels = torch.randn(2, 3, 12, 12)
    expected = linear(cut_by_fuyu(pixels, 4))
    if positions:
        expected = expected.unflatten(1, (3, 3)) + ours.row_embed[:, None] + ours.column_embed[None]
        expected = expected.flatten(1, 2)
    assert_exact(ours(pixels), expected)
    kernel = ours.patch_embed.weight.unflatten(1, (4, 4, 3)).permute(0, 3, 1, 2)
    alone = conv2d(pixels, kernel, ours.patch_embed.bias, stride=4).flatten(2).transpose(1, 2)
    assert_exact(linear(patches_of(pixels, 4)), alone)


class _Only:
    """A directory with Fuyu's linear map, and without its language model, which is another part's."""

    def __init__(self, linear: torch.nn.Module) -> None:
        self.tensors = {f"vision_embed_tokens.{name}": value for name, value in linear.state_dict().items()}

    def save_pretrained(self, folder: Path) -> None:
        save_file(self.tensors, folder / "model.safetensors")


def test_the_ports_follow_the_sizes() -> None:
    config = PatchesConfig(image_size=24, patch_size=8, width=5)
    assert config.features() == Features(9, 5, Grid(3, 3))
    assert PatchEncoder(config)(torch.randn(1, 3, 24, 24)).shape == (1, 9, 5)
    with pytest.raises(ValueError, match="image_size 30 is not a multiple of patch_size 8"):
        PatchesConfig(image_size=30, patch_size=8)


def test_positions_tell_patches_apart() -> None:
    config = PatchesConfig(image_size=16, patch_size=8, width=5, positions=True)
    features = PatchEncoder(config)(torch.zeros(1, 3, 16, 16))[0]
    assert len({tuple(row.tolist()) for row in features}) == 4
