"""Linear layers whose weight lies in files in several pieces, which are joined when the weight is first needed.

N outputs    K inputs
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


class PiecewiseLinear(nn.Module):
    """x @ weightᵀ + bias, as ``nn.Linear``, for inference. The weight [N, K] is its pieces [n, K], one below another.

    The first product, or the first look at ``weight``, joins the pieces and lets go of them. The state dict has the
    joined weight.
    """

    in_features: int
    out_features: int
    bias: Tensor | None

    def __init__(self, layer: nn.Linear | PiecewiseLinear, pieces: Sequence[Tensor]) -> None:
        """``layer`` gives the sizes and the bias; its weight is not looked at."""
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach())
        self._hold(pieces)

    @property
    def pieces(self) -> tuple[Tensor, ...]:
        """The pieces of the weight; a single one once they are joined."""
        buffers = self._buffers
        return tuple(held for name, held in buffers.items() if name.startswith("piece") and held is not None)

    def _hold(self, pieces: Sequence[Tensor]) -> None:
        # The dictionary is replaced whole, so that another thread sees either all old pieces or all new ones.
        named = {f"piece{number}": piece.detach() for number, piece in enumerate(pieces)}
        self._buffers = {"bias": self._buffers["bias"], **named}
        self._non_persistent_buffers_set = set(named)

    @property
    def weight(self) -> Tensor:
        """The weight [N, K]."""
        pieces = self.pieces
        if len(pieces) > 1:
            pieces = (torch.cat(pieces),)
            self._hold(pieces)
        return pieces[0]

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)

    def _save_to_state_dict(self, destination: dict[str, Tensor], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "weight"] = self.weight

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        name, shape = prefix + "weight", (self.out_features, self.in_features)
        weight = state_dict.get(name)
        if not isinstance(weight, Tensor):
            missing_keys.extend([name] if strict else [])
        elif weight.shape != shape:
            error_msgs.append(f"{name} must have the shape {list(shape)}, got {list(weight.shape)}")
        else:
            old = self.pieces[0]
            self._hold((weight.to(old.device, old.dtype, copy=True),))
        others = {key: value for key, value in state_dict.items() if key != name}
        super()._load_from_state_dict(others, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        # The pieces are joined first, so that they are moved or converted once.
        self._hold((self.weight,))
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def __deepcopy__(self, memo: dict[int, Any]) -> PiecewiseLinear:
        # What takes the place of a tensor in a copy may be given. Packed weights cannot be copied.
        given = [memo.get(id(piece)) for piece in self.pieces]
        copied = nn.Module.__new__(type(self))
        pieces = [piece for piece in given if piece is not None]
        PiecewiseLinear.__init__(copied, self, pieces if len(pieces) == len(given) else [self.weight.clone()])
        copied.bias = copy.deepcopy(self.bias, memo)
        return copied

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
