"""Signs of vectors as bits of a code, and the loss that keeps all codes in use.

R vectors    K bits    V = 2^K
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, softplus

FLOOR = 1e-12
"""What a code's share is at least where its logarithm is taken: one that no vector comes near has a share of 0."""


class LfqQuantizer(nn.Module):
    """The vector of a code has 1 for each bit that is set and -1 for the others; the first bit counts least."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = bits

    def forward(self, vectors: Tensor) -> Tensor:
        """Vectors [R, K] -> codes int64 [R]: bit k is set where channel k is positive."""
        places = torch.arange(self.bits, device=vectors.device)
        return ((vectors.detach() > 0).long() << places).sum(dim=-1)

    def look_up(self, codes: Tensor) -> Tensor:
        """Codes [...] -> their vectors float32 [..., K]."""
        places = torch.arange(self.bits, device=codes.device)
        return (codes[..., None] >> places & 1).float() * 2 - 1

    def entropy(self, vectors: Tensor, temperature: float) -> Tensor:
        """Mean entropy of single choices minus the entropy of the mean choice, in nats; vectors [R, K].

        A choice is the softmax of -|v - c|² / temperature over all codes c, in which bits are independent: the entropy
        of one choice is the sum of its bits'. That of the mean choice is not, but the mean choice is a product of two
        matrices, [√V, R] and [R, √V]: the choices of one half of the bits and of the other.
        """
        # |v - 1|² and |v + 1|² differ by 4 v.
        logits_RK = vectors * (4 / temperature)
        single = (softplus(logits_RK) - logits_RK * logits_RK.sigmoid()).sum(dim=-1).mean()
        halves = logits_RK.split((self.bits // 2, self.bits - self.bits // 2), dim=-1)
        low, high = (self._choices(half) for half in halves)
        mean = high.T @ low / len(vectors)
        return single + (mean * mean.clamp(min=FLOOR).log()).sum()

    def _choices(self, logits: Tensor) -> Tensor:
        """Logits [R, k] of bits -> the probabilities [R, 2^k] of their combinations."""
        count = logits.shape[-1]
        numbers = torch.arange(1 << count, device=logits.device)
        signs = (numbers[:, None] >> torch.arange(count, device=logits.device) & 1).to(logits.dtype)
        return (logsigmoid(logits) @ signs.T + logsigmoid(-logits) @ (1 - signs).T).exp()
