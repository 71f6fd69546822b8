"""Variable-length attention by PyTorch itself: documents one after another, without a mask."""

from __future__ import annotations

import inspect
from typing import Any

from janiform import Mask, Runs
from torch import Tensor
from torch.nn.attention.varlen import varlen_attn

from ..runs import by_runs
from ..sdpa.kernel import one_query
from .config import VarlenConfig


class VarlenKernel:
    """A single query goes the way of sdpa: in this layout the cache would have to be copied at every step."""

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
        **_how(causal=runs.causal, grouped=q.shape[1] != k.shape[1]),
    )
    return attended


def _how(*, causal: bool, grouped: bool) -> dict[str, Any]:
    """The same in the words of the installed version: a flag in torch 2.10, a window of keys to look back at later.

    Of fewer keys than queries to a run there are none, so causal counts from the last position in both.
    """
    known = inspect.signature(varlen_attn).parameters
    how: dict[str, Any] = (
        {"window_size": (-1, 0 if causal else -1)} if "window_size" in known else {"is_causal": causal}
    )
    if grouped and "enable_gqa" in known:
        how["enable_gqa"] = True
    return how
