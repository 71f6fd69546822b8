"""Conformance tests of attention kernels: equality, within rounding, with the mask's definition in float64.

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
from ..contracts.kernels import AttentionRequest, KernelSupport
from ..errors import ComponentError
from ..sequence.cache import KVCache
from ..sequence.mask import UNSEEN, Declared, Mask
from .case import require

TOLERANCE = {"float64": 1e-10, "float32": 1e-5, "bfloat16": 3e-2, "float16": 4e-3}
"""Tolerance as a fraction of the largest value, by the data type of queries, keys and values."""


@frozen
class KernelCase:
    """A kernel on a device, with a randomly drawn batch."""

    attention: Attention
    device: str
    dtype: str
    documents: Tensor
    blocks: Tensor
    heads: int
    kv_heads: int
    width: int
    seed: int
    seen: Tensor | None = None

    @property
    def name(self) -> str:
        return f"kernel '{self.attention.name.partition('@')[0]}' on {self.device} in {self.dtype}"

    @property
    def tolerance(self) -> float:
        return TOLERANCE[self.dtype]

    def mask(self) -> Mask:
        device = torch.device(self.device)
        host = Declared(self.documents, self.blocks, self.seen)
        documents, blocks, seen = host.mapped(lambda tensor: tensor.to(device))
        return Mask(documents, blocks, seen=seen, attention=self.attention, host=host)

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
        """Which of the last queries are not padding, [B, 1, T, 1]."""
        return (self.documents[:, -queries:] >= 0)[:, None, :, None]


def kernel_cases(
    name: str, devices: tuple[str, ...] = ("cuda", "cpu")
) -> tuple[st.SearchStrategy[KernelCase] | None, str]:
    """Batches for the kernel of a name, on the first device where it runs here; or None and the reason."""
    component = registry().find("kernel", name)
    config = component.config()
    support: KernelSupport = config.serves()
    device = next((device for device in devices if not _missing(support, device)), None)
    if device is None:
        return None, f"kernel '{name}' cannot be tested here: it {'; it '.join(_missing(support, devices[0]))}"
    try:
        kernel = component.load()(config)
    except ComponentError as error:
        return None, str(error)
    return cases_of(Attention(component.reference, support, kernel), device), ""


def _missing(support: KernelSupport, device: str) -> list[str]:
    missing = shortcomings(support, AttentionRequest(device=device, dtype=support.dtypes[0]))
    if device == "cuda" and not torch.cuda.is_available() and not missing:
        missing = ["needs a CUDA device"]
    return missing


@st.composite
def cases_of(draw: st.DrawFn, attention: Attention, device: str) -> KernelCase:
    """Batches for a kernel on a device."""
    serves = attention.serves
    rows, length = draw(st.integers(1, 3)), draw(st.integers(2, 40))
    documents, blocks = zip(*(draw(row_declared(length, serves.blocks)) for _ in range(rows)), strict=True)
    seen = torch.tensor([draw(row_seen(row)) for row in blocks]) if serves.holes and draw(st.booleans()) else None
    kv_heads = draw(st.sampled_from((1, 2)))
    groups = draw(st.sampled_from((1, 2, 3))) if serves.grouped else 1
    dtypes = [dtype for dtype in serves.dtypes if dtype in TOLERANCE and (device == "cuda" or "16" not in dtype)]
    widths = [width for width in (4, 16, 32, 64) if width % serves.multiple == 0]
    return KernelCase(
        attention,
        device,
        draw(st.sampled_from(dtypes or list(serves.dtypes))),
        torch.tensor(documents),
        torch.tensor(blocks),
        kv_heads * groups,
        kv_heads,
        draw(st.sampled_from(widths or [serves.multiple])),
        draw(st.integers(0, 999)),
        seen,
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


@st.composite
def row_seen(draw: st.DrawFn, blocks: list[int]) -> list[int]:
    """One row: which positions are seen by all later ones, by their block alone, and by nothing else."""
    kinds = {block: draw(st.sampled_from((0, 0, block or UNSEEN, UNSEEN))) for block in sorted(set(blocks))}
    return [kinds[block] if draw(st.integers(0, 3)) else 0 for block in blocks]


def reference(q: Tensor, k: Tensor, v: Tensor, documents: Tensor, blocks: Tensor, seen: Tensor | None = None) -> Tensor:
    """Attention [B, h, T, Dh] by the definition of ``Mask``, pair by pair, in float64 on the CPU."""
    q, k, v = (tensor.cpu().double() for tensor in (q, k, v))
    queries, keys = q.shape[2], k.shape[2]
    groups = q.shape[1] // k.shape[1]
    visible = torch.zeros(len(q), 1, queries, keys, dtype=torch.bool)
    for row in range(len(q)):
        own, full = documents[row].tolist(), blocks[row].tolist()
        shown = [0] * len(own) if seen is None else seen[row].tolist()
        for query in range(queries):
            position = query + keys - queries
            for key in range(keys):
                same = own[position] == own[key] and own[key] >= 0
                same = same and shown[key] in (0, full[position])
                visible[row, 0, query, key] = position == key or (
                    same and (key <= position or (full[position] != 0 and full[position] == full[key]))
                )
    scores = q @ k.repeat_interleave(groups, 1).transpose(-1, -2) / q.shape[-1] ** 0.5
    attended: Tensor = scores.masked_fill(~visible, float("-inf")).softmax(-1) @ v.repeat_interleave(groups, 1)
    return attended


def attends_as_the_mask_says(case: KernelCase) -> None:
    """Outputs for packed documents, full blocks, unseen positions, padding and grouped heads equal the definition."""
    q, k, v = case.inputs()
    copies = q.clone(), k.clone(), v.clone()
    given = attend(q, k, v, case.mask())
    for what, tensor, copied in zip(("queries", "keys", "values"), (q, k, v), copies, strict=True):
        require(torch.equal(tensor, copied), f"{case.name}: changes the {what} in place; compute a new tensor")
    require(
        tuple(given.shape) == tuple(q.shape) and given.dtype == q.dtype,
        f"{case.name}: gave {list(given.shape)} in {given.dtype}, not {list(q.shape)} in {q.dtype}",
    )
    require(bool(torch.isfinite(given).all()), f"{case.name}: gives values that are not finite, perhaps at padding")
    wanted = reference(q, k, v, case.documents, case.blocks, case.seen)
    _near(case, given, wanted, q.shape[2], "attention")


def gives_gradients_as_the_mask_says(case: KernelCase) -> None:
    """Gradients of queries, keys and values equal the definition's, where the kernel declares that it passes them."""
    if case.device not in case.attention.serves.learns:
        return
    q, k, v = case.inputs(learning=True)
    weight = torch.linspace(-1, 1, q.numel(), dtype=torch.float64).view(q.shape) * case.real(q.shape[2])
    given = attend(q, k, v, case.mask())
    (given * weight.to(given)).sum().backward()  # type: ignore[no-untyped-call]
    exact = [tensor.detach().cpu().double().requires_grad_() for tensor in (q, k, v)]
    (reference(exact[0], exact[1], exact[2], case.documents, case.blocks, case.seen) * weight).sum().backward()  # type: ignore[no-untyped-call]
    for what, tensor, twin in zip(("queries", "keys", "values"), (q, k, v), exact, strict=True):
        require(tensor.grad is not None, f"{case.name}: passes no gradient to the {what}")
        assert tensor.grad is not None
        assert twin.grad is not None
        off = float((tensor.grad.cpu().double() - twin.grad).abs().max())
        largest = max(float(twin.grad.abs().max()), 1.0)
        require(off <= 4 * case.tolerance * largest, f"{case.name}: the gradient of the {what} is off by {off:.1e}")


