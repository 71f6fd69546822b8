"""The config files of a BAGEL directory for a model's settings, the inverse of ``read``, and its further tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import torch
from janiform import Grid

from ...sinusoidal import grid_waves
from ..janus.parts import llama_table
from ..janus.write import Described

if TYPE_CHECKING:
    from janiform import Export

BACKBONE, ENCODER, TOKENIZER = "backbone", "understanding.encoder", "generation.tokenizer"

IMPLIED = {
    "backbone.kv_heads": lambda parts: parts[BACKBONE].heads,
    "backbone.head_width": lambda parts: parts[BACKBONE].width // parts[BACKBONE].heads,
    f"{ENCODER}.inner": lambda parts: 4 * parts[ENCODER].width,
    f"{ENCODER}.table_size": lambda parts: parts[ENCODER].image_size,
}

FREE = frozenset(
    {"backbone.dropout", f"{ENCODER}.positions", f"{ENCODER}.attention_pool", "generation.head.zeros"}
    | {f"{TOKENIZER}.{name}" for name in ("l1", "l2", "kl", "sampled")}
)
"""Settings of the beginning of training, and of training itself."""

DESCRIBED = Described(
    (
        BACKBONE,
        "layout",
        ENCODER,
        "understanding.adapter",
        TOKENIZER,
        "generation.embedding",
        "generation.adapter",
        "generation.head",
    ),
    IMPLIED,
    FREE,
)


def describe(parts: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    """The JSON files by name, for a model's configs by path."""
    backbone, encoder, tokenizer = parts[BACKBONE], parts[ENCODER], parts[TOKENIZER]
    grids = grids_of(parts)
    language = {
        **llama_table(backbone, dtype),
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "tie_word_embeddings": False,
        "use_sliding_window": False,
    }
    vision = {
        "model_type": "siglip_vision_model",
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_size": encoder.width,
        "image_size": encoder.table_size or encoder.image_size,
        "intermediate_size": encoder.inner or 4 * encoder.width,
        "layer_norm_eps": encoder.eps,
        "num_attention_heads": encoder.heads,
        "num_channels": 3,
        # The release states the encoder's last layer, which it leaves out.
        "num_hidden_layers": encoder.layers + 1,
        "patch_size": encoder.patch_size,
    }
    config = {
        "architectures": ["Bagel"],
        "connector_act": "gelu_pytorch_tanh",
        "interpolate_pos": False,
        "latent_patch_size": tokenizer.patch,
        "max_latent_size": grids["latent_pos_embed.pos_embed"].width,
        "vit_max_num_patch_per_side": grids["vit_pos_embed.pos_embed"].width,
        "vae_config": {
            "ch": tokenizer.channels,
            "ch_mult": list(tokenizer.multipliers),
            "downsample": 1 << (len(tokenizer.multipliers) - 1),
            "num_res_blocks": tokenizer.blocks,
            "z_channels": tokenizer.latent,
        },
    }
    return {"config.json": config, "llm_config.json": language, "vit_config.json": vision}


def grids_of(parts: Mapping[str, Any]) -> dict[str, Grid]:
    """The grids of the tables of position vectors that the release's files have, by name."""
    return {
        "latent_pos_embed.pos_embed": parts[TOKENIZER].latents().grid,
        "vit_pos_embed.pos_embed": parts[ENCODER].table,
    }


def as_released(entries: dict[str, Any], grids: Mapping[str, Grid], patches: str) -> dict[str, Any]:
    """The tensors to write, in the shapes of the release.

    The encoder's patch embedding ``patches`` becomes a matrix, and the tables of positions are added.
    """
    convolution = entries[patches]
    width, *kernel = convolution.shape
    changed = dict(entries)
    changed[patches] = attrs.evolve(
        convolution, shape=(width, kernel[0] * kernel[1] * kernel[2]), rows=partial(_matrix, convolution)
    )
    like = entries["vae2llm.weight"]
    hidden = like.shape[0]
    for name, grid in grids.items():
        changed[name] = attrs.evolve(like, shape=(grid.size, hidden), rows=partial(_waves, grid, hidden, like.dtype))
    return changed


def _matrix(convolution: Any) -> Iterator[torch.Tensor]:
    for rows in convolution.rows():
        yield rows.permute(0, 2, 3, 1).flatten(1)


def _waves(grid: Grid, width: int, dtype: torch.dtype) -> Iterator[torch.Tensor]:
    yield grid_waves(grid, width, torch.device("cpu")).to(dtype)


def save_text(model: Export, folder: Path) -> None:
    """Save the text tokenizer's file; BAGEL places its special tokens itself."""
    model.text.save(folder)
