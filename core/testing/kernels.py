"""What attention kernels promise: to be equal, within rounding, to the definition of the mask written out in float64.

B rows    T queries    S keys    h heads    Dh head width
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from attrs import frozen
from hypothesis import strategies as st
from torch import Tensor

from ..attention.attend import Attention, attend
from ..attention.kernels import shortcomings
from ..components.registry import registry
from ..contracts.kernels import Asked, Serves
from ..errors import ComponentError
from ..sequence.cache import KVCache
from ..sequence.mask import Mask
from .case import demand

TOLERANCE = {"float64": 1e-10, "float32": 1e-5, "bfloat16": 3e-2, "float16": 4e-3}
"""Of the largest value, by the dtype of queries, keys and values."""

Declared = tuple[list[list[int]], list[list[int]]]
"""Documents and blocks [B][L], as ``Mask`` takes them."""


@frozen
class KernelCase:
    """A kernel on a device, with a batch that is drawn at random."""

    attention: Attention
    device: str
    dtype: str
    documents: Tensor
    blocks: Tensor
    heads: int
    kv_heads: int
    width: int
    seed: int

    @property
    def name(self) -> str:
        return f"kernel '{self.attention.name.partition('@')[0]}' on {self.device} in {self.dtype}"

    @property
    def tolerance(self) -> float:
        return TOLERANCE[self.dtype]

    def mask(self) -> Mask:
        place = torch.device(self.device)
        host = self.documents, self.blocks
        return Mask(self.documents.to(place), self.blocks.to(place), attention=self.attention, host=host)

    def inputs(self, learning: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Queries [B, h, L, Dh], keys and values [B, kv_heads, L, Dh] for all L positions."""
        chance = torch.Generator().manual_seed(self.seed)
        rows, length = self.documents.shape
        dtype = getattr(torch, self.dtype)
        shapes = [(rows, heads, length, self.width) for heads in (self.heads, self.kv_heads, self.kv_heads)]
        q, k, v = (torch.randn(shape, generator=chance).to(self.device, dtype) for shape in shapes)
        for tensor in (q, k, v):
            tensor.requires_grad_(learning)
        return q, k, v

    def real(self, queries: int) -> Tensor:
        """Which of the last queries are no padding, [B, 1, T, 1]."""
        return (self.documents[:, -queries:] >= 0)[:, None, :, None]


def kernel_cases(
    name: str, devices: tuple[str, ...] = ("cuda", "cpu")
) -> tuple[st.SearchStrategy[KernelCase] | None, str]:
    """Batches for the kernel of a name, on the first device where it runs here; or None, and why it runs on none."""
    component = registry().find("kernel", name)
    config = component.config()
    serves: Serves = config.serves()
    device = next((device for device in devices if not _missing(serves, device)), None)
    if device is None:
        return None, f"kernel '{name}' cannot be tested here: it {'; it '.join(_missing(serves, devices[0]))}"
    try:
        kernel = component.load()(config)
    except ComponentError as error:
        return None, str(error)
    return cases_of(Attention(component.reference, serves, kernel), device), ""


def _missing(serves: Serves, device: str) -> list[str]:
    found = shortcomings(serves, Asked(device=device, dtype=serves.dtypes[0]))
    if device == "cuda" and not torch.cuda.is_available() and not found:
        found = ["needs a CUDA device"]
    return found


