"""Weights in the order in which a CPU multiplies them, for linear layers that decoding reads in every step.

A product of a few rows takes as long as reading the weight once, if the kernel reads it in one sweep. The plain product
in bfloat16 does not: on a processor with AVX-512, one with weights that oneDNN packed takes 0.3 to 0.7 of its time for
1 to 16 rows, and no longer for many. The results differ by the rounding of sums alone.

N outputs    K inputs
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

if TYPE_CHECKING:
    from ..model.unified_model import UnifiedModel

_SMALLEST = 1 << 18
"""Numbers that a weight must have to be packed: smaller ones stay in the processor's cache."""

_ROWS = 2
"""The number of rows that the order of the weights is made for; others take as long within the noise."""


class PackedLinear(nn.Module):
    """x @ weightᵀ + bias, as ``nn.Linear``, with a weight [N, K] that its first product without gradients packs.

    The packed weight takes the place of the plain one, so memory stays as it was. ``weight`` and the state dict have
    the plain one, unpacked when it is asked for.
    """

    packed: Tensor
    bias: Tensor | None

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.register_buffer("packed", layer.weight.detach(), persistent=False)
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach())

    @property
    def weight(self) -> Tensor:
        """The weight [N, K]."""
        return self.packed.to_dense() if self._is_packed else self.packed

    @property
    def _is_packed(self) -> bool:
        return self.packed.is_mkldnn

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() or x.dtype != self.packed.dtype or x.device.type != "cpu":
            return linear(x, self.weight, self.bias)
        if not self._is_packed:
            if self.packed.device.type != "cpu":
                return linear(x, self.packed, self.bias)
            self.packed = torch.ops.mkldnn._reorder_linear_weight(self.packed, _ROWS)
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")
        return product

    def _save_to_state_dict(self, destination: dict[str, Tensor], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "weight"] = self.weight

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        # Packed tensors cannot be moved or converted.
        self.packed = self.weight
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def __deepcopy__(self, memo: dict[int, Any]) -> PackedLinear:
        # Packed tensors cannot be copied; what takes their place in a copy may be given.
        copied = nn.Module.__new__(PackedLinear)
        nn.Module.__init__(copied)
        copied.in_features, copied.out_features = self.in_features, self.out_features
        given = memo.get(id(self.packed))
        copied.register_buffer("packed", self.weight.clone() if given is None else given, persistent=False)
        copied.register_buffer("bias", copy.deepcopy(self.bias, memo))
        return copied

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


def packable(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether packed weights of a data type are multiplied faster: bfloat16 on a CPU with instructions for it."""
    return (
        dtype == torch.bfloat16
        and device.type == "cpu"
        and bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
        and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    )


def pack_weights(model: UnifiedModel) -> None:
    """Replace the linear layers that decoding reads in every step, those of the backbone and of heads.

    The layer over the vocabulary stays as it is where another part reads its weight.
    """
    borrowed = any(callable(getattr(module, "borrow", None)) for module in model.modules())
    vocabulary = model.plan.hidden.vocabulary
    for path, part in model.built_parts().items():
        if path != "backbone" and not path.endswith(".head"):
            continue
        for name, layer in list(part.named_modules()):
            if type(layer) is not nn.Linear or not name:  # a subclass may do more than multiply
                continue
            if borrowed and layer.out_features == vocabulary:
                continue
            weight = layer.weight
            if math.prod(weight.shape) >= _SMALLEST and packable(weight.dtype, weight.device):
                part.set_submodule(name, PackedLinear(layer))
