"""The recipe of an Emu3 directory, read from its config, processor and tokenizer files."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen
from janiform import Problem, Recipe

from ...layouts.config import EMU3_PRESETS, Emu3LayoutConfig
from ..coupled.codes import MAP, first_id, vocabulary_of
from ..coupled.parts import check_pixels, coupled, image_processor, shared_ids
from ..janus.parts import llama, not_quantized, tied
from ..janus.settings import CONFIG, MAX_LAYERS, Settings, finish
from ..janus.tokens import Tokenizer, special_tokens

DEFAULTS: Mapping[str, Any] = {
    "intermediate_size": 14_336,
    "num_key_value_heads": 8,
    "vocab_size": 184_622,
    "max_position_embeddings": 9216,
    "rope_theta": 1_000_000.0,
    "rms_norm_eps": 1e-5,
}
"""Defaults of an ``Emu3TextConfig`` of transformers, and of the release's ``Emu3Config``."""

SAMPLER = {"guidance": 3.0, "temperature": 1.0, "top_k": 2048}
"""``image_generation.py`` of the release."""

AREA = 720 * 720
"""Pixels of a picture where no file says ``image_area``."""

END_OF_ROW = "<|extra_200|>"
"""The token after the codes of a row, which both releases write out in their code."""

MAX_LEVELS = 12

MEANINGS = {
    "begin": "the first token of every conversation",
    "end": "the last token of every answer",
    "pad": "the token for padding",
    "begin_of_image": "the token before the size of a picture",
    "begin_of_codes": "the token before the codes of a picture",
    "end_of_codes": "the token after the codes of a picture",
    "end_of_image": "the last token of every picture",
    "placeholder": "the token at the positions of a picture",
}
"""Settings of the layout -> the purpose of their tokens."""

_VARIABLES = {
    "begin": ("bos_token",),
    "end": ("eos_token",),
    "pad": ("pad_token",),
    "begin_of_image": ("boi_token",),
    "begin_of_codes": ("image_wrapper_token", "img_token"),
    "end_of_codes": ("eof_token",),
    "end_of_image": ("eoi_token",),
    "placeholder": ("image_token",),
}
"""Settings of the layout -> those of the tokenizer's config, in transformers and in the release."""

_UNUSED_TOKEN = "<|extra_0|>"
"""What the placeholder of transformers is in the release: a token that no text has."""

_CODE = re.compile(r"<\|visual token (\d{6})\|>")


@frozen
class VqNames:
    """The settings of the visual tokenizer in the config of a release."""

    channels: str
    multipliers: str
    latent: str
    double: str


IN_TRANSFORMERS = VqNames("base_channels", "channel_multiplier", "latent_channels", "double_latent")
RELEASED = VqNames("ch", "ch_mult", "z_channels", "double_z")


def read(folder: Path, has_head: bool | None) -> Recipe:
    """Read the recipe of a directory of transformers. Raises ``StorageError`` with all errors in the files.

    ``has_head``: whether the weights hold a text head; None where they cannot be read.
    """
    config = Settings.read(folder / CONFIG, [])
    if not config.values:
        finish(config.problems)
    not_quantized(config)
    backbone = llama(config.table("text_config", optional=True), "emu3_text_model", DEFAULTS)
    backbone["tied"] = tied(config, has_head, default=False)
    vq = config.table("vq_config", optional=True)
    return emu3(folder, config, backbone, vq, IN_TRANSFORMERS, image_processor(folder, config.problems))


def emu3(
    folder: Path, config: Settings, backbone: dict[str, Any], vq: Settings, names: VqNames, processor: Settings
) -> Recipe:
    """The recipe of a model with this config. Raises ``StorageError`` with all problems that were added to it."""
    problems = config.problems
    tokenizer = _tokenizer(vq, names)
    factor = 1 << (len(tokenizer["multipliers"]) - 1)
    side = max(1, round(math.sqrt(_area(folder, config)) / factor))
    check_pixels(processor)
    text = Tokenizer(folder, problems)
    layout = _layout(folder, text, backbone["vocabulary"], problems)
    first, end = _ids(config, text, tokenizer["vocabulary"]) if text.readable else (0, 0)
    finish(problems)
    parts = {
        "backbone": {"use": "llama@1", **backbone},
        "text": {"use": "bpe@1", "vocabulary": backbone["vocabulary"], "special_tokens": []},
        "layout": {"use": "emu3@1", **EMU3_PRESETS["gen"], **layout},
        "tokenizer": {"use": "movq@1", **tokenizer, "grid": [side, side], "line_ends": True},
        "embedding": shared_ids(first, given=[end]),
        "adapter": {"use": "identity@1"},
        "head": shared_ids(first, given=[end], softmax="codes"),
        "sampler": {"use": "autoregressive@1", **SAMPLER},
    }
    return coupled("emu3", "Emu3, from a directory of its release.", folder, parts, draws=True)


def code_of(token: str) -> int | None:
    """The code that a token stands for."""
    match = _CODE.fullmatch(token)
    return None if match is None else int(match[1])


def _ids(config: Settings, text: Tokenizer, count: int) -> tuple[int, int]:
    """The ids of the first code and of the end of a row."""
    vocabulary = vocabulary_of(config, text)
    end = vocabulary.get(END_OF_ROW)
    if not isinstance(end, int):
        config.wrong(MAP, f"lacks the token '{END_OF_ROW}', which ends the rows of a picture")
        end = 0
    return first_id(vocabulary, code_of, count, config), end


def _tokenizer(table: Settings, names: VqNames) -> dict[str, Any]:
    for name, only in ((names.double, False), ("in_channels", 3), ("out_channels", 3), ("num_attention_heads", 1)):
        table.only(name, only, default=only)
    levels = table.counts(names.multipliers, (1, 2, 2, 4), MAX_LEVELS)
    table.only("attn_resolutions", [len(levels) - 1], default=[3])
    channels, width = table.count(names.channels, 256), table.count("embed_dim", 4)
    if channels % 32:
        table.wrong(names.channels, f"is {channels}, which does not divide into the 32 groups of the norms")
    latent = table.count(names.latent, 4)
    if latent != width:
        table.wrong(names.latent, f"is {latent}, but embed_dim is {width}, and janiform supports equal ones only")
    return {
        "channels": channels,
        "multipliers": list(levels),
        "blocks": table.count("num_res_blocks", 2, MAX_LAYERS),
        "frames": table.count("temporal_downsample_factor", 4),
        "vocabulary": table.count("codebook_size", 32_768),
        "code_width": width,
    }


def _area(folder: Path, config: Settings) -> int:
    """Pixels of a picture: the config has them in the release, and the processor's config may have them."""
    processor = Settings.read(folder / "processor_config.json", config.problems, optional=True)
    return (config if "image_area" in config else processor).count("image_area", AREA)


def _layout(folder: Path, tokenizer: Tokenizer, vocabulary: int, problems: list[Problem]) -> dict[str, str]:
    if not tokenizer.readable:
        return {}
    usual = Emu3LayoutConfig()
    names = special_tokens(Settings.read(folder / "tokenizer_config.json", problems, optional=True))
    tokens = {
        name: next(filter(None, map(names.text, variables)), getattr(usual, name))
        for name, variables in _VARIABLES.items()
    }
    if tokens["placeholder"] not in tokenizer.special and _UNUSED_TOKEN in tokenizer.special:
        tokens["placeholder"] = _UNUSED_TOKEN
    tokenizer.check(tokens, MEANINGS, vocabulary, "an Emu3 model")
    return tokens