@st.composite
def cases_of(draw: st.DrawFn, attention: Attention, device: str) -> KernelCase:
    """Batches for a kernel on a device."""
    serves = attention.serves
    rows, length = draw(st.integers(1, 3)), draw(st.integers(2, 40))
    documents, blocks = zip(*(draw(row_declared(length, serves.blocks)) for _ in range(rows)), strict=True)
    kv_heads = draw(st.sampled_from((1, 2)))
    groups = draw(st.sampled_from((1, 2, 3))) if serves.grouped else 1
    known = [dtype for dtype in serves.dtypes if dtype in TOLERANCE and (device == "cuda" or "16" not in dtype)]
    widths = [width for width in (4, 16, 32, 64) if width % serves.multiple == 0]
    return KernelCase(
        attention,
        device,
        draw(st.sampled_from(known or list(serves.dtypes))),
        torch.tensor(documents),
        torch.tensor(blocks),
        kv_heads * groups,
        kv_heads,
        draw(st.sampled_from(widths or [serves.multiple])),
        draw(st.integers(0, 999)),
    )


@st.composite
def row_declared(draw: st.DrawFn, length: int, full: bool = True) -> tuple[list[int], list[int]]:
    """One row: padding, documents of text and full blocks, padding."""
    documents = [-1] * draw(st.integers(0, 3))
    blocks: list[int] = []
    number = 0
    while len(documents) < length:
        size = draw(st.integers(1, 16))
        documents += [number] * size
        number += 1
    padding = draw(st.integers(0, 3))
    documents = documents[:length]
    if padding and length > padding:
        documents[length - padding :] = [-1] * padding
    block = 0
    for position, document in enumerate(documents):
        fresh = position == 0 or documents[position - 1] != document
        if document < 0 or not full:
            block_here = 0
        elif fresh or draw(st.integers(0, 3)) == 0:
            block += 1
            block_here = block if draw(st.booleans()) else 0
        else:
            block_here = blocks[-1]
        blocks.append(block_here)
    return documents, blocks


def reference(q: Tensor, k: Tensor, v: Tensor, documents: Tensor, blocks: Tensor) -> Tensor:
    """Attention [B, h, T, Dh] by the definition of ``Mask``, pair by pair, in float64 on the CPU."""
    q, k, v = (tensor.cpu().double() for tensor in (q, k, v))
    queries, keys = q.shape[2], k.shape[2]
    groups = q.shape[1] // k.shape[1]
    seen = torch.zeros(len(q), 1, queries, keys, dtype=torch.bool)
    for row in range(len(q)):
        own, full = documents[row].tolist(), blocks[row].tolist()
        for query in range(queries):
            at = query + keys - queries
            for key in range(keys):
                same = own[at] == own[key] and own[key] >= 0
                seen[row, 0, query, key] = at == key or (
                    same and (key <= at or (full[at] != 0 and full[at] == full[key]))
                )
    scores = q @ k.repeat_interleave(groups, 1).transpose(-1, -2) / q.shape[-1] ** 0.5
    attended: Tensor = scores.masked_fill(~seen, float("-inf")).softmax(-1) @ v.repeat_interleave(groups, 1)
    return attended


def attends_as_the_mask_says(case: KernelCase) -> None:
    """Packed documents, full blocks, padding on both sides and grouped heads, against the definition in float64."""
    q, k, v = case.inputs()
    given = attend(q, k, v, case.mask())
    demand(
        tuple(given.shape) == tuple(q.shape) and given.dtype == q.dtype,
        f"{case.name}: gave {list(given.shape)} in {given.dtype}, not {list(q.shape)} in {q.dtype}",
    )
    demand(bool(torch.isfinite(given).all()), f"{case.name}: gives values that are not finite, at padding perhaps")
    wanted = reference(q, k, v, case.documents, case.blocks)
    _near(case, given, wanted, q.shape[2], "attention")


