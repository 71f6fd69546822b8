"""What the tensors of bridged models are called in their directories: as transformers calls them, or a part of it.

Here torch and transformers are needed: the names are known once a part is made, for which the meta device is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from janiform import KeyMap, Released

from .backbone import BridgedBackbone
from .config import BridgedBackboneConfig, BridgedEncoderConfig
from .description import Description
from .encoder import made, watch

_FREE = ("vocab_size", "initializer_range", "max_position_embeddings", "image_size", "num_labels")
_FREE_ENDINGS = ("_token_id", "dropout", "pdrop", "dropout_prob", "_token_index")
"""Settings that may differ from those that the weights were trained with."""

_COUNTED = "it follows from the config"
_IDLE = "the features do not depend on it"


def backbone_keys(config: BridgedBackboneConfig) -> list[KeyMap]:
    """Those of the whole model, of one inside of a larger model, and of the base model alone."""
    with torch.device("meta"):
        causal = BridgedBackbone(config).causal
    files = names_in_files(causal)
    base = f"{causal.base_model_prefix}."
    inner = f"{base}language_model."
    named = dict(causal.named_parameters(remove_duplicate=False))
    table = causal.get_input_embeddings().weight
    read = files[next(name for name, value in named.items() if value is table)]
    head = causal.get_output_embeddings()
    tied = [name for name, value in named.items() if head is not None and value is head.weight and files[name] != read]
    repeats = {files[name]: read for name in tied if causal.config.tie_word_embeddings}
    outer = [name for name in files.values() if not name.startswith(base)]
    unused = dict.fromkeys(
        ("{rest}.inv_freq", "{rest}.attn.bias", "{rest}.masked_bias", "{rest}.attention.bias"), _COUNTED
    )

    def moved(target: str) -> dict[str, str | tuple[str, ...]]:
        return {f"causal.{ours}": target + name.removeprefix(base) if name.startswith(base) else name
                for ours, name in files.items()}  # fmt: skip

    return [
        KeyMap(moved(base), unused=unused, repeats=repeats, within=(base, *outer)),
        KeyMap(moved(base), "language_model.", unused=unused, repeats=repeats),
        KeyMap(
            moved(inner),
            unused=unused,
            repeats={name: read.replace(base, inner, 1) for name in repeats},
            within=(inner, *outer),
        ),
        KeyMap(moved(""), unused=unused, repeats={name: read.removeprefix(base) for name in repeats}),
    ]


def encoder_keys(config: BridgedEncoderConfig) -> list[KeyMap]:
    """Those of the vision model alone, and of one inside of a larger model."""
    with torch.device("meta"):
        vision = made(config)
    files = names_in_files(vision)
    idle = dict.fromkeys((files[name] for name in watch(config)[1]), _IDLE)
    idle |= dict.fromkeys(("head.{rest}", "pooler.{rest}"), _IDLE)
    unused = idle | {"embeddings.position_ids": _COUNTED}
    names = {f"vision.{ours}": name for ours, name in files.items()}
    prefixes = ("", "vision_model.", f"{vision.base_model_prefix}.", "vision_tower.", "vision_tower.vision_model.")
    return [KeyMap(names, prefix, unused=unused) for prefix in dict.fromkeys(prefixes)]


def names_in_files(model: Any) -> dict[str, str]:
    """What transformers calls each tensor of a model on the meta device where it saves it.

    What it saves in several pieces, as the weights of experts, keeps its own name.
    """
    from transformers.core_model_loading import revert_weight_conversion

    names = {}
    for name, tensor in model.state_dict().items():
        saved = list(revert_weight_conversion(model, {name: tensor}))
        names[name] = saved[0] if len(saved) == 1 else name
    return names


def differences(config: Description, said: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The settings that both say, and say differently."""
    if isinstance(said.get(config.part), Mapping):
        said = said[config.part]
    ours = config.said
    kind = said.get("model_type", ours["model_type"])
    if kind != ours["model_type"]:
        raise ValueError(f"the directory holds a model of type '{kind}', and the recipe has '{ours['model_type']}'")
    return {
        name: (ours[name], said[name])
        for name in ours.keys() & said.keys()
        if name not in _FREE and not name.endswith(_FREE_ENDINGS) and ours[name] != said[name]
    }


BACKBONE = Released(backbone_keys, differences)
ENCODER = Released(encoder_keys, differences)
