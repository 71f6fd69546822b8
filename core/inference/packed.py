"""Weights in the order in which a CPU multiplies them, for linear layers that decoding reads in every step.

A product of a few rows takes as long as reading the weight once, if the kernel reads it in one sweep. The plain product
in bfloat16 does not: on a processor with AVX-512, one with weights that oneDNN packed takes 0.3 to 0.7 of its time for
1 to 16 rows, and no longer for many. The results differ by the rounding of sums alone.

N outputs    K inputs
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from ..storage.piecewise import PiecewiseLinear

if TYPE_CHECKING:
    from ..model.unified_model import UnifiedModel

_SMALLEST = 1 << 18
"""Numbers that a weight must have to be packed: smaller ones stay in the processor's cache."""

_ROWS = 2
"""The number of rows that the order of the weights is made for; others take as long within the noise."""


class PackedLinear(PiecewiseLinear):
    """x @ weightᵀ + bias, as ``nn.Linear``, with a weight [N, K] that its first product without gradients packs.

    The packed weight takes the place of the plain one, so memory stays as it was. ``weight`` and the state dict have
    the plain one, unpacked when it is asked for.
    """

    def __init__(self, layer: nn.Linear | PiecewiseLinear) -> None:
        super().__init__(layer, layer.pieces if isinstance(layer, PiecewiseLinear) else (layer.weight,))

    @property
    def packed(self) -> Tensor | None:
        """The packed weight; None before the first product."""
        held = self.pieces[0]
        return held if held.is_mkldnn else None

    @property
    def weight(self) -> Tensor:
        """The weight [N, K]."""
        packed = self.packed
        return super().weight if packed is None else packed.to_dense()

    def forward(self, x: Tensor) -> Tensor:
        packed = self.packed
        held = self.pieces[0] if packed is None else packed
        if torch.is_grad_enabled() or x.dtype != held.dtype or not x.device.type == held.device.type == "cpu":
            return linear(x, self.weight, self.bias)
        if packed is None:
            packed = torch.ops.mkldnn._reorder_linear_weight(self.weight, _ROWS)
            self._hold((packed,))
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, packed, self.bias, "none", [], "")
        return product


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
            if type(layer) not in (nn.Linear, PiecewiseLinear) or not name:  # a subclass may do more than multiply
                continue
            if borrowed and layer.out_features == vocabulary:
                continue
            pieces = layer.pieces if isinstance(layer, PiecewiseLinear) else (layer.weight,)
            is_large = sum(piece.numel() for piece in pieces) >= _SMALLEST
            if is_large and all(packable(piece.dtype, piece.device) for piece in pieces):
                part.set_submodule(name, PackedLinear(layer))
