"""Sums over the steps between two log lines, kept on the device and read back once."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from ...loss import Loss
from ..checkpoints.checkpoint import Position
from ..distributed.process_group import ALONE, ProcessGroup
from ..progress.log import LogEntry
from .optim import Clipped
from .throughput import BatchWork, Throughput, memory_peak


class StepMetrics:
    """Adds up losses, figures and times; only ``entry`` waits for the device.

    Args:
        throughput: reads the work of batches; without it tokens and MFU are unknown.
        group: the processes that share every step; each of them must ask for every entry.
    """

    def __init__(self, throughput: Throughput | None = None, group: ProcessGroup = ALONE) -> None:
        self._throughput = throughput
        self._group = group
        self._clear()

    def _clear(self) -> None:
        self._sums: dict[tuple[str, str], Tensor] = {}
        self._steps = 0
        self._samples = 0
        self._waited = 0.0
        self._work = BatchWork()
        self._began = time.perf_counter()

    def read(self, batches: Iterable[Any]) -> None:
        """Add the work of this process' batches of a step, which are still on the CPU."""
        if self._throughput is not None:
            self._work = sum(map(self._throughput.read, batches), self._work)

    def add(
        self,
        losses: Mapping[str, Loss],
        figures: Mapping[str, Tensor],
        clipped: Clipped,
        *,
        samples: int,
        waited: float,
    ) -> None:
        """Add a step. Values of a step that is not finite are left out of the sums."""
        finite = 1 - clipped.not_finite
        for name, loss in losses.items():
            self._add("total", name, torch.where(finite > 0, loss.total.detach().float(), 0.0))
            self._add("count", name, loss.count.detach().float() * finite)
        for name, figure in figures.items():
            self._add("figure", name, torch.where(finite > 0, figure.detach().float(), 0.0))
        self._add("step", "norm", torch.where(finite > 0, clipped.norm, 0.0))
        self._add("step", "not finite", clipped.not_finite)
        self._add("step", "idle", clipped.idle)
        self._steps += 1
        self._samples += samples
        self._waited += waited

    def _add(self, kind: str, name: str, value: Tensor) -> None:
        key = (kind, name)
        self._sums[key] = self._sums[key] + value if key in self._sums else value

    def entry(self, position: Position, steps: int, learning_rate: float) -> LogEntry:
        """The means since the last call; none where no step was finite."""
        keys = list(self._sums)
        values = dict(zip(keys, torch.stack([self._sums[key].double() for key in keys]).tolist(), strict=True))
        elapsed = max(time.perf_counter() - self._began, 1e-9)
        not_finite, idle = round(values["step", "not finite"]), round(values["step", "idle"])
        finite = self._steps - not_finite
        means = {name: value / finite for (kind, name), value in values.items() if kind == "figure" and finite}
        counts = {name: round(value) for (kind, name), value in values.items() if kind == "count"}
        memory = 0 if self._throughput is None else memory_peak(self._throughput.device)
        of_all = self._group.gather((self._work, memory))
        work = sum((work for work, _ in of_all), BatchWork())
        peak = 0.0 if self._throughput is None else self._throughput.peak() * len(of_all)
        entry = LogEntry(
            stage=position.stage,
            step=position.step,
            steps=steps,
            total=position.total,
            losses={
                name: values["total", name] / max(count, 1)
                for name, count in counts.items()
                if values["count", name] > 0
            },
            figures={name: mean for name, mean in means.items() if isfinite(mean)},
            learning_rate=learning_rate,
            grad_norm=values["step", "norm"] / finite if finite else None,
            samples_per_second=self._samples / elapsed,
            data_wait=self._waited / elapsed,
            skipped_steps=not_finite + idle,
            idle_steps=idle,
            time=position.seconds,
            predictions=counts,
            tokens=work.tokens or None,
            tokens_per_second=work.tokens / elapsed if work.tokens else None,
            packing=work.tokens / work.positions if work.positions else None,
            mfu=work.flops / elapsed / peak if work.flops else None,
            memory=max(memory for _, memory in of_all),
        )
        self._clear()
        return entry
