"""PyTorch's variable-length attention: concatenated documents, without a mask."""

from __future__ import annotations

import inspect
from typing import Any

from janiform import Mask, Runs
from torch import Tensor
from torch.nn.attention.varlen import varlen_attn

from .config import VarlenConfig
from .runs import by_runs
from .sdpa import one_query


class VarlenKernel:
    """A single query is computed as in sdpa, since this layout would need a copy of the cache at every step."""

    def __init__(self, config: VarlenConfig) -> None:
        self.config = config

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, mask: Mask) -> Tensor:
        return one_query(q, k, v, mask) if q.shape[2] == 1 else by_runs(q, k, v, mask, _computed)


def _computed(q: Tensor, k: Tensor, v: Tensor, runs: Runs) -> Tensor:
    attended: Tensor = varlen_attn(
        q,
        k,
        v,
        runs.query_starts,
        runs.key_starts,
        max(runs.query_lengths),
        max(runs.key_lengths),
        **_options(causal=runs.causal, grouped=q.shape[1] != k.shape[1]),
    )
    return attended


def _options(*, causal: bool, grouped: bool) -> dict[str, Any]:
    """Options by the installed version: a flag in torch 2.10, a window of keys in later ones.

    A run never has fewer keys than queries, so both versions align causal masks at the last position.
    """
    parameters = inspect.signature(varlen_attn).parameters
    options: dict[str, Any] = (
        {"window_size": (-1, 0 if causal else -1)} if "window_size" in parameters else {"is_causal": causal}
    )
    if grouped and "enable_gqa" in parameters:
        options["enable_gqa"] = True
    return options