def continues_from_a_cache(case: KernelCase) -> None:
    """A prompt, single and several positions, with keys that are views of a longer cache, give the whole's outputs."""
    if not case.attention.serves.cached:
        return
    q, k, v = case.inputs()
    rows, _, length, width = q.shape
    cache = KVCache(1, rows, case.kv_heads, length + 3, width, q.dtype, q.device)
    cache.keys.fill_(1e4)  # positions that are not filled yet must not be read
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
        past = slice(0, piece.stop)
        wanted = reference(
            q[:, :, piece],
            k[:, :, past],
            v[:, :, past],
            case.documents[:, past],
            blocks[:, past],
            None if case.seen is None else case.seen[:, past],
        )  # a full block's later keys are not there yet
        real = (case.documents[:, piece] >= 0)[:, None, :, None]
        off = float(((given.cpu().double() - wanted) * real).abs().max())
        count = piece.stop - piece.start
        require(
            off <= case.tolerance * max(float((wanted * real).abs().max()), 1.0),
            f"{case.name}: {count} queries after {piece.start} cached positions are off by {off:.1e}",
        )


def repeats_its_outputs(case: KernelCase) -> None:
    """The output is the same twice, under one mask and under an equal one."""
    q, k, v = case.inputs()
    mask = case.mask()
    once = attend(q, k, v, mask)
    require(torch.equal(once, attend(q, k, v, mask)), f"{case.name}: gives another output for the same inputs")
    require(torch.equal(once, attend(q, k, v, case.mask())), f"{case.name}: its output depends on an earlier mask")


def compiles_its_mask_once(case: KernelCase) -> None:
    """All layers share what the first one compiled from the mask: ``mask.kept`` makes nothing again."""
    q, k, v = case.inputs()
    mask = case.mask()
    attend(q, k, v, mask)
    made = dict(mask._kept)
    attend(q, k, v, mask)
    again = [key for key, value in mask._kept.items() if made.get(key) is not value]
    require(not again, f"{case.name}: compiles the mask again for the second layer ({again[0] if again else ''})")


def _near(case: KernelCase, given: Tensor, wanted: Tensor, queries: int, what: str) -> None:
    real = case.real(queries)
    off = float(((given.cpu().double() - wanted) * real).abs().max())
    largest = max(float((wanted * real).abs().max()), 1.0)
    require(off <= case.tolerance * largest, f"{case.name}: {what} is off by {off:.1e}")


KERNEL_CHECKS: tuple[Callable[[KernelCase], None], ...] = (
    attends_as_the_mask_says,
    gives_gradients_as_the_mask_says,
    continues_from_a_cache,
    repeats_its_outputs,
    compiles_its_mask_once,
)
