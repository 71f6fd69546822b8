"""Taming's VQGAN: codes are those of transformers' Chameleon, pixels those of the published decoder written out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from janiform import StorageError, registry
from janiform_plugins.tokenizers.config import TAMING_PRESETS, TamingConfig
from janiform_plugins.tokenizers.taming import TamingTokenizer
from janiform_plugins.tokenizers.weights import chameleon, taming
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import normalize
from transformers import ChameleonVQVAEConfig
from transformers.models.chameleon.modeling_chameleon import ChameleonVQVAE

from .published_vqgan import PublishedVqgan

SIZES = [
    {"image_size": 16, "multipliers": (1, 2), "blocks": 1, "latent": 6, "code_width": 5, "attention_sides": (8,)},
    {"image_size": 24, "multipliers": (1, 1, 2), "blocks": 2, "latent": 4, "code_width": 4, "attention_sides": ()},
    {"image_size": 24, "multipliers": (2, 1), "blocks": 2, "latent": 5, "code_width": 7, "attention_sides": (24, 12)},
]
COMMON = {"channels": 32, "vocabulary": 40}


def reference(settings: dict[str, Any], randomise: Any, seed: int) -> ChameleonVQVAE:
    config = ChameleonVQVAEConfig(
        embed_dim=settings["code_width"],
        num_embeddings=settings["vocabulary"],
        latent_channels=settings["latent"],
        resolution=settings["image_size"],
        base_channels=settings["channels"],
        channel_multiplier=list(settings["multipliers"]),
        num_res_blocks=settings["blocks"],
        attn_resolutions=list(settings["attention_sides"]),
    )
    return randomise(ChameleonVQVAE(config), seed)


def twin(tensors: dict[str, Tensor], config: TamingConfig) -> PublishedVqgan:
    blocks = [config.blocks + 1] * len(config.multipliers)
    return PublishedVqgan(tensors, decoder=blocks, sides=[config.image_size >> i for i in range(len(blocks))],
                          attended=config.attention_sides)  # fmt: skip


def released(settings: dict[str, Any], randomise: Any, seed: int) -> dict[str, Tensor]:
    """Random tensors under the names of taming-transformers, the decoder's by the names that ours map to."""
    config = TamingConfig(**settings)
    tensors = dict(reference(settings, randomise, seed).state_dict())
    ours = randomise(TamingTokenizer(config), seed + 1)
    for name, tensor in ours.state_dict().items():
        if name.startswith("decoder."):
            (file_name,) = taming(config).in_files(name) or ()
            tensors[file_name] = tensor
    return {name: tensor.contiguous().clone() for name, tensor in tensors.items()}


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("lightning", [False, True])
def test_a_released_vqgan_gives_the_same_codes_and_pixels(
    sizes: dict[str, Any], lightning: bool, started: Any, randomise: Any, spread: Any, tmp_path: Path
) -> None:
    settings, seed = COMMON | sizes, sum(sizes["multipliers"]) + sizes["blocks"]
    tensors = released(settings, randomise, seed)
    theirs = reference(settings, randomise, seed).double()
    side = settings["image_size"]
    pixels = torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1
    latents = theirs.quant_conv(theirs.encoder(pixels)).movedim(1, -1)
    book = tensors["quantize.embedding.weight"]
    spread(book, latents, seed)
    theirs.quantize.embedding.weight.data.copy_(book)
    if lightning:
        torch.save({"epoch": 3, "state_dict": tensors | {"loss.logvar": torch.zeros(())}}, tmp_path / "vqgan.ckpt")
    else:
        save_file(tensors, tmp_path / "model.safetensors")

    ours = started("taming", tmp_path, **settings)
    with torch.no_grad():
        codes = ours.encode(pixels)
        assert torch.equal(codes.flatten(), theirs.encode(pixels).image_tokens)
        assert len(codes.unique()) > 4
        config = TamingConfig(**settings)
        decoder = twin({name: tensor.double() for name, tensor in tensors.items()}, config)
        vectors = book.double()[codes[..., 0]].transpose(1, 2).unflatten(2, (config.grid.height, config.grid.width))
        torch.testing.assert_close(ours.decode(codes), decoder.decode(vectors), rtol=1e-9, atol=1e-9)
    assert not [name for name in decoder.left if name.startswith(("decoder.", "post_quant"))]


def test_the_preset_has_the_shapes_of_chameleon() -> None:
    config = TamingConfig(**TAMING_PRESETS["chameleon"])
    with torch.device("meta"):
        ours, theirs = TamingTokenizer(config), ChameleonVQVAE(ChameleonVQVAEConfig())
    keys = chameleon(config)
    tensors = {name: tensor for name, tensor in ours.state_dict().items() if not keys.is_own(name)}
    shapes = {piece.name: piece.shape for name, value in tensors.items() for piece in keys.pieces(name, value.shape)}
    assert shapes == {f"model.vqmodel.{name}": tuple(value.shape) for name, value in theirs.state_dict().items()}
    of_taming = {taming(config).in_files(name)[0]: tensor for name, tensor in ours.state_dict().items()}
    decoder = twin(of_taming, config)
    assert decoder.decode(torch.empty(1, 256, 32, 32, device="meta")).shape == (1, 3, 512, 512)
    assert not [name for name in decoder.left if name.startswith("decoder.")]
    codes = ours.encode(torch.empty(2, 3, 512, 512, device="meta"))
    assert codes.shape == (2, 1024, 1)
    assert ours.decode(codes).shape == (2, 3, 512, 512)
    assert sum(parameter.numel() for parameter in ours.parameters()) == 68_718_467


