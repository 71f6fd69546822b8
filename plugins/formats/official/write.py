"""The config files of an official Janus directory, for the settings of a model: the inverse of ``read``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..janus.parts import llama_table


def describe(parts: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    """The JSON files by name, for a model's configs by path."""
    encoder, layout = parts["understanding.encoder"], parts["layout"]
    return {
        "config.json": _model_config(parts, dtype),
        "preprocessor_config.json": {
            "image_processor_type": "VLMImageProcessor",
            "processor_class": "VLChatProcessor",
            "background_color": [int(value * 255) for value in encoder.mean],
            "do_normalize": True,
            "image_mean": list(encoder.mean),
            "image_std": list(encoder.std),
            "image_size": encoder.image_size,
            "min_size": encoder.min_size,
            "rescale_factor": 1 / 255,
        },
        "processor_config.json": {
            "processor_class": "VLChatProcessor",
            "add_special_token": False,
            "ignore_id": -100,
            "image_tag": layout.placeholder,
            "image_start_tag": layout.begin_of_image,
            "image_end_tag": layout.end_of_image,
            "pad_tag": layout.pad,
            "mask_prompt": True,
            "num_image_tokens": encoder.grid.size,
            "sft_format": "deepseek",
        },
        "tokenizer_config.json": {
            "tokenizer_class": "LlamaTokenizerFast",
            "add_bos_token": True,
            "add_eos_token": False,
            "bos_token": layout.begin,
            "eos_token": layout.end,
            "pad_token": layout.pad,
            "unk_token": None,
            "clean_up_tokenization_spaces": False,
            "legacy": True,
            "model_max_length": parts["backbone"].context,
        },
        "special_tokens_map.json": {
            "bos_token": layout.begin,
            "eos_token": layout.end,
            "pad_token": layout.pad,
            "additional_special_tokens": [layout.placeholder, layout.begin_of_image, layout.end_of_image],
        },
    }


def _model_config(parts: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    backbone, encoder, tokenizer = (
        parts[path] for path in ("backbone", "understanding.encoder", "generation.tokenizer")
    )
    width = backbone.width
    code_width = parts["generation.embedding"].width or tokenizer.code_width
    return {
        "architectures": ["MultiModalityCausalLM"],
        "model_type": "multi_modality",
        "torch_dtype": dtype,
        "aligner_config": _module(
            "aligner", "MlpProjector", **_adapter(parts["understanding.adapter"].depth, encoder.width, width)
        ),
        "gen_aligner_config": _module(
            "gen_aligner", "MlpProjector", **_adapter(parts["generation.adapter"].depth, code_width, width)
        ),
        "gen_head_config": _module(
            "gen_head",
            "vision_head",
            image_token_embed=parts["generation.head"].inner or width,
            image_token_size=tokenizer.vocabulary,
            n_embed=width,
        ),
        "gen_vision_config": _module(
            "gen_vision",
            "VQ-16",
            image_token_size=tokenizer.vocabulary,
            n_embed=tokenizer.code_width,
            ch=tokenizer.channels,
            ch_mult=list(tokenizer.multipliers),
            num_res_blocks=tokenizer.blocks,
            z_channels=tokenizer.latent,
        ),
        "language_config": {**llama_table(backbone, dtype), "tie_word_embeddings": backbone.tied},
        "vision_config": _module(
            "vision",
            "CLIPVisionTower",
            image_size=encoder.image_size,
            model_name="siglip_large_patch16_384",
            select_feature="same",
            select_layer=-1,
            patch_size=encoder.patch_size,
            width=encoder.width,
            layers=encoder.layers,
            heads=encoder.heads,
            mlp_ratio=(encoder.inner or 4 * encoder.width) / encoder.width,
        ),
    }


def _module(kind: str, cls: str, **params: Any) -> dict[str, Any]:
    return {"cls": cls, "model_type": kind, "params": params}


def _adapter(depth: int, source: int, width: int) -> dict[str, Any]:
    return {"depth": depth, "input_dim": source, "n_embed": width, "projector_type": "mlp_gelu"}
