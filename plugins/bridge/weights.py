"""The names of the tensors of bridged models in released files: those of transformers, or parts of them.

Torch and transformers are needed, since the names come from a model on the meta device.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from janiform import KeyMap, Released

from .backbone import BridgedBackbone
from .config import BridgedBackboneConfig, BridgedEncoderConfig
from .description import Description
from .encoder import build, probe

_FREE = ("vocab_size", "initializer_range", "max_position_embeddings", "image_size", "num_labels")
_FREE_ENDINGS = ("_token_id", "dropout", "pdrop", "dropout_prob", "_token_index")
"""Settings that may differ from those of the released weights."""

_DERIVED = "it follows from the config"
_IDLE = "the features do not depend on it"


def backbone_keys(config: BridgedBackboneConfig) -> list[KeyMap]:
    """The names of the whole model, of one inside a larger model, such as Show-o, and of the base model alone."""
    with torch.device("meta"):
        causal = BridgedBackbone(config).causal
    files = names_in_files(causal)
    base = f"{causal.base_model_prefix}."
    inner = f"{base}language_model."
    named = dict(causal.named_parameters(remove_duplicate=False))
    table = causal.get_input_embeddings().weight
    table_name = files[next(name for name, value in named.items() if value is table)]
    head = causal.get_output_embeddings()
    tied = [
        name for name, value in named.items() if head is not None and value is head.weight and files[name] != table_name
    ]
    repeats = {files[name]: table_name for name in tied if causal.config.tie_word_embeddings}
    outer = [name for name in files.values() if not name.startswith(base)]
    unused = dict.fromkeys(
        ("{rest}.inv_freq", "{rest}.attn.bias", "{rest}.masked_bias", "{rest}.attention.bias"), _DERIVED
    )

    def renamed(target: str) -> dict[str, str | tuple[str, ...]]:
        return {f"causal.{own}": target + name.removeprefix(base) if name.startswith(base) else name
                for own, name in files.items()}  # fmt: skip

    return [
        KeyMap(renamed(base), unused=unused, repeats=repeats, within=(base, *outer)),
        KeyMap(renamed(base), "language_model.", unused=unused, repeats=repeats),
        KeyMap(renamed(base), "showo.", unused=unused, repeats=repeats),
        KeyMap(
            renamed(inner),
            unused=unused,
            repeats={name: table_name.replace(base, inner, 1) for name in repeats},
            within=(inner, *outer),
        ),
        KeyMap(renamed(""), unused=unused, repeats={name: table_name.removeprefix(base) for name in repeats}),
    ]


def encoder_keys(config: BridgedEncoderConfig) -> list[KeyMap]:
    """The names of the vision model alone, and of one inside a larger model."""
    with torch.device("meta"):
        vision = build(config)
    files = names_in_files(vision)
    idle = dict.fromkeys((files[name] for name in probe(config)[1]), _IDLE)
    idle |= dict.fromkeys(("head.{rest}", "pooler.{rest}"), _IDLE)
    unused = idle | {"embeddings.position_ids": _DERIVED}
    names = {f"vision.{own}": name for own, name in files.items()}
    prefixes = ("", "vision_model.", f"{vision.base_model_prefix}.", "vision_tower.", "vision_tower.vision_model.")
    return [KeyMap(names, prefix, unused=unused) for prefix in dict.fromkeys(prefixes)]


def names_in_files(model: Any) -> dict[str, str]:
    """The name under which transformers saves each tensor of a model on the meta device.

    Tensors that are saved in several pieces, such as the weights of experts, keep their own names.
    """
    from transformers.core_model_loading import revert_weight_conversion

    names = {}
    for name, tensor in model.state_dict().items():
        saved = list(revert_weight_conversion(model, {name: tensor}))
        names[name] = saved[0] if len(saved) == 1 else name
    return names


def differences(config: Description, released: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The settings that the recipe and the released config state differently."""
    if isinstance(released.get(config.part), Mapping):
        released = released[config.part]
    stated = config.stated
    expected = stated["model_type"]
    model_type = released.get("model_type", expected)
    if model_type != expected:
        raise ValueError(f"the directory holds a model of type '{model_type}', but the recipe has '{expected}'")
    return {
        name: (stated[name], released[name])
        for name in stated.keys() & released.keys()
        if name not in _FREE and not name.endswith(_FREE_ENDINGS) and stated[name] != released[name]
    }


BACKBONE = Released(backbone_keys, differences)
ENCODER = Released(encoder_keys, differences)