def test_chameleons_directory_in_transformers_has_no_decoder(started: Any, randomise: Any, tmp_path: Path) -> None:
    settings = COMMON | SIZES[0]
    theirs = reference(settings, randomise, 0)
    save_file({f"model.vqmodel.{name}": t for name, t in theirs.state_dict().items()}, tmp_path / "model.safetensors")
    with pytest.raises(StorageError, match=r"the files lack model\.vqmodel\.decoder\.conv_in\.weight"):
        started("taming", tmp_path, **settings)
    (tmp_path / "config.json").write_text('{"model_type": "emu3_vqgan"}')
    with pytest.raises(StorageError, match="'emu3_vqgan'; this tokenizer takes 'chameleon_vqgan'"):
        started("taming", tmp_path, **settings)
    keys = chameleon(TamingConfig(**settings))
    assert keys.is_own("decoder.conv_in.weight")
    assert not keys.is_own("encoder.conv_in.weight")


def test_losses_are_their_formulas_on_vectors_of_any_length() -> None:
    torch.manual_seed(0)
    config = TamingConfig(**COMMON | SIZES[0], l1=0.5, l2=2.0, codebook=3.0, commitment=0.25)
    model = TamingTokenizer(config)
    torch.nn.init.normal_(model.quantize.embedding.weight)
    pixels = torch.rand(3, 3, 16, 16) * 2 - 1
    losses, figures = model.losses(pixels)
    latents = model.quant_conv(model.encoder(pixels)).permute(0, 2, 3, 1).flatten(0, 2)
    book = model.quantize.embedding.weight
    codes = torch.cdist(latents, book).argmin(dim=-1)
    assert not torch.equal(codes, torch.cdist(normalize(latents, dim=-1), normalize(book, dim=-1)).argmin(dim=-1))
    error = model.decode(codes.view(3, -1, 1)) - pixels
    apart = (book[codes] - latents).square().mean()
    expected = {
        "codebook": 3.0 * apart,
        "commitment": 0.25 * apart,
        "l1": 0.5 * error.abs().mean(),
        "l2": 2.0 * error.square().mean(),
    }
    assert losses.keys() == expected.keys()
    for name, loss in losses.items():
        assert loss.count == 3
        torch.testing.assert_close(loss.mean, expected[name], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(figures["usage"], torch.tensor(len(codes.unique()) / 40))


def test_it_learns_and_idle_codes_move() -> None:
    torch.manual_seed(0)
    settings = SIZES[0] | {"channels": 8, "groups": 2, "vocabulary": 16, "reseed": 20, "attention_sides": ()}
    model = TamingTokenizer(TamingConfig(**settings)).train()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    colours = torch.eye(3)[:, :, None, None].expand(3, 3, 16, 16) * 1.6 - 0.8
    errors = []
    for _ in range(40):
        with torch.autocast("cpu", torch.bfloat16):
            losses, figures = model.losses(colours)
        errors.append(figures["l2"].item())
        sum(loss.mean for loss in losses.values()).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert errors[-1] < 0.1 * errors[0]


def chameleon_pixels(picture: Image.Image, size: int) -> Tensor:
    """Chameleon's transform of an opaque picture, as it is published, in float64."""
    scale = size / min(picture.size)
    scaled = picture.resize((round(scale * picture.width), round(scale * picture.height)), Image.Resampling.LANCZOS)
    left, top = (scaled.width - size) // 2, (scaled.height - size) // 2
    cut = scaled.crop((left, top, left + size, top + size))
    levels = torch.frombuffer(bytearray(cut.tobytes()), dtype=torch.uint8).view(size, size, 3).double()
    return (levels / 255 * 2 - 1).permute(2, 0, 1)


@given(width=st.integers(1, 90), height=st.integers(1, 90), size=st.sampled_from((8, 31, 64)))
def test_pictures_are_transformed_as_in_chameleon(width: int, height: int, size: int) -> None:
    picture = Image.effect_noise((width, height), 90).convert("RGB")
    if max(width, height) > 16 * min(width, height):
        return
    transform = attrs.evolve(TamingConfig().transform(), height=size, width=size)
    given_pixels = transform(picture)
    assert given_pixels.dtype == torch.float32
    torch.testing.assert_close(given_pixels.double(), chameleon_pixels(picture, size), rtol=0, atol=2e-7)


def test_the_preset_transforms_to_its_size() -> None:
    config = registry().find("tokenizer", "taming").config(**TAMING_PRESETS["chameleon"])
    assert config.transform()(Image.new("RGB", (700, 400))).shape == (3, 512, 512)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"image_size": 17}, "image_size 17 is not a multiple of 2"),
        ({"attention_sides": (8, 5)}, "attention_sides has 5, but the levels have sides of 16, 8 positions"),
        ({"vocabulary": 1}, "vocabulary"),
        ({"code_width": 0}, "code_width"),
    ],
)
def test_impossible_sizes_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        TamingConfig(**COMMON | SIZES[0] | settings)
