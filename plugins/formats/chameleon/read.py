"""The recipe of a Chameleon directory of transformers, read from its config, processor and tokenizer files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from janiform import Problem, Recipe

from ...layouts.config import ChameleonLayoutConfig
from ..coupled.codes import first_id, vocabulary_of
from ..coupled.parts import check_pixels, coupled, image_processor, shared_ids
from ..janus.parts import llama, not_quantized, tied
from ..janus.settings import CONFIG, MAX_LAYERS, Settings, finish
from ..janus.tokens import Tokenizer, special_tokens

VQGAN = "vqgan.ckpt"
"""The file of Chameleon's release that holds the whole visual tokenizer."""

DEFAULTS: Mapping[str, Any] = {
    "intermediate_size": 11_008,
    "num_key_value_heads": 32,
    "vocab_size": 65_536,
    "max_position_embeddings": 4096,
    "rope_theta": 10_000.0,
    "rms_norm_eps": 1e-5,
}
"""Defaults of a ``ChameleonConfig`` of transformers."""

SAMPLER = {"guidance": 3.0, "picture_guidance": 1.2, "rule": "nested", "temperature": 0.7, "top_p": 0.9}
"""``Options`` in ``chameleon/inference/chameleon.py``."""

MAX_LEVELS = 12

MEANINGS = {
    "begin": "the first token of every conversation",
    "end": "the last token of every answer",
    "pad": "the token for padding",
    "end_of_turn": "the last token of every turn of the user",
    "begin_of_image": "the token before every picture",
    "end_of_image": "the token after every picture",
    "placeholder": "the token at the positions of a picture",
}
"""Settings of the layout -> the purpose of their tokens."""

_VARIABLES = {
    "begin": "bos_token",
    "end": "eos_token",
    "pad": "pad_token",
    "end_of_turn": "sep_token",
    "begin_of_image": "boi_token",
    "end_of_image": "eoi_token",
    "placeholder": "image_token",
}
"""Settings of the layout -> those of the tokenizer's config."""

_CODE = re.compile("IMGIMG([A-J]+)Z")


def read(folder: Path, has_head: bool | None) -> Recipe:
    """Read the recipe. Raises ``StorageError`` with all errors in the files.

    ``has_head``: whether the weights hold a text head; None where they cannot be read.
    """
    config = Settings.read(folder / CONFIG, [])
    if not config.values:
        finish(config.problems)
    problems = config.problems
    not_quantized(config)
    backbone = llama(config, "chameleon", DEFAULTS)
    backbone |= {"tied": tied(config, has_head, default=False), "swin_norm": config.flag("swin_norm", False)}
    tokenizer = _tokenizer(config.table("vq_config", optional=True))
    _check_processor(folder, tokenizer["image_size"], problems)
    text = Tokenizer(folder, problems)
    layout = _layout(folder, text, backbone["vocabulary"], problems)
    first = first_id(vocabulary_of(config, text), code_of, tokenizer["vocabulary"], config) if text.readable else 0
    finish(problems)
    parts = {
        "backbone": {"use": "chameleon@1", **backbone},
        "text": {"use": "bpe@1", "vocabulary": backbone["vocabulary"], "special_tokens": []},
        "layout": {"use": "chameleon@1", **layout},
        "tokenizer": {"use": "taming@1", **tokenizer},
        "embedding": shared_ids(first),
        "adapter": {"use": "identity@1"},
        "head": shared_ids(first),
        "sampler": {"use": "autoregressive@1", **SAMPLER},
    }
    draws = (folder / VQGAN).is_file()
    description = "Chameleon, from a directory in the Hugging Face format."
    return coupled("chameleon", description, folder, parts, draws=draws)


def code_of(token: str) -> int | None:
    """The code that a token stands for, whose digits are the letters from A to J."""
    match = _CODE.fullmatch(token)
    return None if match is None else int("".join(str(ord(letter) - ord("A")) for letter in match[1]))


def _tokenizer(table: Settings) -> dict[str, Any]:
    for name, only in (("double_latent", False), ("in_channels", 3), ("attn_type", "vanilla")):
        table.only(name, only, default=only)
    levels = table.counts("channel_multiplier", (1, 1, 2, 2, 4), MAX_LEVELS)
    channels, side = table.count("base_channels", 128), table.count("resolution", 512)
    if channels % 32:
        table.wrong("base_channels", f"is {channels}, which does not divide into the 32 groups of the norms")
    sides = [side >> index for index in range(len(levels))]
    attended = table.values.get("attn_resolutions") or []
    return {
        "image_size": side,
        "channels": channels,
        "multipliers": list(levels),
        "blocks": table.count("num_res_blocks", 2, MAX_LAYERS),
        "latent": table.count("latent_channels", 256),
        "vocabulary": table.count("num_embeddings", 8192),
        "code_width": table.count("embed_dim", 256),
        "attention_sides": [side for side in sides if side in attended],
    }


def _check_processor(folder: Path, side: int, problems: list[Problem]) -> None:
    """Pictures are scaled and cut as in Chameleon's release, to the tokenizer's side; the processor must agree."""
    table = image_processor(folder, problems)
    check_pixels(table)
    for name in ("size", "crop_size"):
        value = table.values.get(name)
        given = set(value.values()) if isinstance(value, dict) else {value}
        if given != {None} and given != {side}:
            table.wrong(name, f"is {value}, but the visual tokenizer's resolution is {side}")


def _layout(folder: Path, tokenizer: Tokenizer, vocabulary: int, problems: list[Problem]) -> dict[str, str]:
    if not tokenizer.readable:
        return {}
    usual = ChameleonLayoutConfig()
    names = special_tokens(Settings.read(folder / "tokenizer_config.json", problems, optional=True))
    tokens = {name: names.text(variable) or getattr(usual, name) for name, variable in _VARIABLES.items()}
    tokenizer.check(tokens, MEANINGS, vocabulary, "a Chameleon model")
    return tokens
