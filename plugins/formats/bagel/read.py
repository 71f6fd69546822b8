"""The recipe of a BAGEL directory, read from its config and tokenizer files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from janiform import Origin, Problem, Recipe

from ...layouts.config import BagelLayoutConfig
from ..janus.parts import llama, not_quantized, recipe_of
from ..janus.settings import CONFIG, MAX_LAYERS, Settings, finish
from ..janus.tokens import Tokenizer

LANGUAGE, VISION = "llm_config.json", "vit_config.json"

ROUTE, SOURCE = "gen", "source_latents"
"""The names of the second set of weights, and of the pathway that looks at latents."""

DEFAULTS: Mapping[str, Any] = {
    "intermediate_size": 18_944,
    "num_key_value_heads": None,
    "vocab_size": 152_064,
    "max_position_embeddings": 32_768,
    "rope_theta": 1_000_000.0,
    "rms_norm_eps": 1e-6,
}
"""Those of Qwen2.5-7B."""

SAMPLER = {
    "steps": 49,
    "shift": 3.0,
    "times": "logit-normal",
    "data_at": 0.0,
    "guidance": 4.0,
    "picture_guidance": 2.0,
    "rule": "stacked",
    "guidance_above": 0.4,
    "renorm": "global",
}
"""``app.py`` of the release, whose 50 timesteps are 49 steps."""

MAX_LEVELS = 12

MEANINGS = {
    "begin": "the token before every text",
    "end": "the token after every text",
    "pad": "the token for padding",
    "begin_of_image": "the token before every picture",
    "end_of_image": "the token after every picture",
}
"""Settings of the layout -> the purpose of their tokens."""


def read(folder: Path) -> Recipe:
    """Read the recipe. Raises ``StorageError`` with all errors in the files.

    ``config.json`` may state sizes of pictures and of the autoencoder; the release's own are the defaults.
    """
    problems: list[Problem] = []
    config = Settings.read(folder / CONFIG, problems, optional=True)
    language, vision = (Settings.read(folder / name, problems) for name in (LANGUAGE, VISION))
    finish(problems)
    not_quantized(language)
    if language.values.get("layer_module") == "Qwen2MoEDecoderLayer":
        language.wrong("layer_module", "is Qwen2MoEDecoderLayer, whose attention has one set of weights only")
    config.only("connector_act", "gelu_pytorch_tanh", default="gelu_pytorch_tanh")
    config.only("interpolate_pos", False, default=False)
    backbone = llama(language, "qwen2", DEFAULTS)
    encoder = _encoder(vision, config)
    autoencoder = _autoencoder(config)
    text = Tokenizer(folder, problems)
    layout = BagelLayoutConfig()
    tokens = {name: getattr(layout, name) for name in MEANINGS}
    if text.readable:
        text.check(tokens, MEANINGS, backbone["vocabulary"], "a BAGEL model")
    finish(problems)
    pictures = {
        "tokenizer": autoencoder,
        "embedding": {"use": "patches@1", "time": "add", "positions": "waves", "multiplier": 1.0, "data_at": 0.0},
        "adapter": {"use": "identity@1"},
        "head": {"use": "values@1", "of": "velocity", "zeros": True},
        "sampler": {"use": "flow@1", **SAMPLER},
    }
    tables: dict[str, Any] = {
        "backbone": {"use": "qwen2@1", **backbone, "head_norm": True, "tied": False, "routes": [ROUTE]},
        "text": {"use": "bpe@1", "vocabulary": backbone["vocabulary"], "special_tokens": []},
        "layout": {"use": "bagel@1", **tokens, "draws_from": [SOURCE, "understanding"]},
        "understanding": {
            "encoder": encoder,
            "adapter": {"use": "mlp@1", "depth": 2, "activation": "gelu-tanh", "positions": "waves"},
        },
        "generation": {"route": ROUTE, **pictures},
        SOURCE: {"mode": "look", "route": ROUTE, "share": "generation"},
    }
    return recipe_of("bagel", "BAGEL, from a directory of its release.", tables, folder, lambda path: _at(folder, path))


def _encoder(table: Settings, config: Settings) -> dict[str, Any]:
    """The encoder, whose last layer the release leaves out."""
    table.only("model_type", "siglip_vision_model", default="siglip_vision_model")
    table.only("hidden_act", "gelu_pytorch_tanh", default="gelu_pytorch_tanh")
    table.only("num_channels", 3, default=3)
    patch, layers = table.count("patch_size", 14), table.count("num_hidden_layers", 27, MAX_LAYERS)
    width, heads = table.count("hidden_size", 1152), table.count("num_attention_heads", 16)
    if width % heads:
        table.wrong("hidden_size", f"is {width}, which does not divide into {heads} heads")
    side = patch * config.count("vit_max_num_patch_per_side", 70)
    table.equal("image_size", side, "vit_max_num_patch_per_side · patch_size")
    return {
        "use": "siglip@1",
        "image_size": side,
        "patch_size": patch,
        "width": width,
        "layers": layers - 1,
        "heads": heads,
        "inner": table.count("intermediate_size", 4304),
        "eps": table.number("layer_norm_eps", 1e-6),
        "activation": "gelu-tanh",
    }


def _autoencoder(config: Settings) -> dict[str, Any]:
    """The autoencoder, for the largest pictures; the release's ``vae_config`` states its channels only."""
    table = config.table("vae_config", optional=True)
    levels, patch = table.counts("ch_mult", (1, 2, 4, 4), MAX_LEVELS), config.count("latent_patch_size", 2, 64)
    table.equal("downsample", 1 << (len(levels) - 1), "that of its levels")
    channels = table.count("ch", 128)
    if channels % 32:
        table.wrong("ch", f"is {channels}, which does not divide into the 32 groups of the norms")
    return {
        "use": "kl@1",
        "preset": "flux",
        "image_size": config.count("max_latent_size", 64, 1024) * patch << (len(levels) - 1),
        "channels": channels,
        "multipliers": list(levels),
        "blocks": table.count("num_res_blocks", 2, MAX_LAYERS),
        "latent": table.count("z_channels", 16),
        "patch": patch,
        "order": "pqc",
    }


def _at(folder: Path, path: str) -> Origin:
    """The file of a setting; what all models have stands in none."""
    part, _, name = path.rpartition(".")
    files = {"backbone": LANGUAGE, "understanding.encoder": VISION, "generation.tokenizer": CONFIG}
    stated = part in files and name not in ("use", "preset", "order") and (folder / files[part]).is_file()
    return Origin(str(folder / files[part] if stated else folder))
