"""The config files of a Janus directory of transformers, for the settings of a model: the inverse of ``read``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...layouts.config import SYSTEM, JanusConfig
from ..janus.parts import llama_table

if TYPE_CHECKING:
    from janiform import TextTokenizer

TEMPLATE = """\
{%- if not messages or messages[0]['role'] != 'system' -%}{{ START }}{%- endif -%}
{%- for message in messages -%}
{%- set content = message['content'] -%}
{%- set pieces = [{'type': 'text', 'text': content}] if content is string else content -%}
{%- if message['role'] == 'user' -%}{{ USER }}{% elif message['role'] == 'assistant' -%}{{ ASSISTANT }}{% endif -%}
{%- set text = namespace(all='') -%}
{%- for piece in pieces -%}
{%- set text.all = text.all + (PLACEHOLDER if piece['type'] == 'image' else piece['text']) -%}
{%- endfor -%}
{%- set content = text.all | trim -%}
{%- if message['role'] == 'system' -%}{{ BEFORE_SYSTEM + content + AFTER_SYSTEM }}
{%- elif content -%}{{ BEFORE_CONTENT + content }}{%- endif -%}
{%- if message['role'] == 'user' and (not loop.last or add_generation_prompt) -%}{{ AFTER_USER }}
{%- elif message['role'] == 'assistant' and content -%}
{{ AFTER_ANSWER if not loop.last or add_generation_prompt else END }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ ASSISTANT }}{%- endif -%}
"""
"""The template of a layout, for chats whose contents are texts, or lists of texts and pictures."""


def describe(parts: Mapping[str, Any], dtype: str, text: TextTokenizer) -> dict[str, Any]:
    """The files by name, for a model's configs by path: tables for JSON, and the chat template as a text."""
    backbone, encoder, layout = parts["backbone"], parts["understanding.encoder"], parts["layout"]
    ids = {
        "bos_token_id": text.id_of(layout.begin),
        "eos_token_id": text.id_of(layout.end),
        "pad_token_id": text.id_of(layout.pad),
    }
    image_processor = _image_processor(encoder)
    return {
        "config.json": {
            "architectures": ["JanusForConditionalGeneration"],
            "model_type": "janus",
            "dtype": dtype,
            "image_token_id": text.id_of(layout.placeholder),
            "tie_word_embeddings": backbone.tied,  # it is true by default
            "text_config": {
                **llama_table(backbone, dtype),
                **ids,
                "tie_word_embeddings": backbone.tied,
                "rope_parameters": {"rope_type": "default", "rope_theta": backbone.rope_theta},
            },
            "vision_config": _vision_config(parts),
            "vq_config": _vq_config(parts),
        },
        "generation_config.json": {
            **ids,
            "generation_kwargs": {"boi_token_id": text.id_of(layout.begin_of_image)},
            "guidance_scale": 5,
        },
        "preprocessor_config.json": image_processor,
        "processor_config.json": {
            "processor_class": "JanusProcessor",
            "image_processor": image_processor,
            "num_image_tokens": encoder.grid.size,
            "use_default_system_prompt": layout.system == SYSTEM,
        },
        "tokenizer_config.json": _tokenizer_config(layout, backbone.context),
        "chat_template.jinja": _template(layout),
    }


def _image_processor(encoder: Any) -> dict[str, Any]:
    return {
        "image_processor_type": "JanusImageProcessor",
        "background_color": [int(value * 255) for value in encoder.mean],
        "do_normalize": True,
        "do_pad": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": list(encoder.mean),
        "image_std": list(encoder.std),
        "min_size": encoder.min_size,
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"height": encoder.image_size, "width": encoder.image_size},
    }


def _vision_config(parts: Mapping[str, Any]) -> dict[str, Any]:
    encoder = parts["understanding.encoder"]
    return {
        "model_type": "janus_vision_model",
        "hidden_size": encoder.width,
        "num_hidden_layers": encoder.layers,
        "num_attention_heads": encoder.heads,
        "mlp_ratio": (encoder.inner or 4 * encoder.width) / encoder.width,
        "image_size": encoder.image_size,
        "patch_size": encoder.patch_size,
        "layer_norm_eps": encoder.eps,
        "hidden_act": "gelu",
        "depth": parts["understanding.adapter"].depth,
        "projection_dim": parts["backbone"].width,
        "num_image_tokens": encoder.grid.size,
    }


def _vq_config(parts: Mapping[str, Any]) -> dict[str, Any]:
    tokenizer, width = parts["generation.tokenizer"], parts["backbone"].width
    return {
        "model_type": "janus_vqgan",
        "embed_dim": tokenizer.code_width,
        "num_embeddings": tokenizer.vocabulary,
        "latent_channels": tokenizer.latent,
        "base_channels": tokenizer.channels,
        "channel_multiplier": list(tokenizer.multipliers),
        "num_res_blocks": tokenizer.blocks,
        "num_patches": parts["understanding.encoder"].grid.height,
        "num_hidden_layers": parts["generation.adapter"].depth,
        "projection_dim": width,
        "image_token_embed_dim": width,
        "hidden_act": "gelu",
    }


def _tokenizer_config(layout: Any, context: int) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "processor_class": "JanusProcessor",
        "bos_token": layout.begin,
        "eos_token": layout.end,
        "pad_token": layout.pad,
        "image_token": layout.placeholder,
        "boi_token": layout.begin_of_image,
        "eoi_token": layout.end_of_image,
        "clean_up_tokenization_spaces": False,
        "model_max_length": context,
    }


def _template(layout: JanusConfig) -> str:
    texts = {
        "START": layout.start,
        "USER": layout.before_role + layout.roles[0] + layout.after_role,
        "ASSISTANT": layout.before_role + layout.roles[1] + layout.after_role,
        "PLACEHOLDER": layout.placeholder,
        "BEFORE_SYSTEM": layout.before_system,
        "AFTER_SYSTEM": layout.after_system,
        "BEFORE_CONTENT": layout.before_content,
        "AFTER_USER": layout.after_user,
        "AFTER_ANSWER": layout.after_answer or layout.end,
        "END": layout.end,
    }
    return re.sub(r"\b[A-Z_]{3,}\b", lambda name: json.dumps(texts[name[0]], ensure_ascii=False), TEMPLATE)
