"""Who may look at whom, declared by documents and blocks and compiled once for all layers.

B rows    T queries    S keys    L declared positions, L ≥ S (the first S count)

Query q sees key k iff both are of the same document and either k ≤ q or both are of the same full block. Padding
(document −1) is seen by nobody but itself, so that no row of the softmax is empty. The T queries are the last T of the
S keys, which makes one declaration serve the prompt and every later step of cached decoding.
"""

from __future__ import annotations

import torch
from torch import Tensor

Compiled = tuple[Tensor | None, bool]
"""What ``scaled_dot_product_attention`` wants: a bool mask (true is seen) or None, and ``is_causal``."""


class Mask:
    """The declaration of one batch; ``compiled`` turns it into a kernel's mask, at most once per shape.

    ``documents`` int64 [B, L]: the number of each position's document, −1 on padding; None where every row is one
    document that starts at position 0 (padding on the right needs no declaration: no causal query sees it).
    ``blocks`` int64 [B, L]: 0 where causal, n > 0 inside of full block n; None where everything is causal.
    """

    def __init__(self, documents: Tensor | None, blocks: Tensor | None = None) -> None:
        if documents is None and blocks is not None:
            raise ValueError("blocks are declared inside of documents: give both")
        # Reading a value off an accelerator would make the host wait, so the shortcut is looked for on the CPU only.
        if documents is not None and documents.device.type == "cpu" and _plain(documents, blocks):
            documents = blocks = None
        self.documents = documents
        self.blocks = blocks
        self._steps: tuple[int, Tensor] | None = None
        self._compiled: dict[tuple[int, int, torch.device], Compiled] = {}

    @classmethod
    def causal(cls) -> Mask:
        """Every row is one document from its first position on, without full blocks."""
        return cls(None)

    @classmethod
    def decoding(cls, documents: Tensor, blocks: Tensor | None = None, *, length: int) -> Mask:
        """For a prompt [B, P] that is continued, up to ``length`` positions, in the document that each row ends with.

        The prompt may hold full blocks and several documents; what follows is causal. Single steps are slices of one
        prebuilt row, so that a step of a ragged batch costs nothing. Asks the device once whether there is padding.
        Raises ``ValueError`` where a row is padded on the right.
        """
        rows, prompt = documents.shape
        if length < prompt:
            raise ValueError(f"a prompt of {prompt} positions cannot be continued up to {length}")
        last = documents[:, -1:]
        if bool(((last < 0) & (documents >= 0).any(dim=1, keepdim=True)).any()):
            raise ValueError("a prompt that is continued must be padded on its left")
        if _plain(documents, blocks):
            return cls.causal()
        following = last.expand(rows, length - prompt)
        mask = cls(
            torch.cat((documents, following), dim=1),
            None if blocks is None else torch.cat((blocks, torch.zeros_like(following)), dim=1),
        )
        # A row of nothing but padding sees all of it: finite, and nobody reads it.
        mask._steps = prompt, (torch.cat((documents, following), dim=1) == last)[:, None, None]
        return mask

    def compiled(self, queries: int, keys: int, device: torch.device) -> Compiled:
        """The mask [B or 1, 1, T, S] for the last ``queries`` of ``keys`` positions, built on first use."""
        if self._steps is not None and queries == 1:
            prompt, seen = self._steps
            if prompt < keys <= seen.shape[-1]:
                return seen[..., :keys], False
        shape = (queries, keys, device)
        if shape not in self._compiled:
            self._compiled[shape] = self._compile(queries, keys, device)
        return self._compiled[shape]

    def _compile(self, queries: int, keys: int, device: torch.device) -> Compiled:
        if self.documents is None:
            if queries == keys:
                return None, True
            if queries == 1:
                return None, False
            return _causal(queries, keys, device)[None, None], False
        if keys > self.documents.shape[1]:
            raise ValueError(f"the mask declares {self.documents.shape[1]} positions, but there are {keys} keys")
        key = self.documents[:, :keys]
        query = key[:, keys - queries :]
        order = _causal(queries, keys, device)[None]
        if self.blocks is not None:
            block = self.blocks[:, :keys]
            own = block[:, keys - queries :, None]
            order = order | ((own == block[:, None, :]) & (own != 0))
        seen = (query[:, :, None] == key[:, None, :]) & (key >= 0)[:, None, :] & order
        return (seen | _itself(queries, keys, device))[:, None], False


def _causal(queries: int, keys: int, device: torch.device) -> Tensor:
    """Bool [T, S]: key k is not after query q, where the queries are the last of the keys."""
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)


def _itself(queries: int, keys: int, device: torch.device) -> Tensor:
    position = torch.arange(keys, device=device)
    return position[keys - queries :, None] == position


def _plain(documents: Tensor, blocks: Tensor | None) -> bool:
    """Whether every row is one document from its first position, with nothing but padding after it, and all causal."""
    if blocks is not None and bool((blocks != 0).any()):
        return False
    padding = documents < 0
    resumes = padding[:, :-1] & ~padding[:, 1:]
    one = padding | (documents == documents[:, :1])
    return bool(one.all()) and not bool(resumes.any())
