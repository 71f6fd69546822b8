"""The losses of routers, defined per document, so that any split of a batch gives the same sums.

B rows    T positions    E experts    k active experts
"""

from __future__ import annotations

import torch
from torch import Tensor

from .experts import chances


def balance(logits: Tensor, documents: Tensor, active: int) -> Tensor:
    """The sum over positions of the balance loss of their document, of router logits [B, T, E]; a scalar.

    The loss of a document is E · Σ_e f_e · P_e: f_e is the number of its positions that choose expert e, divided by the
    number of its positions, and P_e the mean probability of e there. It is k where the experts are used equally, and
    E at most. This is transformers' ``load_balancing_loss_func`` of one layer and one document, and up to the factor k
    the sequence-wise loss of DeepSeek-V2 (arXiv:2405.04434, section 2.2.3).

    Nothing here is taken over a batch: a product of two means over all of a step's positions would not be a sum over
    micro-batches or processes. A document lies in one row of one of them, so the sum over documents, each as often as
    it has positions, is exact however a step is split and packed.

    Args:
        documents: int64 [B, T], -1 on padding; each is contiguous in its row.
    """
    experts, probabilities = logits.shape[-1], chances(logits)
    real = (documents >= 0).flatten()[:, None].to(probabilities.dtype)
    chosen = torch.zeros_like(probabilities).scatter(-1, probabilities.topk(active, dim=-1).indices, 1.0)
    begins = torch.ones_like(documents)
    begins[:, 1:] = (documents[:, 1:] != documents[:, :-1]).to(documents.dtype)
    numbers = begins.flatten().cumsum(0) - 1  # of documents and stretches of padding, over all rows

    def of_documents(values: Tensor) -> Tensor:
        return values.new_zeros(len(numbers), values.shape[-1]).index_add(0, numbers, values)

    lengths = of_documents(real).clamp(min=1)
    uses = of_documents(chosen.flatten(0, 1) * real)
    return experts * (uses * of_documents(probabilities.flatten(0, 1) * real) / lengths).sum()


def z(logits: Tensor, documents: Tensor) -> Tensor:
    """The sum over positions of logsumexp(logits [B, T, E])², without padding (ST-MoE, arXiv:2202.08906); a scalar."""
    wide = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return (wide.logsumexp(-1).square() * (documents >= 0)).sum()
