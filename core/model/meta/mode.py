"""The mode in which operations on the meta device follow the rules."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from .pointwise import in_place, pointwise
from .rules import rule_of


def shapes_only(device: str | torch.device) -> AbstractContextManager[Any]:
    """A ``MetaShapes`` where the device is meta; nothing on other devices."""
    return MetaShapes() if torch.device(device).type == "meta" else nullcontext()


class _Dispatch:
    """The method of ``MetaShapes``. Where the class of a mode defines it itself, torch makes it import the compiler."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        result = _result(func, args, kwargs)
        if result is None:
            result = func(*args, **kwargs)
        self.after(func, args, kwargs, result)
        return result

    def after(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> None:
        """Called with every operation and its result."""


class MetaShapes(_Dispatch, TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own class has no types
    """Give operations on meta tensors results of the right shape, type and layout; those without a rule run in torch.

    Values are not filled in anywhere: random initialization and other operations in place do nothing.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]


def _result(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The result by a rule; None where there is none, or a tensor is empty or not on the meta device."""
    rule = rule_of(func)
    if rule is None:
        return None
    tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
    if not all(tensor.is_meta and tensor.numel() for tensor in tensors):
        return None
    if rule in (pointwise, in_place):
        return rule(func, args, kwargs, tensors)
    return rule(*args, **kwargs)
