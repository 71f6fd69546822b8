"""The names of the tokenizers' tensors in released files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve
from janiform import KeyMap, Released

from .config import TamingConfig

_UNUSED = {"quantize.codebook_used": "it counts how often codes are used in training"}

_IDLE = ("quantize.idle",)

OFFICIAL = KeyMap({"{rest}": "{rest}"}, prefix="gen_vision_model.", unused=_UNUSED, own=_IDLE)
"""The names of ``vq`` in the official directories of Janus."""

TRANSFORMERS = KeyMap(
    {
        "encoder.conv_blocks.{i}.res.{j}.{rest}": "encoder.down.{i}.block.{j}.{rest}",
        "encoder.conv_blocks.{i}.{rest}": "encoder.down.{i}.{rest}",
        "decoder.conv_blocks.{i}.res.{j}.{rest}": "decoder.up.{i}.block.{j}.{rest}",
        "decoder.conv_blocks.{i}.{rest}": "decoder.up.{i}.{rest}",
        "{half}.mid.0.{rest}": "{half}.mid.block_1.{rest}",
        "{half}.mid.1.{rest}": "{half}.mid.attn_1.{rest}",
        "{half}.mid.2.{rest}": "{half}.mid.block_2.{rest}",
        "{rest}": "{rest}",
    },
    prefix="model.vqmodel.",
    unused=_UNUSED,
    own=_IDLE,
)
"""The names of ``vq`` in the directories of Janus that transformers writes."""


def taming(config: TamingConfig) -> KeyMap:
    """The names of a VQGAN in taming-transformers, whose decoder counts its levels from the largest sides.

    ``ChameleonVQVAE`` in transformers has the same names, but no decoder: see ``chameleon``.
    """
    last = len(config.multipliers) - 1
    names = {}
    for half, level in (("encoder", "down"), ("decoder", "up")):
        for index in range(last + 1):
            ours, theirs = f"{half}.conv_blocks.{index}", f"{half}.{level}.{index if level == 'down' else last - index}"
            names[f"{ours}.res.{{j}}.{{rest}}"] = f"{theirs}.block.{{j}}.{{rest}}"
            names[f"{ours}.{{rest}}"] = f"{theirs}.{{rest}}"
    return KeyMap(
        {
            **names,
            "{half}.mid.0.{rest}": "{half}.mid.block_1.{rest}",
            "{half}.mid.1.{rest}": "{half}.mid.attn_1.{rest}",
            "{half}.mid.2.{rest}": "{half}.mid.block_2.{rest}",
            "{rest}": "{rest}",
        },
        within=("encoder.", "decoder.", "quantize.", "quant_conv.", "post_quant_conv."),
        own=_IDLE,
    )


def chameleon(config: TamingConfig) -> KeyMap:
    """The names in the directories of Chameleon that transformers writes. They have no decoder.

    The decoder keeps its initial value, so that such a model can look at pictures and be trained, but not draw, until
    its decoder comes from a file of taming-transformers.
    """
    return evolve(taming(config).below("model.vqmodel."), own=(*_IDLE, "decoder.{rest}"))


def _taming_differences(config: TamingConfig, released: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    if isinstance(released.get("vq_config"), Mapping):  # the config of a whole Chameleon
        released = {"model_type": "chameleon_vqgan", **released["vq_config"]}
    model_type = released.get("model_type", "chameleon_vqgan")
    if model_type != "chameleon_vqgan":
        raise ValueError(f"the directory holds a model of type '{model_type}'; this tokenizer takes 'chameleon_vqgan'")
    return {}


TAMING = Released(
    lambda config: [taming(config).below(prefix) for prefix in ("", "model.vqmodel.", "vqmodel.")],
    _taming_differences,
)
