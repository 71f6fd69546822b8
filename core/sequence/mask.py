"""Attention masks, declared by documents and blocks and compiled once for all layers.

B rows    T queries    S keys    L declared positions, L ≥ S (the first S count)

Query q attends to key k iff both are of the same document, either k ≤ q or both are of the same full block, and k is
seen: by all, or only by its own block, or only by itself.
Padding (document −1) attends only to itself, so that no row of the softmax is empty. The T queries are the last T of
the S keys, so that one declaration serves the prompt and every later step of cached decoding.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from ..errors import UsageError
from .runs import Runs, runs_of, scattered

if TYPE_CHECKING:
    from ..attention.attend import Attention

T = TypeVar("T")

UNSEEN = -1
"""What ``seen`` holds at positions that only they themselves attend to."""


class Declared(NamedTuple):
    """What a mask declares: see ``Mask``."""

    documents: Tensor
    blocks: Tensor | None = None
    seen: Tensor | None = None

    def mapped(self, change: Callable[[Tensor], Tensor]) -> Declared:
        """The declaration with something else for each of its tensors."""
        return Declared(*(None if tensor is None else change(tensor) for tensor in self))  # type: ignore[arg-type]


Compiled = tuple[Tensor | None, bool]
"""The arguments of ``scaled_dot_product_attention``: a bool mask (true: attends) or None, and ``is_causal``."""


class Mask:
    """The declaration of one batch, with what kernels compile from it, each at most once.

    ``documents`` int64 [B, L]: the number of each position's document, −1 on padding; None where every row is one
    document that starts at position 0 (padding on the right needs no declaration: no causal query attends to it).
    ``blocks`` int64 [B, L]: 0 where causal, n > 0 inside full block n; None where everything is causal.
    ``seen`` int64 [B, L]: 0 where all later positions attend to it, n > 0 where only full block n does, −1 where only
    it does itself; None where everything is seen.
    ``declared_documents`` are the same before it was found that attention needs none of them, as where rows hold one
    document and padding on the right: None only where none were given.
    ``attention`` is the kernel that computes under the mask, None for the default one. ``host``: the declaration in the
    CPU's memory, where that above is on a device, so that it need not be copied back.
    """

    def __init__(
        self,
        documents: Tensor | None,
        blocks: Tensor | None = None,
        *,
        seen: Tensor | None = None,
        attention: Attention | None = None,
        host: Declared | None = None,
    ) -> None:
        if documents is None and (blocks is not None or seen is not None):
            raise ValueError("blocks are declared inside documents: give both")
        self.declared_documents = documents
        # Reading a value from an accelerator makes the host wait, so the shortcut is taken on the CPU only, and not
        # for other tensor classes, which may have a shape and no values.
        if documents is not None and type(documents) is not Tensor:
            host = None
        elif documents is not None and documents.device.type == "cpu":
            host = Declared(documents, blocks, seen)
        if host is not None and _plain(host := Declared(*host)):
            documents = blocks = seen = host = None
        self.documents = documents
        self.blocks = blocks
        self.seen = seen
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
        seen: Tensor | None = None,
        attention: Attention | None = None,
        host: Declared | None = None,
    ) -> Mask:
        """For a prompt [B, P] that is continued, up to ``length`` positions, in the document that each row ends with.

        The prompt may hold full blocks and several documents; what follows is causal. Single steps are slices of one
        prebuilt row, so that a step of a ragged batch costs nothing. Waits for the device once, to see whether there
        is padding, unless ``host`` is given. Raises ``ValueError`` where a row is padded on the right.
        """
        prompt = documents.shape[1]
        if length < prompt:
            raise ValueError(f"a prompt of {prompt} positions cannot be continued up to {length}")
        given = Declared(documents, blocks, seen)
        declared = given if host is None else Declared(*host)
        last = declared.documents
        if bool(((last[:, -1:] < 0) & (last >= 0).any(dim=1, keepdim=True)).any()):
            raise ValueError("a prompt that is continued must be padded on its left")
        if _plain(declared):
            return cls.causal(attention)
        whole = continued(given, length)
        mask = cls(
            whole.documents,
            whole.blocks,
            seen=whole.seen,
            attention=attention,
            host=None if host is None else continued(declared, length),
        )
        # A row that is all padding attends to all of it: its output is finite and never read.
        allowed = whole.documents == documents[:, -1:]
        if whole.seen is not None:
            allowed = allowed & (whole.seen == 0)
        mask._steps = prompt, allowed[:, None, None]
        return mask

    @property
    def has_blocks(self) -> bool:
        """Whether there are full blocks. May wait for the device where ``host`` was not given."""

        def look() -> bool:
            blocks = None if self.documents is None else self._on_host().blocks
            return blocks is not None and bool((blocks != 0).any())

        return self.kept("blocks", look)

    @property
    def has_holes(self) -> bool:
        """Whether some positions are not seen by all later ones. May wait for the device without ``host``."""

        def look() -> bool:
            seen = self._on_host().seen
            return seen is not None and bool((seen != 0).any())

        return self.seen is not None and self.kept("holes", look)

    def kept(self, key: Hashable, make: Callable[[], T]) -> T:
        """The result of ``make``, called once, so that a kernel compiles the declaration once for all layers."""
        if key not in self._kept:
            self._kept[key] = make()
        value: T = self._kept[key]
        return value

    def runs(self, rows: int, queries: int, keys: int, device: torch.device) -> tuple[Runs, ...]:
        """The mask for the last ``queries`` of ``keys`` positions as runs, causal ones and full ones; see ``Runs``.

        Raises ``UsageError`` where a document or a block is not contiguous, or not all positions are seen.
        """

        def make() -> tuple[Runs, ...]:
            documents, blocks = self._on_host()[:2] if self.documents is not None else (None, None)
            if self.has_holes:
                raise UsageError("positions that later ones do not see are no runs: use the kernel sdpa")
            self._check_length(keys)
            return runs_of(documents, blocks, rows, queries, keys, device)

        return self.kept(("runs", rows, queries, keys, device), make)

    def last_starts(self, keys: int) -> Tensor:
        """Where the document of the last of ``keys`` positions begins, int64 [B] on the CPU.

        Raises ``ValueError`` without declared documents, ``UsageError`` where such a document is not contiguous.
        """
        if self.documents is None:
            raise ValueError("every row is one document that begins at position 0")
        documents = self._on_host().documents[:, :keys]
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
        if self.seen is not None:
            seen = self.seen[:, None, :keys]
            shown = seen == 0
            if self.blocks is not None:
                shown = shown | (seen == self.blocks[:, keys - queries : keys, None])
            order = order & shown
        allowed = (query[:, :, None] == key[:, None, :]) & (key >= 0)[:, None, :] & order
        return (allowed | _itself(queries, keys, device))[:, None], False

    def _check_length(self, keys: int) -> None:
        if self.documents is not None and keys > self.documents.shape[1]:
            raise ValueError(f"the mask declares {self.documents.shape[1]} positions, but there are {keys} keys")

    def _on_host(self) -> Declared:
        if self._host is None:
            assert self.documents is not None
            self._host = Declared(self.documents, self.blocks, self.seen).mapped(Tensor.cpu)
        return self._host


def continued(declared: Declared, length: int) -> Declared:
    """The same up to ``length`` positions: each row continues its last document, causal and seen by all."""
    documents = declared.documents
    following = documents[:, -1:].expand(len(documents), length - documents.shape[1])
    plain = torch.zeros_like(following)
    return Declared(
        torch.cat((documents, following), dim=1),
        *(None if some is None else torch.cat((some, plain), dim=1) for some in declared[1:]),
    )


def _causal(queries: int, keys: int, device: torch.device) -> Tensor:
    """Bool [T, S]: key k is not after query q, where the queries are the last of the keys."""
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)


def _itself(queries: int, keys: int, device: torch.device) -> Tensor:
    position = torch.arange(keys, device=device)
    return position[keys - queries :, None] == position


def _plain(declared: Declared) -> bool:
    """Whether every row is one document from its first position, with nothing but padding after it, and all causal."""
    documents, *others = declared
    if any(some is not None and bool((some != 0).any()) for some in others):
        return False
    padding = documents < 0
    resumes = padding[:, :-1] & ~padding[:, 1:]
    one = padding | (documents == documents[:, :1])
    return bool(one.all()) and not bool(resumes.any())