def learns_as_the_mask_says(case: KernelCase) -> None:
    """The gradients of queries, keys and values, where the kernel declares to pass any on this device."""
    if case.device not in case.attention.serves.learns:
        return
    q, k, v = case.inputs(learning=True)
    weight = torch.linspace(-1, 1, q.numel(), dtype=torch.float64).view(q.shape) * case.real(q.shape[2])
    given = attend(q, k, v, case.mask())
    (given * weight.to(given)).sum().backward()  # type: ignore[no-untyped-call]
    exact = [tensor.detach().cpu().double().requires_grad_() for tensor in (q, k, v)]
    (reference(exact[0], exact[1], exact[2], case.documents, case.blocks) * weight).sum().backward()  # type: ignore[no-untyped-call]
    for what, tensor, twin in zip(("queries", "keys", "values"), (q, k, v), exact, strict=True):
        demand(tensor.grad is not None, f"{case.name}: passes no gradient to the {what}")
        assert tensor.grad is not None
        assert twin.grad is not None
        off = float((tensor.grad.cpu().double() - twin.grad).abs().max())
        largest = max(float(twin.grad.abs().max()), 1.0)
        demand(off <= 4 * case.tolerance * largest, f"{case.name}: the gradient of the {what} is off by {off:.1e}")


def goes_on_from_a_cache(case: KernelCase) -> None:
    """A prompt, single steps and several at once, with keys that are views of a longer cache, as the whole gives."""
    if not case.attention.serves.cached:
        return
    q, k, v = case.inputs()
    rows, _, length, width = q.shape
    cache = KVCache(1, rows, case.kv_heads, length + 3, width, q.dtype, q.device)
    cache.keys.fill_(1e4)  # what is not filled yet must not be read
    mask, first = case.mask(), length // 2
    pieces = [slice(0, first), *(slice(at, at + 1) for at in range(first, length - 2))]
    pieces.append(slice(max(first, length - 2), length))
    blocks = case.blocks
    for piece in pieces:
        if piece.stop == piece.start:
            continue
        keys, values = cache.append(0, k[:, :, piece], v[:, :, piece])
        given = attend(q[:, :, piece], keys, values, mask)
        cache.advance(piece.stop - piece.start)
        seen = slice(0, piece.stop)
        wanted = reference(
            q[:, :, piece], k[:, :, seen], v[:, :, seen], case.documents[:, seen], blocks[:, seen]
        )  # a full block's later keys are not there yet
        real = (case.documents[:, piece] >= 0)[:, None, :, None]
        off = float(((given.cpu().double() - wanted) * real).abs().max())
        count = piece.stop - piece.start
        demand(
            off <= case.tolerance * max(float((wanted * real).abs().max()), 1.0),
            f"{case.name}: {count} queries after {piece.start} cached positions are off by {off:.1e}",
        )


def is_the_same_every_time(case: KernelCase) -> None:
    """The same output twice, under one mask and under another of the same declaration."""
    q, k, v = case.inputs()
    mask = case.mask()
    once = attend(q, k, v, mask)
    demand(torch.equal(once, attend(q, k, v, mask)), f"{case.name}: gives another output the second time")
    demand(torch.equal(once, attend(q, k, v, case.mask())), f"{case.name}: keeps something of another mask")


def compiles_its_mask_once(case: KernelCase) -> None:
    """All layers share what the first one made of the mask: ``mask.kept`` is not asked to make anything again."""
    q, k, v = case.inputs()
    mask = case.mask()
    attend(q, k, v, mask)
    made = dict(mask._kept)
    attend(q, k, v, mask)
    again = [key for key, value in mask._kept.items() if made.get(key) is not value]
    demand(not again, f"{case.name}: compiles the mask again for the second layer ({again[0] if again else ''})")


def _near(case: KernelCase, given: Tensor, wanted: Tensor, queries: int, what: str) -> None:
    real = case.real(queries)
    off = float(((given.cpu().double() - wanted) * real).abs().max())
    largest = max(float((wanted * real).abs().max()), 1.0)
    demand(off <= case.tolerance * largest, f"{case.name}: {what} is off by {off:.1e} of what the mask says")


CHECKS: tuple[Callable[[KernelCase], None], ...] = (
    attends_as_the_mask_says,
    learns_as_the_mask_says,
    goes_on_from_a_cache,
    is_the_same_every_time,
    compiles_its_mask_once,
)
