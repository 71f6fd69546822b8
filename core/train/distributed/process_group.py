"""The processes of a run, as ``torchrun`` starts them; where it did not, there is one."""

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
from ...recipe import Training

T = TypeVar("T")

PATIENCE = timedelta(hours=2)
"""How long a process waits for the others' word: as long as one of them may write a checkpoint or sample pictures."""


@frozen(eq=False)
class World:
    """This process among the ``size`` that train together.

    ``control`` is the group over which hosts speak, ``files`` the one in which checkpoints are written meanwhile.
    """

    rank: int = 0
    size: int = 1
    control: Any = None
    files: Any = None

    @property
    def main(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def gather(self, value: T) -> list[T]:
        """What every process says, in their order."""
        if self.size == 1:
            return [value]
        said: list[Any] = [None] * self.size
        dist.all_gather_object(said, value, self.control)
        return said

    def from_main(self, value: T, group: Any = None) -> T:
        """What the first process says, in the group ``control`` or another."""
        if self.size == 1:
            return value
        said: list[Any] = [value]
        dist.broadcast_object_list(said, 0, group or self.control)
        return cast(T, said[0])

    def share(self, call: Callable[[], T]) -> list[T]:
        """Do something on every process, and give what came of it on each.

        Where it fails on one with a ``JaniformError`` it fails on all: the first process raises the error, and the
        others end with its exit code, so that it is told once.
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
        """Do something on the first process only; all get what came of it, or fail with it."""
        return cast(T, self.share(lambda: call() if self.main else None)[0])

    def any(self, here: bool) -> bool:
        """Whether it is so on any process."""
        if self.size == 1:
            return here
        said = torch.tensor(int(here))
        dist.all_reduce(said, dist.ReduceOp.MAX, self.control)
        return bool(said)

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum of a tensor over all processes, in its place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def gather_rows(self, rows: Tensor) -> Tensor:
        """The rows [n, …] of all processes, in their order; n may differ. Every process must ask.

        The gradient of a row is the sum of what all processes have for it, and comes back to the one that it is from.
        """
        if self.size == 1:
            return rows
        counts = tuple(self.gather(len(rows)))
        return cast(Tensor, _Rows.apply(rows, counts, self.rank))  # type: ignore[no-untyped-call]

    def spread(self, tensors: list[Tensor]) -> None:
        """Give every process the first one's values."""
        if self.size > 1:
            for tensor in tensors:
                whole = tensor.contiguous()
                dist.broadcast(whole, 0)
                tensor.copy_(whole)


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


ALONE = World()


@contextlib.contextmanager
def joined(device: str | torch.device | None) -> Iterator[tuple[World, torch.device]]:
    """Join the other processes, if there are any, and leave them at the end. Gives the device of this process, too.

    Raises ``UsageError`` where several processes would share one GPU.
    """
    size = dist.get_world_size() if dist.is_initialized() else int(os.environ.get("WORLD_SIZE", "1"))
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if size == 1:
        yield ALONE, place
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if place.type == "cuda":
        if place.index is not None or local >= torch.cuda.device_count():
            raise UsageError(
                Problem(
                    f"process {local} of this machine has no GPU of its own: there are {torch.cuda.device_count()}",
                    hint="start as many processes as there are GPUs, and name no number in --device",
                )
            )
        place = torch.device("cuda", local)
        torch.cuda.set_device(place)
    started = not dist.is_initialized()
    if started:
        dist.init_process_group("cpu:gloo,cuda:nccl" if place.type == "cuda" else "gloo")
    groups = [dist.new_group(backend="gloo", timeout=PATIENCE) for _ in range(2)]
    try:
        yield World(dist.get_rank(), size, *groups), place
    except JaniformError as error:
        # What can fail on one process alone goes through ``share``: this failed on all, and the first one tells it.
        if dist.get_rank():
            raise SystemExit(error.exit_code) from error
        raise
    except RuntimeError as error:
        if not any(sign in str(error) for sign in ("Connection closed", "Connection reset", "Broken pipe")):
            raise
        if dist.get_rank():
            raise SystemExit(1) from error
        raise JaniformError("another process of this run ended, and says why; the last checkpoint stands") from error
    finally:
        if started:
            dist.destroy_process_group()


def mesh_of(world: World, training: Training, device: torch.device) -> DeviceMesh | None:
    """The processes in the shape that ``shape_of`` gives."""
    if world.size == 1:
        return None
    return init_device_mesh(device.type, shape_of(world, training), mesh_dim_names=("replicate", "shard"))


def shape_of(world: World, training: Training) -> tuple[int, int]:
    """How the processes divide the weights: rows of a table, of which each holds a whole model together.

    Raises ``RecipeError`` where ``training.shards`` does not divide the number of processes.
    """
    across = {"replicate": 1, "shard": world.size, "hybrid": training.shards or _neighbours(world)}[training.parallel]
    if world.size % across:
        raise RecipeError(
            Problem(
                f"{world.size} processes do not divide into groups of {across}",
                "training.shards",
                hint="a number that divides them, most often the GPUs of one machine",
            )
        )
    return world.size // across, across


def _neighbours(world: World) -> int:
    return int(os.environ.get("LOCAL_WORLD_SIZE", str(world.size)))


def local(tensor: Tensor) -> Tensor:
    """The part of a tensor that this process holds, in the same memory; all of it where it is not divided."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor, gathered from the processes that hold its parts; every one of them must ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
