"""Attention masks, declared by documents and blocks and compiled once for all layers.

B rows    T queries    S keys    L declared positions, L ≥ S (the first S count)

Query q attends to key k iff both are of the same document and either k ≤ q or both are of the same full block.
Padding (document −1) attends only to itself, so that no row of the softmax is empty. The T queries are the last T of
the S keys, so that one declaration serves the prompt and every later step of cached decoding.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from .runs import Runs, runs_of, scattered

if TYPE_CHECKING:
    from ..attention.attend import Attention

T = TypeVar("T")

Compiled = tuple[Tensor | None, bool]
"""The arguments of ``scaled_dot_product_attention``: a bool mask (true: attends) or None, and ``is_causal``."""


class Mask:
    """The declaration of one batch, with what kernels compile from it, each at most once.

    ``documents`` int64 [B, L]: the number of each position's document, −1 on padding; None where every row is one
    document that starts at position 0 (padding on the right needs no declaration: no causal query attends to it).
    ``blocks`` int64 [B, L]: 0 where causal, n > 0 inside full block n; None where everything is causal.
    ``attention`` is the kernel that computes under the mask, None for the default one. ``host``: documents and blocks
    in the CPU's memory, where those above are on a device, so that they need not be copied back.
    """

    def __init__(
        self,
        documents: Tensor | None,
        blocks: Tensor | None = None,
        *,
        attention: Attention | None = None,
        host: tuple[Tensor, Tensor | None] | None = None,
    ) -> None:
        if documents is None and blocks is not None:
            raise ValueError("blocks are declared inside documents: give both")
        # Reading a value from an accelerator makes the host wait, so the shortcut is taken on the CPU only, and not
        # for other tensor classes, which may have a shape and no values.
        if documents is not None and type(documents) is not Tensor:
            host = None
        elif documents is not None and documents.device.type == "cpu":
            host = documents, blocks
        if host is not None and _plain(*host):
            documents = blocks = host = None
        self.documents = documents
        self.blocks = blocks
        self.attention = attention
        self._host = host
        self._steps: tuple[int, Tensor] | None = None
        self._kept: dict[Hashable, Any] = {}

    @classmethod
    def causal(cls, attention: Attention | None = None) -> Mask:
        """Every row is one document from its first position on, without full blocks."""
        return cls(None, attention=attention)

    @classmethod
    def decoding(
        cls,
        documents: Tensor,
        blocks: Tensor | None = None,
        *,
        length: int,
        attention: Attention | None = None,
        host: tuple[Tensor, Tensor | None] | None = None,
    ) -> Mask:
        """For a prompt [B, P] that is continued, up to ``length`` positions, in the document that each row ends with.

        The prompt may hold full blocks and several documents; what follows is causal. Single steps are slices of one
        prebuilt row, so that a step of a ragged batch costs nothing. Waits for the device once, to see whether there
        is padding, unless ``host`` is given. Raises ``ValueError`` where a row is padded on the right.
        """
        prompt = documents.shape[1]
        if length < prompt:
            raise ValueError(f"a prompt of {prompt} positions cannot be continued up to {length}")
        declared, full = (documents, blocks) if host is None else host
        if bool(((declared[:, -1:] < 0) & (declared >= 0).any(dim=1, keepdim=True)).any()):
            raise ValueError("a prompt that is continued must be padded on its left")
        if _plain(declared, full):
            return cls.causal(attention)
        all_documents, all_blocks = _continued(documents, blocks, length)
        mask = cls(
            all_documents,
            all_blocks,
            attention=attention,
            host=None if host is None else _continued(*host, length),
        )
        # A row that is all padding attends to all of it: its output is finite and never read.
        mask._steps = prompt, (all_documents == documents[:, -1:])[:, None, None]
        return mask

    @property
    def has_blocks(self) -> bool:
        """Whether there are full blocks. May wait for the device where ``host`` was not given."""

        def look() -> bool:
            blocks = None if self.documents is None else self._on_host()[1]
            return blocks is not None and bool((blocks != 0).any())

        return self.kept("blocks", look)

    def kept(self, key: Hashable, make: Callable[[], T]) -> T:
        """The result of ``make``, called once, so that a kernel compiles the declaration once for all layers."""
        if key not in self._kept:
            self._kept[key] = make()
        value: T = self._kept[key]
        return value

    def runs(self, rows: int, queries: int, keys: int, device: torch.device) -> tuple[Runs, ...]:
        """The mask for the last ``queries`` of ``keys`` positions as runs, causal ones and full ones; see ``Runs``.

        Raises ``UsageError`` where a document or a block is not contiguous.
        """

        def make() -> tuple[Runs, ...]:
            documents, blocks = self._on_host() if self.documents is not None else (None, None)
            self._check_length(keys)
            return runs_of(documents, blocks, rows, queries, keys, device)

        return self.kept(("runs", rows, queries, keys, device), make)

    def last_starts(self, keys: int) -> Tensor:
        """Where the document of the last of ``keys`` positions begins, int64 [B] on the CPU.

        Raises ``ValueError`` without declared documents, ``UsageError`` where such a document is not contiguous.
        """
        if self.documents is None:
            raise ValueError("every row is one document that begins at position 0")
        documents = self._on_host()[0][:, :keys]
        same = documents == documents[:, -1:]
        starts = torch.where(same, 0, torch.arange(1, keys + 1)).amax(dim=1)
        apart = (same.sum(dim=1) != keys - starts) & (documents[:, -1] >= 0)
        for row in apart.nonzero().flatten().tolist():
            raise scattered(f"document {int(documents[row, -1])}", row)
        return starts

    def compiled(self, queries: int, keys: int, device: torch.device) -> Compiled:
        """The mask [B or 1, 1, T, S] for the last ``queries`` of ``keys`` positions, built on first use."""
        if queries == 1 and self.documents is None:
            return None, keys == 1
        if queries == 1 and self._steps is not None:
            prompt, allowed = self._steps
            if prompt < keys <= allowed.shape[-1]:
                return allowed[..., :keys], False
        return self.kept(("dense", queries, keys, device), lambda: self._compile(queries, keys, device))

    def _compile(self, queries: int, keys: int, device: torch.device) -> Compiled:
        if self.documents is None:
            if queries == keys:
                return None, True
            return _causal(queries, keys, device)[None, None], False
        self._check_length(keys)
        key = self.documents[:, :keys]
        query = key[:, keys - queries :]
        order = _causal(queries, keys, device)[None]
        if self.blocks is not None:
            block = self.blocks[:, :keys]
            own = block[:, keys - queries :, None]
            order = order | ((own == block[:, None, :]) & (own != 0))
        allowed = (query[:, :, None] == key[:, None, :]) & (key >= 0)[:, None, :] & order
        return (allowed | _itself(queries, keys, device))[:, None], False

    def _check_length(self, keys: int) -> None:
        if self.documents is not None and keys > self.documents.shape[1]:
            raise ValueError(f"the mask declares {self.documents.shape[1]} positions, but there are {keys} keys")

    def _on_host(self) -> tuple[Tensor, Tensor | None]:
        if self._host is None:
            assert self.documents is not None
            self._host = self.documents.cpu(), None if self.blocks is None else self.blocks.cpu()
        return self._host


def _continued(documents: Tensor, blocks: Tensor | None, length: int) -> tuple[Tensor, Tensor | None]:
    """The same up to ``length`` positions: each row continues its last document, without blocks."""
    following = documents[:, -1:].expand(len(documents), length - documents.shape[1])
    return (
        torch.cat((documents, following), dim=1),
        None if blocks is None else torch.cat((blocks, torch.zeros_like(following)), dim=1),
    )


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
