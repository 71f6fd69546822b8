"""The tensors of a module by name, each once, and putting them back with every difference named."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..errors import Problem, StorageError


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers, detached; one that has several names comes once, under its first."""
    seen: set[int] = set()
    tensors = {}
    for name, tensor in module.state_dict(keep_vars=True).items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            tensors[name] = tensor.detach()
    return tensors


@torch.no_grad()
def put_back(module: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Copy tensors into a module that ``tensors_of`` would give the same names for.

    Raises:
        StorageError: one problem for every tensor that is missing, surplus or of another shape; nothing was copied.
    """
    own = tensors_of(module)
    problems = [Problem(f"the tensor {name} is missing", origin=None) for name in own if name not in tensors]
    problems += [Problem(f"the tensor {name} belongs to no part of the model") for name in tensors if name not in own]
    problems += [
        Problem(f"the tensor {name} has the shape {list(tensors[name].shape)}, the model wants {list(tensor.shape)}")
        for name, tensor in own.items()
        if name in tensors and tensors[name].shape != tensor.shape
    ]
    if problems:
        raise StorageError([Problem(f"{source}: {problem}") for problem in problems])
    for name, tensor in own.items():
        tensor.copy_(tensors[name])
