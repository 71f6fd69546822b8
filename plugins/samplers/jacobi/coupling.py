"""Samples of one distribution that are those of another as often as possible.

n positions    V codes
"""

from __future__ import annotations

import torch
from torch import Tensor


def sample(weights: Tensor, uniforms: Tensor) -> Tensor:
    """Indices int64 [n] of weights [n, V], each with a chance in proportion to its weight, from uniforms [n]."""
    cumulative = weights.cumsum(-1)
    total = cumulative[:, -1:]
    points = torch.minimum(uniforms[:, None] * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, points, right=True)[:, 0].clamp(max=weights.shape[-1] - 1)


def coupled(drafts: Tensor, drafted: Tensor, wanted: Tensor, uniforms: Tensor) -> Tensor:
    """Samples int64 [n] of ``wanted`` [n, V], equal to the drafts [n], samples of ``drafted`` [n, V], where possible.

    A maximal coupling: a draft stays with probability min(1, wanted / drafted), and is otherwise replaced by a sample
    of what ``wanted`` has more than ``drafted``, as in speculative decoding (arXiv:2211.17192). ``uniforms`` [2, n].
    """
    own = drafts[:, None]
    stays = uniforms[0] * drafted.gather(-1, own)[:, 0] < wanted.gather(-1, own)[:, 0]
    rest = (wanted - drafted).clamp(min=0)
    # Where the distributions are equal, rounding alone decides that a draft does not stay.
    rest = torch.where(rest.sum(-1, keepdim=True) > 0, rest, wanted)
    return torch.where(stays, drafts, sample(rest, uniforms[1]))
