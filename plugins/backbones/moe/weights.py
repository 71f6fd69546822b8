"""The names of a sparse decoder's tensors in released files: experts one by one, or stacked as in newer versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import evolve
from janiform import KeyMap, Released

from ..decoder.weights import RELEASED as DENSE

if TYPE_CHECKING:
    from ..qwen3_moe import Qwen3MoeConfig

_GATE_UP = "layers.{i}.mlp.expert_gate_up_proj.weight"
_DOWN = "layers.{i}.mlp.expert_down_proj.weight"
_ROUTER = "layers.{i}.mlp.router.weight"

_SETTINGS = {
    "active": "num_experts_per_tok",
    "normalised": "norm_topk_prob",
    "sparse_step": "decoder_sparse_step",
    "dense_layers": "mlp_only_layers",
    "expert_inner": "moe_intermediate_size",
}


def _with_experts(keys: KeyMap, experts: int, *, stacked: bool) -> KeyMap:
    """The names of a dense decoder with those of routers and experts."""
    norm = keys.names["layers.{i}.mlp_norm.weight"]
    assert isinstance(norm, str)
    mlp = norm.removesuffix("post_attention_layernorm.weight") + "mlp."
    if stacked:
        names: dict[str, Any] = {_GATE_UP: f"{mlp}experts.gate_up_proj", _DOWN: f"{mlp}experts.down_proj"}
    else:
        one = [f"{mlp}experts.{number}." for number in range(experts)]
        names = {
            _GATE_UP: tuple(f"{name}{half}_proj.weight" for name in one for half in ("gate", "up")),
            _DOWN: tuple(f"{name}down_proj.weight" for name in one),
        }
        if experts == 1:
            names[_DOWN] = names[_DOWN][0]
    names[_ROUTER] = f"{mlp}gate.weight"
    stacks = {_GATE_UP: experts, _DOWN: experts} if stacked else {}
    return evolve(keys, names={**names, **keys.names}, stacks=stacks)


def _keys(config: Qwen3MoeConfig) -> list[KeyMap]:
    dense = DENSE.keys(config)
    return [_with_experts(keys, config.experts, stacked=stacked) for keys in dense for stacked in (False, True)]


def _differences(config: Qwen3MoeConfig, released: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    assert DENSE.differences is not None
    differing = dict(DENSE.differences(config, released))
    if all(map(config.is_sparse, range(config.layers))):
        differing.pop("inner", None)  # no layer has it
    stated = {name: released.get(key) for name, key in _SETTINGS.items()}
    stated["experts"] = released.get("num_experts", released.get("num_local_experts"))  # of transformers since 5
    for name, value in stated.items():
        if value is None:
            continue
        value = tuple(value) if isinstance(value, list) else value
        if (configured := getattr(config, name)) != value:
            differing[name] = configured, value
    return differing


RELEASED = Released(_keys, _differences)
