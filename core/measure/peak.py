"""The peak memory of a call, traced on the meta device, where nothing is allocated."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ..model.meta import tensors_on


def peak(call: Callable[[], Any], modules: Iterable[nn.Module] = ()) -> int | None:
    """The most bytes of tensors made by a call that exist at the same time, its result among them.

    Not counted are the weights of ``modules``, the workspace of kernels, and the scores of attention, which fused
    kernels never hold at once. None where the code cannot run on meta tensors.
    """
    live = _LiveTensors(tensor for module in modules for tensor in (*module.parameters(), *module.buffers()))
    try:
        with torch.no_grad(), tensors_on("meta"), _Fused(), live:
            call()
    except Exception:  # any plugin's code runs here, and whatever it raises means that it cannot be traced
        return None
    return live.peak


class _LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own class has no types
    """Counts the bytes of the storages that operations make, until they are freed."""

    def __init__(self, uncounted: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._now = 0
        self._alive = {tensor.untyped_storage()._cdata for tensor in uncounted}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, Tensor):
                self._count(value.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._alive:
            return
        self._alive.add(key)
        size = storage.nbytes()
        self._now += size
        self.peak = max(self.peak, self._now)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._alive.discard(key)
        self._now -= size


class _Fused(TorchFunctionMode):
    """Replaces attention, which the meta device computes step by step, by the result of a fused kernel."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is scaled_dot_product_attention:
            query, _, value = args[:3]
            return query.new_empty((*query.shape[:-1], value.shape[-1]))
        return func(*args, **(kwargs or {}))
