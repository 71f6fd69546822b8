"""Sums over the steps between two log lines, kept on the device and read back once."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from ...loss import Loss
from ..checkpoints.checkpoint import Position
from ..distributed.process_group import ALONE, World
from ..progress.log import Entry
from .throughput import Gauge, Reading, memory_peak


class Meter:
    """Adds up losses, figures and times; only ``entry`` waits for the device.

    Args:
        gauge: reads how much batches ask for; without one nothing is said of tokens and MFU.
        world: the processes that share every step; each of them must ask for every entry.
    """

    def __init__(self, skipped_in_a_row: Tensor, gauge: Gauge | None = None, world: World = ALONE) -> None:
        self._gauge = gauge
        self._world = world
        self.skipped_in_a_row = skipped_in_a_row
        self.longest = skipped_in_a_row.clone()
        self._clear()

    def _clear(self) -> None:
        self._sums: dict[tuple[str, str], Tensor] = {}
        self._steps = 0
        self._samples = 0
        self._waited = 0.0
        self._read = Reading()
        self._began = time.perf_counter()
        self.longest = self.skipped_in_a_row.clone()

    def saw(self, batches: Iterable[Any]) -> None:
        """Take in what this process' batches of a step ask for, while they are still on the CPU."""
        if self._gauge is not None:
            self._read = sum(map(self._gauge.read, batches), self._read)

    def add(
        self,
        losses: Mapping[str, Loss],
        figures: Mapping[str, Tensor],
        norm: Tensor,
        skipped: Tensor,
        *,
        samples: int,
        waited: float,
    ) -> None:
        """Take in one step. What a skipped step computed is left out of the sums."""
        taken = 1 - skipped
        for name, loss in losses.items():
            self._add("total", name, torch.where(taken > 0, loss.total.detach().float(), 0.0))
            self._add("count", name, loss.count.detach().float() * taken)
        for name, figure in figures.items():
            self._add("figure", name, torch.where(taken > 0, figure.detach().float(), 0.0))
        self._add("step", "norm", torch.where(taken > 0, norm, 0.0))
        self._add("step", "skipped", skipped)
        self.skipped_in_a_row = (self.skipped_in_a_row + 1) * skipped
        self.longest = torch.maximum(self.longest, self.skipped_in_a_row)
        self._steps += 1
        self._samples += samples
        self._waited += waited

    def _add(self, kind: str, name: str, value: Tensor) -> None:
        key = (kind, name)
        self._sums[key] = self._sums[key] + value if key in self._sums else value

    def entry(self, position: Position, steps: int, learning_rate: float, seconds: float) -> Entry:
        """The means since the last call. ``seconds``: of training in all so far."""
        keys = list(self._sums)
        values = dict(zip(keys, torch.stack([self._sums[key].double() for key in keys]).tolist(), strict=True))
        elapsed = max(time.perf_counter() - self._began, 1e-9)
        skipped = round(values["step", "skipped"])
        taken = max(self._steps - skipped, 1)
        counts = {name: round(value) for (kind, name), value in values.items() if kind == "count"}
        memory = 0 if self._gauge is None else memory_peak(self._gauge.device)
        said = self._world.gather((self._read, memory))
        read = sum((reading for reading, _ in said), Reading())
        speed = 0.0 if self._gauge is None else self._gauge.peak() * len(said)
        entry = Entry(
            stage=position.stage,
            step=position.step,
            steps=steps,
            total=position.total,
            losses={name: values["total", name] / max(count, 1) for name, count in counts.items()},
            figures={name: value / taken for (kind, name), value in values.items() if kind == "figure"},
            learning_rate=learning_rate,
            grad_norm=values["step", "norm"] / taken,
            samples_per_second=self._samples / elapsed,
            data_wait=self._waited / elapsed,
            skipped=skipped,
            time=seconds,
            predictions=counts,
            tokens=read.tokens or None,
            tokens_per_second=read.tokens / elapsed if read.tokens else None,
            packing=read.tokens / read.positions if read.positions else None,
            mfu=read.flops / elapsed / speed if read.flops else None,
            memory=max(memory for _, memory in said),
        )
        self._clear()
        return entry
