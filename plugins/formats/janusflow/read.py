"""The recipe of a JanusFlow directory, read from its config, preprocessor, processor and tokenizer files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from janiform import Origin, Problem, Recipe, StorageError

from ..janus.parts import read_backbone, recipe_of
from ..janus.settings import CONFIG, MAX_LAYERS, Settings, finish
from ..official.read import layout_of, preprocessing_of, tower

VAE = "sdxl-vae"
"""The folder of the autoencoder, within the model's or beside it: that of stabilityai/sdxl-vae."""

VAE_FILES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")

PATCH = 2
"""Latents along the side of a place: the decoder enlarges the grid once, by 2."""

SAMPLER = {"steps": 30, "guidance": 2.0, "times": "logit-normal"}
"""The README of the release."""

MAX_LEVELS = 12


def vae_folder(folder: Path) -> Path | None:
    """The folder of the autoencoder; None where there is none, so that the model looks only."""
    places = (folder / VAE, folder.absolute().parent / VAE)
    return next((place for place in places if (place / CONFIG).is_file()), None)


def vae_file(vae: Path) -> Path:
    """The file of the autoencoder's weights. Raises ``StorageError`` where it is missing."""
    found = next((vae / name for name in VAE_FILES if (vae / name).is_file()), None)
    if found is None:
        message = f"the autoencoder's folder has no {VAE_FILES[0]}"
        hint = "download it from stabilityai/sdxl-vae"
        raise StorageError(Problem(message, origin=Origin(str(vae / VAE_FILES[0])), hint=hint))
    return found


def read(folder: Path, has_head: bool | None) -> Recipe:
    """Read the recipe. Raises ``StorageError`` with all errors in the files.

    ``has_head``: whether the weights hold a text head; None where they cannot be read.
    """
    config, backbone = read_backbone(folder, "language_config", has_head, tied_in_table=True)
    problems, width = config.problems, backbone["width"]
    encoder = tower(config.table("vision_und_enc_config"))
    layout = layout_of(folder, encoder, backbone["vocabulary"], problems)
    tables: dict[str, Any] = {
        "backbone": {"use": "llama@1", **backbone},
        "text": {"use": "bpe@1"},
        "layout": {"use": "janus@1", **layout, "drawn_marks": False, "lead_marks": True, "hide": True},
        "understanding": {
            "encoder": {"use": "siglip@1", **encoder, **preprocessing_of(folder, encoder, problems)},
            "adapter": {"use": "linear@1", "lead": True},
        },
    }
    inputs, blocks = _encoder(config.table("vision_gen_enc_config"), width)
    out_blocks = _decoder(config.table("vision_gen_dec_config"), width, inputs["width"], inputs["latent"])
    vae = vae_folder(folder)
    if vae is not None:
        latents = _autoencoder(Settings.read(vae / CONFIG, problems), encoder["image_size"], inputs["latent"])
        tables["generation"] = {
            "tokenizer": {"use": "kl@1", **latents, "patch": PATCH, "order": "cpq"},
            "embedding": {
                "use": "uvit@1", "width": inputs["width"], "frequencies": inputs["width"], "blocks": blocks,
                "patch": PATCH,
            },
            "adapter": {"use": "identity@1"},
            "head": {"use": "uvit@1", "width": inputs["width"], "blocks": out_blocks, "eps": backbone["eps"]},
            "sampler": {"use": "flow@1", **SAMPLER},
        }  # fmt: skip
    finish(problems)
    description = "JanusFlow, from a directory of its release."
    return recipe_of("janusflow", description, tables, folder, lambda path: _origin(folder, vae, path))


def _origin(folder: Path, vae: Path | None, path: str) -> Origin:
    """The file of a setting: a config for sizes, else the folder."""
    if path.startswith("generation.tokenizer.") and vae is not None:
        return Origin(str(vae / CONFIG))
    sizes = path.startswith(("backbone.", "understanding.encoder.", "generation.")) and not path.endswith(".use")
    return Origin(str(folder / CONFIG if sizes else folder))


def _encoder(table: Settings, hidden: int) -> tuple[dict[str, int], int]:
    """Width and channels of the U-ViT's encoder, and the number of its blocks."""
    table.only("cls", "ShallowUViTEncoder", default="ShallowUViTEncoder")
    params = table.table("params")
    _plain(params, hidden)
    params.only("kernel_size", PATCH, default=7)
    params.only("stride", PATCH, default=4)
    params.only("padding", 0, None, default=None)
    widths = params.counts("block_out_channels", (768,), 1)
    sizes = {"width": widths[0], "latent": params.count("input_channels", 3)}
    if widths[0] % 2:
        params.wrong("block_out_channels", f"is {list(widths)}, but sines and cosines of the time need an even width")
    return sizes, params.count("layers_in_middle", 2, MAX_LAYERS)


def _decoder(table: Settings, hidden: int, width: int, channels: int) -> int:
    """The number of blocks of the U-ViT's decoder."""
    table.only("cls", "ShallowUViTDecoder", default="ShallowUViTDecoder")
    params = table.table("params")
    _plain(params, hidden)
    params.only("upsamples", 1, default=2)
    encoder = "vision_gen_enc_config.params"
    params.equal("in_channels", width, f"{encoder}.block_out_channels")
    params.equal("out_channels", channels, f"{encoder}.input_channels")
    widths = params.counts("block_out_channels", (768,), 1)
    if widths != (width,):
        params.wrong("block_out_channels", f"is {list(widths)}, but {encoder}.block_out_channels is {[width]}")
    return params.count("layers_in_middle", 2, MAX_LAYERS)


def _plain(params: Settings, hidden: int) -> None:
    """What is the same in all of the U-ViT."""
    for name in ("elementwise_affine", "use_bias", "use_mid_block"):
        params.only(name, True, default=True)
    params.only("norm_eps", 1e-6, default=1e-6)
    params.equal("hidden_size", hidden, "language_config.hidden_size")
    if "hidden_size" not in params and hidden != 2048:
        params.wrong("hidden_size", f"is 2048 by default, but language_config.hidden_size is {hidden}")


def _autoencoder(table: Settings, image_size: int, channels: int) -> Mapping[str, Any]:
    """Settings of the autoencoder from its config of diffusers, for pictures of the encoder's size."""
    table.only("_class_name", "AutoencoderKL", default="AutoencoderKL")
    for name, only in (("act_fn", "silu"), ("in_channels", 3), ("out_channels", 3), ("mid_block_add_attention", True)):
        table.only(name, only, default=only)
    table.equal("latent_channels", channels, "vision_gen_enc_config.params.input_channels of the model")
    widths = table.counts("block_out_channels", (128, 256, 512, 512), MAX_LEVELS)
    base = widths[0]
    if any(width % base for width in widths):
        table.wrong("block_out_channels", f"is {list(widths)}, which are not multiples of the first")
    factor = PATCH << (len(widths) - 1)
    if image_size % factor:
        table.wrong("block_out_channels", f"has {len(widths)} levels, but image_size {image_size} is not a multiple of "
                    f"{factor}")  # fmt: skip
    return {
        "image_size": image_size,
        "channels": base,
        "multipliers": [width // base for width in widths],
        "blocks": table.count("layers_per_block", 2, MAX_LAYERS),
        "latent": channels,
        "groups": table.count("norm_num_groups", 32),
        "scale": table.number("scaling_factor", 0.13025),
        "sampled": True,
    }
