"""The processes of a run, as ``torchrun`` starts them; without torchrun there is one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from attrs import frozen
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor

from ...errors import JaniformError, Problem, RecipeError, UsageError
from ...measure.device import usable_device
from ...recipe import Training

T = TypeVar("T")

TIMEOUT = timedelta(hours=2)
"""How long a process waits for the others, one of which may be writing a checkpoint or drawing samples."""


@frozen(eq=False)
class ProcessGroup:
    """This process among the ``size`` that train together.

    ``control`` is the group for objects on the CPU; ``files`` is a second one, for checkpoints written meanwhile.
    """

    rank: int = 0
    size: int = 1
    control: Any = None
    files: Any = None

    @property
    def main(self) -> bool:
        """Whether this is the process that writes files and reports."""
        return self.rank == 0

    def gather(self, value: T) -> list[T]:
        """The values of all processes, in order of rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value, self.control)
        return values

    def from_main(self, value: T, group: Any = None) -> T:
        """The first process' value, sent over the group ``control`` or another."""
        if self.size == 1:
            return value
        values: list[Any] = [value]
        dist.broadcast_object_list(values, 0, group or self.control)
        return cast(T, values[0])

    def run_everywhere(self, call: Callable[[], T]) -> list[T]:
        """Call a function on every process, and return the results of all, in order of rank.

        Where it fails on one with a ``JaniformError`` it fails on all: the first process raises the error, and the
        others exit with its code, so that it is reported once.
        """
        if self.size == 1:
            return [call()]
        result, error = None, None
        try:
            result = call()
        except JaniformError as caught:
            error = caught
        outcomes = self.gather((result, error))
        errors = [error for _, error in outcomes if error is not None]
        if errors and self.main:
            raise errors[0]
        if errors:
            raise SystemExit(errors[0].exit_code)
        return [cast(T, result) for result, _ in outcomes]

    def on_main(self, call: Callable[[], T]) -> T:
        """Call a function on the first process only; all get its result, or fail with it."""
        return cast(T, self.run_everywhere(lambda: call() if self.main else None)[0])

    def any(self, here: bool) -> bool:
        """Whether a condition holds on any process."""
        if self.size == 1:
            return here
        holds = torch.tensor(int(here))
        dist.all_reduce(holds, dist.ReduceOp.MAX, self.control)
        return bool(holds)

    def sum(self, tensor: Tensor) -> Tensor:
        """Sum a tensor over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def gather_rows(self, rows: Tensor) -> Tensor:
        """Return the rows [n, …] of all processes, in order of rank; n may differ. Every process must call it.

        The gradient of a row is the sum over all processes, and returns to the process that the row comes from.
        """
        if self.size == 1:
            return rows
        counts = tuple(self.gather(len(rows)))
        return cast(Tensor, _Rows.apply(rows, counts, self.rank))  # type: ignore[no-untyped-call]

    def broadcast(self, tensors: list[Tensor]) -> None:
        """Copy the first process' values to all others, in place."""
        if self.size > 1:
            for tensor in tensors:
                contiguous = tensor.contiguous()
                dist.broadcast(contiguous, 0)
                tensor.copy_(contiguous)


class _Rows(torch.autograd.Function):
    """``gather_rows`` of processes with ``counts`` rows each."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, counts: tuple[int, ...], rank: int) -> Tensor:
        ctx.own = slice(sum(counts[:rank]), sum(counts[: rank + 1]))
        padded = rows.new_zeros(max(counts), *rows.shape[1:])
        padded[: len(rows)] = rows
        every = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(every, padded)
        return torch.cat([some[:count] for some, count in zip(every, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        gradient = gradients[0].contiguous().clone()
        dist.all_reduce(gradient)
        return gradient[ctx.own], None, None


ALONE = ProcessGroup()


@contextlib.contextmanager
def join_processes(device: str | torch.device | None) -> Iterator[tuple[ProcessGroup, torch.device]]:
    """Join the other processes, if there are any, until the context ends. Yields the group and this process' device.

    Raises ``UsageError`` where several processes would share one GPU, on all processes of that machine.
    """
    size = dist.get_world_size() if dist.is_initialized() else int(os.environ.get("WORLD_SIZE", "1"))
    # Several processes must not all make a context on the first GPU.
    default = "cuda" if torch.cuda.is_available() else "cpu"
    chosen = usable_device(default if device is None else device, allocate=size == 1)
    if size == 1:
        yield ALONE, chosen
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if chosen.type == "cuda":
        processes, gpus = int(os.environ.get("LOCAL_WORLD_SIZE", local + 1)), torch.cuda.device_count()
        if chosen.index is not None or processes > gpus:
            message = f"{processes} processes of this machine need a GPU each: there are {gpus}"
            if chosen.index is not None:
                message = f"{size} processes cannot share the device '{chosen}'"
            raise UsageError(
                Problem(message, hint="start at most as many processes as there are GPUs, with --device cuda")
            )
        chosen = torch.device("cuda", local)
        torch.cuda.set_device(chosen)
    started = not dist.is_initialized()
    if started:
        dist.init_process_group("cpu:gloo,cuda:nccl" if chosen.type == "cuda" else "gloo")
    groups = [dist.new_group(backend="gloo", timeout=TIMEOUT) for _ in range(2)]
    try:
        yield ProcessGroup(dist.get_rank(), size, *groups), chosen
    except JaniformError as error:
        # What can fail on one process alone goes through ``run_everywhere``: this failed on all, the first reports it.
        if dist.get_rank():
            raise SystemExit(error.exit_code) from error
        raise
    except RuntimeError as error:
        if not any(sign in str(error) for sign in ("Connection closed", "Connection reset", "Broken pipe")):
            raise
        if dist.get_rank():
            raise SystemExit(1) from error
        raise JaniformError(
            "another process of this run ended, and reports why; the last checkpoint is intact"
        ) from error
    finally:
        if started:
            dist.destroy_process_group()


def mesh_of(group: ProcessGroup, training: Training, device: torch.device) -> DeviceMesh | None:
    """The processes as a mesh of the shape that ``shape_of`` gives; None for a single process."""
    if group.size == 1:
        return None
    return init_device_mesh(device.type, shape_of(group, training), mesh_dim_names=("replicate", "shard"))


def shape_of(group: ProcessGroup, training: Training) -> tuple[int, int]:
    """How the processes divide the weights: (replicas of the model, processes that hold a replica together).

    Raises ``RecipeError`` where ``training.shards`` does not divide the number of processes.
    """
    of_machine = int(os.environ.get("LOCAL_WORLD_SIZE", str(group.size)))
    shards = {"replicate": 1, "shard": group.size, "hybrid": training.shards or of_machine}[training.parallel]
    if group.size % shards:
        raise RecipeError(
            Problem(
                f"{group.size} processes cannot be divided into groups of {shards}",
                "training.shards",
                hint="set it to a divisor of their number, usually the GPUs of one machine",
            )
        )
    return group.size // shards, shards


def local(tensor: Tensor) -> Tensor:
    """The part of a tensor that this process holds, in the same memory; all of it where it is not divided."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor, gathered from the processes that hold its parts; every one of them must call it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
