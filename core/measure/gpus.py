"""GPUs by name, with the figures of their makers' data sheets. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve, frozen

from ..errors import Problem, UsageError, nearest


@frozen
class Gpu:
    """One GPU.

    ``tflops``: dense bfloat16 with float32 sums, in 10¹² per second. ``memory``: bytes. ``link`` and ``network``: bytes
    per second that it sends within its node and to other nodes, while it receives as many. ``node``: GPUs of a node.
    ``driver_names``: parts of the names that its driver reports.
    """

    name: str
    tflops: float
    memory: int
    link: float
    network: float
    node: int = 8
    driver_names: tuple[str, ...] = ()


_GIB, _GB = 1 << 30, 1e9

GPUS: Mapping[str, Gpu] = {
    gpu.name: gpu
    for gpu in (
        Gpu("a100-40g", 312, 40 * _GIB, 300 * _GB, 25 * _GB, driver_names=("A100-SXM4-40GB", "A100-PCIE-40GB")),
        Gpu("a100-80g", 312, 80 * _GIB, 300 * _GB, 25 * _GB, driver_names=("A100-SXM4-80GB", "A100 80GB")),
        Gpu("h100", 989, 80 * _GIB, 450 * _GB, 50 * _GB, driver_names=("H100 80GB HBM3", "H100 SXM")),
        Gpu("h200", 989, 141 * 10**9, 450 * _GB, 50 * _GB, driver_names=("H200",)),
        Gpu("b200", 2250, 180 * 10**9, 900 * _GB, 50 * _GB, driver_names=("B200",)),
        Gpu("l40s", 362, 48 * 10**9, 32 * _GB, 25 * _GB, driver_names=("L40S",)),
        Gpu("rtx-4090", 165, 24 * _GIB, 32 * _GB, 12.5 * _GB, driver_names=("RTX 4090",)),
        Gpu("mi300x", 1307, 192 * _GIB, 448 * _GB, 50 * _GB, driver_names=("MI300X",)),
    )
}
"""A network of one adapter of 200 (A100), 400 (H100 and later) or 100 Gbit/s for each GPU is assumed."""


def gpu_named(name: str, *, tflops: float | None = None, memory: float | None = None, node: int | None = None) -> Gpu:
    """Return a GPU of the table, or any other whose speed and memory are given.

    Args:
        tflops: overrides the table's.
        memory: in GiB; overrides the table's.
        node: GPUs of a node; overrides 8.

    Raises:
        UsageError: the table has no such GPU, and speed or memory is missing.
    """
    if name not in GPUS and (tflops is None or memory is None):
        hint = nearest(name, GPUS) + "; for any other give --tflops and --memory"
        raise UsageError(Problem(f"there is no GPU '{name}' in the table", hint=hint))
    gpu = GPUS.get(name, Gpu(name, 0, 0, 32 * _GB, 12.5 * _GB))
    gpu = gpu if tflops is None else evolve(gpu, tflops=tflops)
    gpu = gpu if memory is None else evolve(gpu, memory=int(memory * _GIB))
    return gpu if node is None else evolve(gpu, node=node)
