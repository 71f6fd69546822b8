"""Shapes on the meta device: as torch's own, and without its compiler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from janiform.model.meta import MetaShapes
from torch import Tensor, nn
from torch.nn import functional

CALLS: dict[str, Callable[[], Any]] = {
    "broadcast": lambda: ones(3, 1, 5) + ones(4, 1),
    "types": lambda: (ones(2, 3) * ones(2, 3).bfloat16(), ones(2) * torch.ones((), dtype=torch.float64)),
    "integers": lambda: (torch.arange(6) / 2, torch.arange(1, 7, 2) // 2, torch.arange(4) > 1, torch.arange(3) % 2),
    "kept layout": lambda: ones(2, 3, 4).transpose(1, 2) + ones(2, 4, 3),
    "expanded": lambda: ones(1, 4).expand(3, 4) * 2,
    "reshaped copy": lambda: (ones(2, 3, 4).transpose(1, 2) * 2).flatten(1),
    "in place": lambda: ones(2, 3).normal_().mul_(2),
    "where": lambda: torch.where(ones(2, 3) > 0, ones(2, 3), ones(3)),
    "reductions": lambda: (
        ones(2, 3).mean(-1),
        ones(2, 3).sum(0, keepdim=True),
        ones(2, 3).sum(),
        ones(2, 3).argmin(1),
    ),
    "softmax": lambda: (ones(2, 3).softmax(-1), ones(2, 3).log_softmax(0)),
    "joined": lambda: (torch.cat([ones(2, 3), ones(4, 3)]), torch.stack([ones(2), ones(2)], -1)),
    "products": lambda: (ones(2, 3) @ ones(3, 4), ones(5, 2, 3) @ ones(5, 3, 4)),
    "norms": lambda: (
        functional.normalize(ones(2, 3), dim=-1),
        functional.layer_norm(ones(2, 3, 4), (4,)),
        functional.group_norm(ones(2, 4, 5, 5), 2),
        functional.rms_norm(ones(2, 4), (4,)),
    ),
    "convolution": lambda: nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3)(ones(1, 3, 9, 8)),
    "enlarged": lambda: functional.interpolate(ones(1, 2, 3, 4), scale_factor=2.0),
    "bicubic": lambda: functional.interpolate(ones(1, 2, 3, 4), (5, 6), mode="bicubic", antialias=True),
    "embedding": lambda: nn.Embedding(5, 3)(torch.zeros(2, 4, dtype=torch.int64)),
    "attention": lambda: functional.scaled_dot_product_attention(
        ones(1, 4, 3, 8), ones(1, 2, 5, 8), ones(1, 2, 5, 8), enable_gqa=True
    ),
    "cross entropy": lambda: functional.cross_entropy(ones(4, 7), torch.zeros(4, dtype=torch.int64), reduction="sum"),
    "initialised": lambda: nn.init.trunc_normal_(ones(3, 4)),
}


def ones(*shape: int) -> Tensor:
    return torch.ones(shape)


@pytest.mark.parametrize("name", CALLS)
def test_results_have_the_shape_and_type_of_torchs(name: str) -> None:
    with torch.no_grad():
        expected = CALLS[name]()
        with torch.device("meta"), MetaShapes():
            results = CALLS[name]()
    for result, tensor in zip(listed(results), listed(expected), strict=True):
        assert (result.device.type, result.shape, result.dtype) == ("meta", tensor.shape, tensor.dtype)


@pytest.mark.parametrize(
    "call",
    [lambda: ones(2, 3) + ones(4), lambda: ones(2, 3) @ ones(2, 3), lambda: nn.Conv2d(3, 4, 1)(ones(1, 2, 5, 5))],
)
def test_shapes_that_do_not_fit_are_refused(call: Callable[[], Any]) -> None:
    with torch.device("meta"), MetaShapes(), pytest.raises(RuntimeError):
        call()


def test_tensors_of_other_devices_are_computed() -> None:
    with MetaShapes():
        assert (torch.full((2,), 3.0) * 2).tolist() == [6.0, 6.0]


def listed(value: Any) -> tuple[Tensor, ...]:
    return value if isinstance(value, tuple) else (value,)
