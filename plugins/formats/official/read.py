"""The recipe of an official Janus directory, read from its config, preprocessor, processor and tokenizer files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from janiform import Problem, Recipe

from ..janus.parts import janus, preprocessing, read_backbone
from ..janus.settings import MAX_LAYERS, Settings, finish
from ..janus.tokens import Tokenizer

TOWERS = {
    "siglip_large_patch16_384": {"image_size": 384, "patch_size": 16, "width": 1024, "layers": 24, "heads": 16},
}
"""``vision_config.params.model_name`` -> sizes, which other ``params`` override."""

TOKENIZERS = {
    "VQ-16": {"ch": 128, "ch_mult": (1, 1, 2, 2, 4), "num_res_blocks": 2, "z_channels": 256},
    "VQ-8": {"ch": 128, "ch_mult": (1, 2, 2, 4), "num_res_blocks": 2, "z_channels": 256},
}
"""``gen_vision_config.cls`` -> sizes, which ``params`` override."""

MAX_LEVELS = 12


def read(folder: Path, has_head: bool | None) -> Recipe:
    """Read the recipe. Raises ``StorageError`` with all errors in the files.

    ``has_head``: whether the weights hold a text head; None where they cannot be read.
    """
    config, backbone = read_backbone(folder, "language_config", has_head, tied_in_table=True)
    problems, width = config.problems, backbone["width"]
    encoder = tower(config.table("vision_config"))
    tokenizer = _tokenizer(config.table("gen_vision_config"), encoder["image_size"])
    parts: dict[str, dict[str, Any]] = {
        "backbone": backbone,
        "understanding.encoder": encoder | preprocessing_of(folder, encoder, problems),
        "understanding.adapter": _adapter(config.table("aligner_config"), encoder["width"], width),
        "generation.tokenizer": tokenizer,
        "generation.embedding": {"width": tokenizer["code_width"]},
        "generation.adapter": _adapter(config.table("gen_aligner_config"), tokenizer["code_width"], width),
        "generation.head": _head(config.table("gen_head_config"), width, tokenizer["vocabulary"]),
        "layout": layout_of(folder, encoder, backbone["vocabulary"], problems),
    }
    finish(problems)
    return janus("Janus, from a directory in the official format.", folder, parts)


def tower(table: Settings) -> dict[str, Any]:
    """Settings of the encoder."""
    table.only("cls", "CLIPVisionTower", default="CLIPVisionTower")
    params = table.table("params")
    name = params.text("model_name", "siglip_large_patch16_384")
    sizes: dict[str, int] = TOWERS.get(name, {})
    if not sizes and any(size not in params for size in ("patch_size", "width", "layers", "heads")):
        message = f"is '{name}', whose sizes janiform does not know"
        params.wrong("model_name", message, f"known: {', '.join(TOWERS)}; or state the sizes in params")
    params.only("select_layer", -1, default=-1)
    params.only("select_feature", "same", default="same")
    width = params.count("width", sizes.get("width", 1))
    heads = params.count("heads", sizes.get("heads", 1))
    patch = params.count("patch_size", sizes.get("patch_size", 1))
    side = params.count("image_size", sizes.get("image_size"))
    if width % heads:
        params.wrong("width", f"is {width}, which is not a multiple of the {heads} heads")
    if side % patch:
        params.wrong("image_size", f"is {side}, which is not a multiple of patch_size {patch}")
    return {
        "image_size": side,
        "patch_size": patch,
        "width": width,
        "layers": params.count("layers", sizes.get("layers", 1), MAX_LAYERS),
        "heads": heads,
        "inner": int(width * params.number("mlp_ratio", 4.0)),
    }


def _tokenizer(table: Settings, image_size: int) -> dict[str, Any]:
    """Settings of the tokenizer, whose pictures have the encoder's size, as in the official scripts."""
    name = table.text("cls", "VQ-16")
    if name not in TOKENIZERS:
        table.wrong("cls", f"is '{name}', but janiform supports {' or '.join(TOKENIZERS)} only")
    sizes: dict[str, Any] = TOKENIZERS.get(name, TOKENIZERS["VQ-16"])
    params = table.table("params")
    params.only("codebook_l2_norm", True, default=True)
    levels = params.counts("ch_mult", sizes["ch_mult"], MAX_LEVELS)
    channels = params.count("ch", sizes["ch"])
    if image_size % (1 << len(levels) - 1):
        params.wrong(
            "ch_mult", f"has {len(levels)} levels, which halve image_size {image_size} more often than it is divisible"
        )
    if channels % 32:
        params.wrong("ch", f"is {channels}, which does not divide into the 32 groups of the norms")
    return {
        "image_size": image_size,
        "channels": channels,
        "multipliers": list(levels),
        "blocks": params.count("num_res_blocks", sizes["num_res_blocks"], MAX_LAYERS),
        "latent": params.count("z_channels", sizes["z_channels"]),
        "vocabulary": params.count("image_token_size", 16_384),
        "code_width": params.count("n_embed", 8),
    }


def _adapter(table: Settings, source: int, width: int) -> dict[str, Any]:
    table.only("cls", "MlpProjector", default="MlpProjector")
    params = table.table("params")
    kind = params.text("projector_type", "mlp_gelu")
    params.only("projector_type", "mlp_gelu", "linear", default="mlp_gelu")
    params.equal("input_dim", source, "the width of what it maps")
    params.equal("n_embed", width, "language_config.hidden_size")
    return {"depth": 1 if kind == "linear" else params.count("depth", 1, MAX_LAYERS)}


def _head(table: Settings, width: int, vocabulary: int) -> dict[str, Any]:
    table.only("cls", "vision_head", default="vision_head")
    params = table.table("params")
    params.equal("n_embed", width, "language_config.hidden_size")
    params.equal("image_token_size", vocabulary, "gen_vision_config.params.image_token_size")
    return {"depth": 2, "inner": params.count("image_token_embed", width)}


def preprocessing_of(folder: Path, encoder: dict[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """Settings of the encoder that the image processor states."""
    table = Settings.read(folder / "preprocessor_config.json", problems)
    return preprocessing(table, encoder["image_size"], table.values.get("image_size"))


def layout_of(folder: Path, encoder: dict[str, Any], vocabulary: int, problems: list[Problem]) -> dict[str, Any]:
    """Settings of the layout from the processor's and the tokenizer's files."""
    table = Settings.read(folder / "processor_config.json", problems, optional=True)
    table.only("sft_format", "deepseek", default="deepseek")
    table.only("add_special_token", False, default=False)
    table.equal("num_image_tokens", (encoder["image_size"] // encoder["patch_size"]) ** 2, "the encoder's grid")
    names = Settings.read(folder / "tokenizer_config.json", problems, optional=True)
    tokenizer = Tokenizer(folder, problems)
    named = {
        "begin": names.text("bos_token"),
        "end": names.text("eos_token"),
        "placeholder": table.text("image_tag"),
        "begin_of_image": table.text("image_start_tag"),
        "end_of_image": table.text("image_end_tag"),
        "pad": table.text("pad_tag"),
    }
    return tokenizer.layout(named, vocabulary)
