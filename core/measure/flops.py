"""Floating-point operations of a forward, or of a step, counted on the meta device; a multiply-add is two.

Counted are matrix products, convolutions and attention. Norms, activations and softmax are not: they are below a
hundredth of the whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import flop_registry

from ..model.meta import MetaShapes, tensors_on
from ..sequence.mask import Mask


def count(call: Callable[[], Any]) -> int | None:
    """FLOPs of a call on meta tensors; None where it cannot run on them, as when it needs a value."""
    counter = _Counter()
    try:
        with torch.no_grad(), tensors_on("meta"), counter:
            call()
    except Exception:  # a plugin's code may raise anything; the closed form is used then
        return None
    return counter.total


def of_step(minimised: Callable[[], Tensor]) -> int:
    """FLOPs of a forward pass, and of the backward pass from the scalar that it returns, on meta tensors.

    Raises whatever the code raises on tensors without values.
    """
    counter = _Counter()
    with tensors_on("meta"), counter:
        loss = minimised()
        if loss.requires_grad:
            torch.autograd.backward(loss)
    return counter.total


def of_operation(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> int:
    """FLOPs of an operation and its result; 0 for those that are not counted."""
    formula = _FORMULAS.get(func.overloadpacket)
    return 0 if formula is None else int(formula(*args, **kwargs, out_val=result))


def _fused(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    """Attention on a CPU, which torch has no formula for: queries by keys, and scores by values."""
    return 2 * math.prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def _fused_backward(gradient: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    """Its backward, in which every product becomes two; the scores that it recomputes are not counted."""
    return 2 * _fused(query, key, value)


_FORMULAS: Mapping[Any, Callable[..., Any]] = {
    **flop_registry,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _fused,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _fused_backward,
}


class _Counter(MetaShapes):  # type: ignore[no-untyped-call]  # torch's own class has no types
    """Sum torch's own formulas over the operations that have one."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def after(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> None:
        self.total += of_operation(func, args, kwargs, result)


def by_weights(module: nn.Module, tokens: int) -> int:
    """The closed form 2 · weights · tokens, over the weights that are multiplied with every token.

    Exact for linear layers; without attention's products of queries and keys, and too low for convolutions that are
    applied at more positions than there are tokens.
    """
    tables = {id(part.weight) for part in module.modules() if isinstance(part, nn.Embedding)}
    matrices = (p for p in module.parameters() if p.ndim >= 2 and id(p) not in tables)
    return 2 * tokens * sum(p.numel() for p in matrices)


_POSITIONS = 64
"""Positions of the shorter traced forward."""


def of_backbone(backbone: nn.Module, width: int, layers: int) -> tuple[int, int]:
    """FLOPs per position, and FLOPs per position and key.

    Solved from forward passes over T and 2·T positions: a·T + b·T², where all T² scores are computed. T is a multiple
    of the usual chunk of recurrent layers, within which they also compute T² scores.
    """

    def over(positions: int) -> Callable[[], Any]:
        def run() -> Any:
            embeddings = torch.empty(1, positions, width, device="meta")
            return backbone(embeddings, torch.zeros(1, positions, dtype=torch.int64, device="meta"), Mask.causal())

        return run

    one, two = count(over(_POSITIONS)), count(over(2 * _POSITIONS))
    if one is None or two is None:
        return by_weights(backbone, 1), 4 * width * layers
    per_key = (two - 2 * one) // (2 * _POSITIONS**2)
    return (one - per_key * _POSITIONS**2) // _POSITIONS, per_key


def of_logits(backbone: Any, width: int, vocabulary: int) -> int:
    """FLOPs of the text logits of one position."""
    counted = count(lambda: backbone.logits(torch.empty(1, width, device="meta")))
    return 2 * width * vocabulary if counted is None else counted


def of_call(module: nn.Module, call: Callable[[Tensor], Any], shape: tuple[int, ...], tokens: int) -> int:
    """FLOPs of ``call`` on floats of a shape; the closed form over ``tokens`` where it cannot be traced."""
    counted = count(lambda: call(torch.empty(shape, device="meta")))
    return by_weights(module, tokens) if counted is None else counted
