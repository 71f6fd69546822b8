"""The bytes that GPUs send each other per step, and how long that takes by itself. Torch-free."""

from __future__ import annotations

from attrs import frozen

from ..measure.gpus import Gpu
from .memory import VALUE, Sizes


@frozen
class Traffic:
    """Bytes that one GPU sends per step: ``gathered`` weights, ``scattered`` and ``reduced`` gradients.

    ``seconds``: the time this takes when nothing is computed meanwhile.
    """

    gathered: int
    scattered: int
    reduced: int
    seconds: float


def traffic_of(sizes: Sizes, gpu: Gpu, *, gpus: int, shards: int, micro_batches: int) -> Traffic:
    """The traffic of a step of ``micro_batches`` on ``gpus`` GPUs, of which ``shards`` hold a model together.

    Weights are gathered for the forward pass and, those of blocks, again for the backward pass; gradients are
    reduce-scattered within a group after every micro-batch, and all-reduced over the groups once per step, in rings.
    """
    away, groups = (shards - 1) / shards, gpus // shards
    gathered = micro_batches * away * VALUE * (2 * sizes.blocks + sizes.loose)
    scattered = micro_batches * away * VALUE * sizes.trained
    reduced = 2 * (groups - 1) / groups * VALUE * sizes.trained / shards
    within = _speed(gpu, shards)
    # Each GPU sums its own shard with the same shard on other nodes, over its own adapter.
    across = gpu.link if gpus <= gpu.node else gpu.network * max(1, gpu.node // shards if shards <= gpu.node else 1)
    across = min(across, gpu.link)
    return Traffic(
        round(gathered), round(scattered), round(reduced), (gathered + scattered) / within + reduced / across
    )


def _speed(gpu: Gpu, members: int) -> float:
    """Bytes per second of a ring: of the links within a node, of all adapters together over several nodes."""
    return gpu.link if members <= gpu.node else min(gpu.link, gpu.network * gpu.node)
