"""The base of bridged modules: buffers that are not saved keep the type that transformers created them in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn


class Bridged(nn.Module):
    """A module around a module of transformers.

    Buffers that are not saved, such as the frequencies of rotary positions, keep their type when weights are cast,
    since bfloat16 would shift every position.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        before = {key: (owner, buffer) for key, owner, buffer in _unsaved(self)}
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for key, _, after in _unsaved(self):
            owner, buffer = before[key]
            if after.dtype != buffer.dtype:
                owner._buffers[key.rpartition(".")[2]] = buffer.to(after.device)
        return self


def _unsaved(module: nn.Module) -> Iterator[tuple[str, nn.Module, Tensor]]:
    for prefix, owner in module.named_modules():
        for name in owner._non_persistent_buffers_set:
            buffer = owner._buffers.get(name)
            if buffer is not None and buffer.is_floating_point():
                yield f"{prefix}.{name}", owner, buffer


def set_aside(module: nn.Module, names: Iterable[str]) -> None:
    """Turn parameters that the output does not depend on into buffers that are neither trained nor saved."""
    for name in names:
        path, _, leaf = name.rpartition(".")
        owner = module.get_submodule(path)
        parameter = cast(nn.Parameter, owner._parameters.pop(leaf))
        owner.register_buffer(leaf, parameter.detach(), persistent=False)


def idle_parameters(module: nn.Module, output: Tensor) -> list[str]:
    """The names of parameters that an output does not depend on."""
    named = dict(module.named_parameters())
    gradients = torch.autograd.grad(output.sum(), list(named.values()), allow_unused=True)
    return [name for name, gradient in zip(named, gradients, strict=True) if gradient is None]
