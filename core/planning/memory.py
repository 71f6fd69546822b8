"""The memory of one GPU in a stage: what stays there, by how it is sharded, and what a pass adds to it.

It is sharded as in ``janiform.train.loop.sharding``: blocks of the backbone are gathered when they are needed,
everything else that is trained is gathered for the whole step, and frozen weights outside of the backbone are whole on
every GPU.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from .trace import Trace

VALUE = 4
"""Bytes of a weight, a gradient, and each optimizer state: float32."""

RESERVE = 0.08
"""Fraction of a GPU's memory taken by its driver, communication and the gaps between tensors."""


@frozen
class Sizes:
    """Numbers of values.

    ``blocks``: of all blocks of the backbone, and of the ``largest``. ``loose``: trained outside of the blocks;
    ``frozen``: all others, buffers included. ``trained``: in total, of which ``muon`` in matrices that Muon updates.
    """

    blocks: int
    largest: int
    loose: int
    frozen: int
    trained: int
    trained_blocks: int
    muon: int = 0


@frozen
class Memory:
    """Bytes by kind at the peak. ``gathered``: weights and gradients of other GPUs, while they are needed here."""

    weights: int
    gradients: int
    optimizer: int
    gathered: int
    casts: int
    activations: int
    logits: int

    @property
    def total(self) -> int:
        return sum(self.as_dict().values())

    def as_dict(self) -> dict[str, int]:
        return {
            "weights": self.weights,
            "gradients": self.gradients,
            "optimizer": self.optimizer,
            "gathered": self.gathered,
            "casts": self.casts,
            "activations": self.activations,
            "logits": self.logits,
        }


def memory_of(
    sizes: Sizes, traced: Trace, *, shards: int, processes: int, micro_batches: int, ema: bool = False
) -> Memory:
    """The peak of a stage on one GPU.

    Args:
        shards: processes that hold a model together.
        processes: all of them; a single one shards nothing.
        micro_batches: of a step on a GPU.
        ema: whether averages of the trained weights are kept.
    """
    states = 2 * sizes.trained - sizes.muon + (sizes.trained if ema else 0)
    if processes == 1:
        # Gradients grow while activations are released, but from the second micro-batch on they exist already.
        peak = traced.whole if micro_batches == 1 else {**traced.beside, "gradients": VALUE * sizes.trained}
        weights = sizes.blocks + sizes.loose + sizes.frozen
        return _memory(weights, peak["gradients"], states, 0, peak)
    # The block that computes and, where others hold parts of it, the next, which is being gathered.
    block = sizes.largest * (1 if shards == 1 else 2)
    trained_block = 2 * sizes.largest * sizes.trained_blocks // max(1, sizes.blocks)
    return _memory(
        (sizes.blocks + sizes.loose) // shards + sizes.frozen,
        VALUE * (sizes.trained // shards),
        states // shards,
        VALUE * (block + trained_block + 2 * sizes.loose),
        traced.beside,
    )


def _memory(weights: int, gradients: int, states: int, gathered: int, peak: Mapping[str, int]) -> Memory:
    return Memory(
        VALUE * weights, gradients, VALUE * states, gathered, peak["casts"], peak["activations"], peak["logits"]
    )
