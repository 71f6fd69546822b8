"""The rule of each operation."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch

from .layers import addmm, bmm, convolution, embedding, group_norm, layer_norm, mm, nll_loss, resized
from .making import cat, filled_like, from_numbers, random, roll, stack, triangle
from .pointwise import in_place, normal, pointwise, uniform
from .reductions import argmin, cumsum, mean, norm, softmax, total

aten = torch.ops.aten


_RULES: dict[Any, Callable[..., Any] | None] = {
    aten.addmm.default: addmm,
    aten.arange.default: from_numbers(aten.arange.default),
    aten.arange.start: from_numbers(aten.arange.start),
    aten.arange.start_step: from_numbers(aten.arange.start_step),
    aten.argmax.default: argmin,
    aten.argmin.default: argmin,
    aten.bmm.default: bmm,
    aten.cat.default: cat,
    aten.convolution.default: convolution,
    aten.cumsum.default: cumsum,
    aten.embedding.default: embedding,
    aten.floor_divide.default: pointwise,
    aten.full_like.default: filled_like,
    aten.linalg_vector_norm.default: norm,
    aten.linspace.default: from_numbers(aten.linspace.default),
    aten._log_softmax.default: softmax,
    aten.masked_fill.Scalar: None,  # pointwise, with a layout of its own
    aten.masked_fill.Tensor: None,
    aten.mean.dim: mean,
    aten.mm.default: mm,
    aten.native_group_norm.default: group_norm,
    aten.native_layer_norm.default: layer_norm,
    aten.nll_loss_forward.default: nll_loss,
    aten.normal_.default: normal,
    aten.rand.default: random,
    aten.randn.default: random,
    aten.roll.default: roll,
    aten._safe_softmax.default: softmax,
    aten._softmax.default: softmax,
    aten.stack.default: stack,
    aten.sum.dim_IntList: total,
    aten.tril.default: triangle,
    aten.uniform_.default: uniform,
    aten.upsample_bicubic2d.default: resized,
    aten._upsample_bicubic2d_aa.default: resized,
    aten.upsample_bilinear2d.default: resized,
    aten.upsample_nearest2d.default: resized,
}


@cache
def rule_of(func: Any) -> Callable[..., Any] | None:
    """The rule of an operation; None where it has none, and torch computes the result."""
    if func in _RULES:
        return _RULES[func]
    if torch.Tag.pointwise not in func.tags or torch.Tag.nondeterministic_seeded in func.tags:
        return None
    if not func._schema.is_mutable:
        return pointwise
    return in_place if func._schema.name.endswith("_") else None
