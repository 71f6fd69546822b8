"""What GPUs send each other in a step, and how long that takes by itself. Torch-free."""

from __future__ import annotations

from attrs import frozen

from ..measure.gpus import Gpu
from .memory import VALUE, Sizes


@frozen
class Traffic:
    """Bytes that one GPU sends in a step: ``gathered`` weights, ``scattered`` and ``reduced`` gradients.

    ``seconds``: that it takes where nothing is computed meanwhile.
    """

    gathered: int
    scattered: int
    reduced: int
    seconds: float


def traffic_of(sizes: Sizes, gpu: Gpu, *, gpus: int, shards: int, pieces: int) -> Traffic:
    """Of a step of ``pieces`` micro-batches on ``gpus`` GPUs, of which ``shards`` hold a model together.

    Weights are gathered for the forward and, those of blocks, again for the backward pass; gradients are summed and
    divided within the group after every micro-batch, and summed over the groups once a step, in rings.
    """
    away, groups = (shards - 1) / shards, gpus // shards
    gathered = pieces * away * VALUE * (2 * sizes.blocks + sizes.loose)
    scattered = pieces * away * VALUE * sizes.trained
    reduced = 2 * (groups - 1) / groups * VALUE * sizes.trained / shards
    within = _speed(gpu, shards)
    # Each GPU sums its own share with those of other nodes that hold the same, over its own adapter.
    across = gpu.link if gpus <= gpu.node else gpu.network * max(1, gpu.node // shards if shards <= gpu.node else 1)
    across = min(across, gpu.link)
    return Traffic(
        round(gathered), round(scattered), round(reduced), (gathered + scattered) / within + reduced / across
    )


def _speed(gpu: Gpu, members: int) -> float:
    """Bytes a second of a ring: within a node its links, over several nodes all their adapters together."""
    return gpu.link if members <= gpu.node else min(gpu.link, gpu.network * gpu.node)
