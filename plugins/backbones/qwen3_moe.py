"""Qwen3 with a mixture of experts: the MLP of most layers is replaced by experts, of which a few run per position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from attrs import field, frozen, validators

from .qwen3 import Qwen3Config

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen(kw_only=True)
class Qwen3MoeConfig(Qwen3Config):
    """A decoder like Qwen3 whose sparse layers send each position through ``active`` of ``experts`` MLPs."""

    model_types: ClassVar[tuple[str, ...]] = ("qwen3_moe",)

    experts: int = field(default=8, validator=validators.gt(0), metadata={"help": "number of experts per sparse layer"})
    active: int = field(
        default=2, validator=validators.gt(0), metadata={"help": "number of experts that run per position"}
    )
    expert_inner: int = field(
        default=256, validator=validators.gt(0), metadata={"help": "inner width of each expert's gated MLP"}
    )
    normalised: bool = field(
        default=True, metadata={"help": "divide the weights of a position's experts by their sum (norm_topk_prob)"}
    )
    sparse_step: int = field(
        default=1,
        validator=validators.gt(0),
        metadata={"help": "number of layers of which the last is sparse (decoder_sparse_step); 1 means that all are"},
    )
    dense_layers: tuple[int, ...] = field(
        default=(), metadata={"help": "numbers of layers, from 0, that are not sparse (mlp_only_layers)"}
    )
    balance: float = field(
        default=0.001,
        validator=validators.ge(0),
        metadata={
            "help": "weight of the loss that balances the use of experts in each document, where a stage names none; 0 "
            "disables it (router_aux_loss_coef)"
        },
    )
    z_loss: float = field(
        default=0.0,
        validator=validators.ge(0),
        metadata={"help": "weight of the router's z-loss (arXiv:2202.08906), where a stage names none; 0 disables it"},
    )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.routes:
            raise ValueError("routes are not supported: experts already divide the weights among positions")
        if self.active > self.experts:
            raise ValueError(f"active {self.active} exceeds the number of experts {self.experts}")
        if wrong := [layer for layer in self.dense_layers if not 0 <= layer < self.layers]:
            raise ValueError(f"dense_layers has {wrong[0]}, expected numbers from 0 to {self.layers - 1}")

    def is_sparse(self, layer: int) -> bool:
        """Whether a layer, counted from 0, has experts."""
        return layer not in self.dense_layers and (layer + 1) % self.sparse_step == 0


_ALL = {
    "head_width": 128,
    "kv_heads": 4,
    "vocabulary": 151_936,
    "context": 40_960,
    "rope_theta": 1_000_000.0,
    "eps": 1e-6,
    "experts": 128,
    "active": 8,
}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "30b-a3b": {**_ALL, "width": 2048, "inner": 6144, "layers": 48, "heads": 32, "expert_inner": 768},
    "235b-a22b": {**_ALL, "width": 4096, "inner": 12_288, "layers": 94, "heads": 64, "expert_inner": 1536},
}
