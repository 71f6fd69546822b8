"""What the config beside a vision transformer's weights says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from janiform import KeyMap, Released

from .config import VitConfig

_ACTIVATIONS = {"gelu": "gelu", "gelu_pytorch_tanh": "gelu-tanh", "gelu_new": "gelu-tanh", "quick_gelu": "quick-gelu"}

_SAID = {
    "patch_size": "patch_size",
    "width": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "eps": "layer_norm_eps",
}


def released(keys: Callable[[Any], Sequence[KeyMap]], *types: str) -> Released:
    """For the names of the tensors, and the types of transformers' models that ours computes."""

    def differences(config: VitConfig, said: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
        if isinstance(said.get("vision_config"), Mapping):  # of a model that sees and reads
            said = {"model_type": types[0], **said["vision_config"]}
        kind = said.get("model_type")
        if kind is not None and kind not in types:
            raise ValueError(f"the directory holds a model of type '{kind}', and this encoder computes {types[0]}")
        theirs = {name: said[key] for name, key in _SAID.items() if said.get(key) is not None}
        if hasattr(config, "activation") and said.get("hidden_act") is not None:
            theirs["activation"] = _ACTIVATIONS.get(said["hidden_act"], said["hidden_act"])
        ours = {name: getattr(config, name) for name in theirs}
        return {name: (ours[name], value) for name, value in theirs.items() if ours[name] != value}

    return Released(keys, differences)
