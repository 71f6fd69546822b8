"""The recipe of a Harmon directory: the language model's config, and sizes that the shapes of the tensors tell."""

from __future__ import annotations

from math import isqrt
from pathlib import Path
from typing import Any

from janiform import Origin, Problem, Recipe, StorageError, WeightFiles, share

from ...layouts.config import HarmonLayoutConfig
from ...tokenizers.kl.config import KL_PRESETS
from ..beside import Shapes, folder_beside, levels_of, number_of
from ..janus.parts import llama, not_quantized, recipe_of, tied
from ..janus.settings import CONFIG, Settings, finish
from ..janus.tokens import Tokenizer

AUTOENCODER, PREFIX = "kl16.ckpt", "harmon_"

HEADS = {768: 12, 1024: 16, 1280: 16}
"""Widths of MAR-B, MAR-L and MAR-H -> their attention heads, which no shape tells."""

IMAGE_SIZE = 512
"""The size in the README of the release; the table of positions is for 256, and is resized."""

SAMPLER = {"steps": 64, "guidance": 3.0}

DEFAULTS = {
    "intermediate_size": 22_016,
    "num_key_value_heads": None,
    "vocab_size": 151_936,
    "max_position_embeddings": 32_768,
    "rope_theta": 10_000.0,
    "rms_norm_eps": 1e-6,
}
"""Those of ``Qwen2Config``."""

TOKENS = {"start": "the token before every role", "end": "the token after every turn", "pad": "the token for padding"}


def checkpoint_of(folder: Path) -> Path:
    """The file of Harmon's weights. Raises ``StorageError`` unless there is one."""
    found = sorted(folder.glob(f"{PREFIX}*.pth"))
    if len(found) != 1:
        names = " and ".join(file.name for file in found) or f"no file {PREFIX}….pth"
        hint = "a directory is of one model: leave one of them in it"
        raise StorageError(Problem(f"{folder} has {names}", hint=hint))
    return found[0]


def language_folder(folder: Path) -> Path:
    """The folder of the language model's config and tokenizer: that of the size in the checkpoint's name."""
    size = checkpoint_of(folder).stem.removeprefix(PREFIX).upper()
    name = f"Qwen2.5-{size}-Instruct"
    return folder_beside(folder, name, f"config.json and tokenizer.json of Qwen/{name}")


def read(folder: Path, files: WeightFiles) -> Recipe:
    """Read the recipe. ``files``: all weights. Raises ``StorageError`` with all errors in the files."""
    language = language_folder(folder)
    config = Settings.read(language / CONFIG, [])
    if not config.values:
        finish(config.problems)
    not_quantized(config)
    shapes = {name: tensor.shape for name, tensor in files.tensors.items()}
    backbone = llama(config, "qwen2", DEFAULTS)
    # transformers writes a tied head as well.
    head, table = "llm.lm_head.weight", "llm.model.embed_tokens.weight"
    same = head in shapes and table in shapes and files.same(head, table)
    backbone["tied"] = tied(config, head in shapes and not same, default=False)
    text = Tokenizer(language, config.problems)
    usual = HarmonLayoutConfig()
    if text.readable:
        names = {name: getattr(usual, name) for name in TOKENS}
        text.check(names, TOKENS, backbone["vocabulary"], "Qwen2.5")
    finish(config.problems)
    try:
        sizes = sizes_of(shapes)
    except (KeyError, IndexError, ZeroDivisionError) as error:
        message = f"has not the tensors of Harmon's MAR and of its autoencoder: {error.args[0]} is missing"
        raise StorageError(Problem(message, origin=Origin(str(checkpoint_of(folder))))) from None
    tables: dict[str, Any] = {
        "backbone": {"use": "qwen2@1", **backbone},
        "text": {"use": "bpe@1", "file": str(language / "tokenizer.json"), "special_tokens": []},
        "layout": {"use": "harmon@1"},
        "generation": {
            **sizes,
            "adapter": {"use": "mlp@1", "depth": 2, "activation": "silu"},
            "sampler": {"use": "masked-latents@1", **SAMPLER},
        },
        "understanding": share("generation"),
    }
    description = "Harmon, from a directory of its release."
    return recipe_of("harmon", description, tables, folder, lambda path: _origin(folder, language, path))


def _origin(folder: Path, language: Path, path: str) -> Origin:
    """The config of the language model for its sizes, else the folder."""
    return Origin(str(language / CONFIG if path.startswith("backbone.") and not path.endswith(".use") else folder))


def sizes_of(shapes: Shapes) -> dict[str, Any]:
    """The tokenizer, the embedding and the head, from the shapes of their tensors.

    Raises ``KeyError`` for a tensor that is missing, and ``StorageError`` for a MAR of another width than those known.
    """
    width, places = shapes["mar.mask_token"][-1], shapes["mar.diffusion_pos_embed_learned"][1]
    if width not in HEADS:
        known = ", ".join(map(str, HEADS))
        raise StorageError(Problem(f"MAR has a width of {width}; its number of heads is known for {known}"))
    buffer = shapes["mar.encoder_pos_embed_learned"][1] - places
    both = {"width": width, "heads": HEADS[width], "buffer": buffer, "table": isqrt(places)}
    net = "mar.diffloss.net."
    channels = shapes["encoder.conv_in.weight"][0]
    multipliers, blocks = levels_of(shapes, "encoder.down", channels)
    levels = range(len(multipliers))
    return {
        "tokenizer": {
            "use": "kl@1",
            **KL_PRESETS["kl-16"],
            "image_size": IMAGE_SIZE,
            "channels": channels,
            "multipliers": multipliers,
            "blocks": blocks[0],
            "latent": shapes["post_quant_conv.weight"][1],
            "encoder_attention": [level for level in levels if f"encoder.down.{level}.attn.0.q.weight" in shapes],
            "decoder_attention": [level for level in levels if f"decoder.up.{level}.attn.0.q.weight" in shapes],
        },
        "embedding": {"use": "mar@1", "layers": number_of(shapes, "mar.encoder_blocks.{}.attn.qkv.weight"), **both},
        "head": {
            "use": "mar@1",
            "layers": number_of(shapes, "mar.decoder_blocks.{}.attn.qkv.weight"),
            **both,
            "net_width": shapes[f"{net}input_proj.weight"][0],
            "net_depth": number_of(shapes, net + "res_blocks.{}.mlp.0.weight"),
            "steps": 100,
        },
    }
