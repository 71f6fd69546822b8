"""How much a batch asks for, and how much a device could do: what tokens a second and MFU are made of."""

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
from ...measure.amounts import amounts_of
from ...measure.gpus import GPUS
from ...measure.work import ForwardWork, Work, forward_work, training_work
from ...model.lora import adapters_of, attach_alike
from ...model.modules import build_modules
from ...model.unified_model import UnifiedModel
from ...sequence.batch import Batch


@frozen
class Reading:
    """Of one batch: positions that are not padding, all of them, and FLOPs of its step where they are known."""

    tokens: int = 0
    positions: int = 0
    flops: float = 0.0

    def __add__(self, other: Reading) -> Reading:
        return Reading(self.tokens + other.tokens, self.positions + other.positions, self.flops + other.flops)


@frozen
class Gauge:
    """Reads batches of sequences; of an objective's own kinds of batches nothing is known."""

    work: Work | None
    device: torch.device
    dtype: torch.dtype

    @classmethod
    def of(cls, model: UnifiedModel, trained: Iterable[str], dtype: torch.dtype) -> Gauge:
        """The gauge of a stage that trains the parameters of these names, computing in ``dtype``."""
        try:
            work = training_work(model.plan, _forward(model), trained)
        except JaniformError:  # a factory that fails on the meta device: the run can do without MFU
            work = None
        return cls(work, model.device, dtype)

    def read(self, batch: Any) -> Reading:
        """What a batch, still on the CPU, asks for."""
        if not isinstance(batch, Batch):
            return Reading()
        amounts = amounts_of(batch)
        return Reading(amounts.tokens, amounts.positions, 0.0 if self.work is None else self.work.of(amounts))

    def peak(self) -> float:
        """FLOPs a second that the device can do: of its data sheet, or as measured on a matrix product."""
        return peak_flops(self.device, self.dtype)


_KNOWN: WeakKeyDictionary[UnifiedModel, ForwardWork] = WeakKeyDictionary()


def _forward(model: UnifiedModel) -> ForwardWork:
    if adapters_of(model):
        modules = build_modules(model.plan, device="meta")
        attach_alike(model, modules)
        return forward_work(model.plan, modules)
    if model not in _KNOWN:
        _KNOWN[model] = forward_work(model.plan)
    return _KNOWN[model]


@lru_cache
def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """FLOPs a second that a device can do in a type.

    Of a GPU that the table knows it is the data sheet's figure for bfloat16; of everything else what the best of a few
    large matrix products reaches.
    """
    if device.type == "cuda" and dtype == torch.bfloat16:
        name = torch.cuda.get_device_name(device)
        known = next((gpu for gpu in GPUS.values() if any(said in name for said in gpu.said)), None)
        if known is not None:
            return known.tflops * 1e12
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
    """The most bytes that were in use so far: of tensors on a GPU, of the process on a CPU; 0 where nobody says."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return 0
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
