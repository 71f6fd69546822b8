"""The work of a batch, and the most a device could do: tokens per second and MFU follow from them."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import torch
from attrs import frozen

from ...errors import JaniformError
from ...measure.content import content_of
from ...measure.gpus import GPUS
from ...measure.work import ForwardWork, Work, forward_work, training_work
from ...model.lora import adapters_of, attach_alike
from ...model.modules import build_modules
from ...model.unified_model import UnifiedModel
from ...sequence.batch import Batch


@frozen
class BatchWork:
    """Of one batch: positions that are not padding, all positions, and FLOPs of a training step, 0 if unknown."""

    tokens: int = 0
    positions: int = 0
    flops: float = 0.0

    def __add__(self, other: BatchWork) -> BatchWork:
        return BatchWork(self.tokens + other.tokens, self.positions + other.positions, self.flops + other.flops)


@frozen
class Throughput:
    """Reads the work of batches of sequences; that of other kinds of batches is unknown."""

    work: Work | None
    device: torch.device
    dtype: torch.dtype

    @classmethod
    def of(cls, model: UnifiedModel, trained: Iterable[str], dtype: torch.dtype) -> Throughput:
        """The throughput of a stage that trains the named parameters in ``dtype``."""
        try:
            work = training_work(model.plan, _forward(model), trained)
        except JaniformError:  # a factory fails on the meta device: MFU is unknown
            work = None
        return cls(work, model.device, dtype)

    def read(self, batch: Any) -> BatchWork:
        """The work of a batch, which is still on the CPU."""
        if not isinstance(batch, Batch):
            return BatchWork()
        content = content_of(batch)
        return BatchWork(content.tokens, content.positions, 0.0 if self.work is None else self.work.of(content))

    def peak(self) -> float:
        """FLOPs per second of the device: of its data sheet, or as measured on a matrix product."""
        return peak_flops(self.device, self.dtype)


_FORWARD_WORK: WeakKeyDictionary[UnifiedModel, ForwardWork] = WeakKeyDictionary()


def _forward(model: UnifiedModel) -> ForwardWork:
    if adapters_of(model):
        modules = build_modules(model.plan, device="meta")
        attach_alike(model, modules)
        return forward_work(model.plan, modules)
    if model not in _FORWARD_WORK:
        _FORWARD_WORK[model] = forward_work(model.plan)
    return _FORWARD_WORK[model]


@lru_cache
def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """FLOPs per second of a device in a data type.

    For a GPU in the table this is the data sheet's figure for bfloat16, otherwise the best of a few large matrix
    products.
    """
    if device.type == "cuda" and dtype == torch.bfloat16:
        name = torch.cuda.get_device_name(device)
        listed = next((gpu for gpu in GPUS.values() if any(part in name for part in gpu.driver_names)), None)
        if listed is not None:
            return listed.tflops * 1e12
    side = 4096 if device.type == "cuda" else 768
    matrix = torch.ones(side, side, device=device, dtype=dtype)
    best = float("inf")
    for _ in range(6):
        _wait(device)
        began = time.perf_counter()
        torch.mm(matrix, matrix)
        _wait(device)
        best = min(best, time.perf_counter() - began)
    return 2 * side**3 / best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def memory_peak(device: torch.device) -> int:
    """Peak bytes in use so far: of tensors on a GPU, of the process on a CPU; 0 where that is unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return 0
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
