"""Show-o's tokenizer: codes and pixels are those of its published structure written out."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from janiform import Codes, Grid, StorageError
from janiform_plugins.tokenizers.lfq import LfqQuantizer
from janiform_plugins.tokenizers.magvit2.config import MAGVIT2_PRESETS, Magvit2Config
from janiform_plugins.tokenizers.magvit2.tokenizer import Magvit2Tokenizer
from janiform_plugins.tokenizers.weights import show_o
from safetensors.torch import save_file
from torch import Tensor

from .published_vqgan import PublishedVqgan

SIZES = [
    {"image_size": 16, "multipliers": (1, 2), "blocks": (2, 1), "decoder_multipliers": (2, 1), "decoder_blocks": (1, 3),
     "bits": 5},
    {"image_size": 24, "multipliers": (1, 2, 1), "blocks": (1, 2, 3), "decoder_multipliers": (1, 1, 2),
     "decoder_blocks": (2, 1, 1), "bits": 7},
]  # fmt: skip
SMALL = SIZES[0] | {"channels": 8, "groups": 2}


def released(config: Magvit2Config, randomise: Any) -> dict[str, Tensor]:
    """Random tensors under the names of Show-o, with those that its quantiser has."""
    ours = randomise(Magvit2Tokenizer(config), 0).state_dict()
    named = {show_o(config).in_files(name)[0]: tensor.contiguous() for name, tensor in ours.items()}
    bits = torch.arange(config.bits - 1, -1, -1)
    codes = torch.arange(1 << config.bits)
    return named | {"quantize.embedding": (codes[:, None] >> bits & 1) * 2.0 - 1, "quantize.power_vals": 2**bits}


def twin(tensors: dict[str, Tensor], config: Magvit2Config) -> PublishedVqgan:
    return PublishedVqgan(tensors, encoder=config.blocks, decoder=config.decoder_blocks)


@pytest.mark.parametrize("sizes", SIZES)
def test_a_released_tokenizer_gives_the_same_codes_and_pixels(
    sizes: dict[str, Any], started: Any, randomise: Any, tmp_path: Path
) -> None:
    config = Magvit2Config(**sizes, channels=32)
    tensors = released(config, randomise)
    tensors["encoder.quant_conv.bias"] -= tensors["encoder.quant_conv.bias"].mean()
    save_file(tensors, tmp_path / "model.safetensors")
    ours = started("magvit2", tmp_path, **sizes, channels=32)
    theirs = twin({name: tensor.double() for name, tensor in tensors.items()}, config)
    side = config.image_size
    pixels = torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 - 1
    with torch.no_grad():
        latents = theirs.conv("encoder.quant_conv", theirs.encode(pixels))
        expected = (tensors["quantize.power_vals"][:, None, None] * (latents > 0)).sum(dim=1).flatten(1)
        assert torch.equal(ours.encode(pixels)[..., 0], expected)
        codes = torch.randint(1 << config.bits, (3, config.codes().tokens, 1))
        vectors = tensors["quantize.embedding"][codes[..., 0]]
        assert torch.equal(ours.vectors(codes), vectors)
        grid = config.codes().grid
        vectors = vectors.double().transpose(1, 2).unflatten(2, (grid.height, grid.width))
        pictures = theirs.decode(vectors, "decoder.post_quant_conv")
        torch.testing.assert_close(ours.decode(codes), pictures, rtol=1e-9, atol=1e-9)
    assert not [name for name in theirs.left if not name.startswith("quantize.")]


@given(bits=st.integers(1, 9), seed=st.integers(0, 99))
def test_the_first_channel_is_the_highest_bit(bits: int, seed: int) -> None:
    quantize = LfqQuantizer(bits, highest_first=True)
    corners = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=bits)))
    assert torch.equal(quantize.look_up(torch.arange(1 << bits)), corners)
    vectors = torch.randn(40, bits, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(quantize(vectors), torch.cdist(vectors, corners).argmin(dim=-1))


def test_the_presets_have_the_shapes_of_show_o() -> None:
    config = Magvit2Config(**MAGVIT2_PRESETS["show-o-512"])
    assert config.codes() == Codes(vocabulary=8192, grid=Grid(32, 32), width=13)
    assert Magvit2Config(**MAGVIT2_PRESETS["show-o-256"]).codes().grid == Grid(16, 16)
    with torch.device("meta"):
        ours = Magvit2Tokenizer(config)
        theirs = twin({show_o(config).in_files(name)[0]: tensor for name, tensor in ours.state_dict().items()}, config)
        assert theirs.conv("encoder.quant_conv", theirs.encode(torch.empty(1, 3, 512, 512))).shape == (1, 13, 32, 32)
        assert theirs.decode(torch.empty(1, 13, 32, 32), "decoder.post_quant_conv").shape == (1, 3, 512, 512)
        assert not theirs.left
        codes = ours.encode(torch.empty(1, 3, 512, 512))
        assert codes.shape == (1, 1024, 1)
        assert ours.decode(codes).shape == (1, 3, 512, 512)


def test_a_tokenizer_with_other_blocks_is_refused(started: Any, randomise: Any, tmp_path: Path) -> None:
    config = Magvit2Config(**SIZES[0], channels=32)
    save_file(released(config, randomise), tmp_path / "model.safetensors")
    with pytest.raises(StorageError, match=r"the files lack encoder\.down\.1\.block\.1\.norm1\.weight"):
        started("magvit2", tmp_path, **SIZES[0] | {"blocks": (2, 2)}, channels=32)


def test_it_learns() -> None:
    torch.manual_seed(0)
    model = Magvit2Tokenizer(Magvit2Config(**SMALL)).train()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    colours = torch.eye(3)[:, :, None, None].expand(3, 3, 16, 16) * 1.6 - 0.8
    errors = []
    for _ in range(40):
        with torch.autocast("cpu", torch.bfloat16):
            losses, figures = model.losses(colours)
        assert losses.keys() == {"l2", "commitment", "entropy"}
        errors.append(figures["l2"].item())
        sum(loss.mean for loss in losses.values()).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert errors[-1] < 0.3 * errors[0]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"blocks": (1, 2, 3)}, "blocks has 3 values; it needs 2, one per level of multipliers"),
        ({"decoder_multipliers": (1,)}, "decoder_multipliers has 1 values; it needs 2"),
        ({"decoder_blocks": (1, 0)}, "decoder_blocks"),
        ({"image_size": 17}, "image_size 17 is not a multiple of 2"),
        ({"channels": 9}, "channels 9 is not a multiple of groups 2"),
        ({"bits": 25}, "bits"),
    ],
)
def test_impossible_sizes_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Magvit2Config(**SMALL | settings)
