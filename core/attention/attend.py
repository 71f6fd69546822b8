"""Attention under a declared mask, by the kernel that the mask carries.

A backbone calls ``attend`` and does not depend on kernels: the mask carries the one that computes. A mask without a
kernel takes the default one, and so does everything that is traced on the meta device.

A compiled graph ends at the call: kernels are compiled already, and what they read from a mask differs from batch to
batch, so that a block would be compiled again and again.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from ..components.kernels import DEFAULT
from ..contracts.factories import make
from ..contracts.kernels import AttentionRequest, KernelSupport
from ..sequence.mask import Mask
from .kernels import KernelChoice, choose, shortcomings, unsupported

if TYPE_CHECKING:
    from ..contracts import Kernel

SHORT = 512
"""With fewer keys, the backward pass on a CPU is faster in float32 than in bfloat16; three times as fast at 100."""


class Attention:
    """A kernel in use, with what it serves.

    ``name`` is the component's reference, ``reason`` why ``auto`` chose it, ``served`` the kinds of calls that were
    checked already.
    """

    def __init__(self, name: str, serves: KernelSupport, kernel: Kernel, reason: str = "") -> None:
        self.name = name
        self.serves = serves
        self.kernel = kernel
        self.reason = reason
        self.served: set[tuple[object, ...]] = set()

    def __repr__(self) -> str:
        return f"<Attention {self.name}>"

    def check(self, call: tuple[object, ...]) -> None:
        """Raise ``UsageError`` where the kernel does not serve a kind of call, as ``attend`` describes it."""
        dtype, device, learning, width, blocks, grouped, cached = call
        request = AttentionRequest(
            device=str(device),
            dtype=str(dtype).removeprefix("torch."),
            learning=bool(learning),
            head_width=cast(int, width),
            blocks=bool(blocks),
            grouped=bool(grouped),
            cached=bool(cached),
        )
        if missing := shortcomings(self.serves, request):
            raise unsupported(self.name.partition("@")[0], missing, request)
        self.served.add(call)


def attention_for(name: str, asked: AttentionRequest) -> Attention:
    """The kernel of a name, or of ``"auto"``, ready to use. Raises what ``kernels.choose`` raises."""
    return build_attention(choose(name, asked))


def build_attention(choice: KernelChoice) -> Attention:
    """Build the chosen kernel. Raises ``ComponentError`` where its code cannot be loaded."""
    kernel = make(choice.component, choice.config)
    return Attention(choice.component.reference, choice.serves, kernel, choice.reason)


@cache
def default_attention() -> Attention:
    """The kernel where none is named. Raises ``ComponentError`` where its plugin is disabled."""
    from ..components.registry import registry

    component = registry().find("kernel", DEFAULT)
    return build_attention(KernelChoice(component, component.config()))


def sdpa(q: Tensor, k: Tensor, v: Tensor, **options: Any) -> Tensor:
    """PyTorch's ``scaled_dot_product_attention`` with its ``options``, on a CPU in the precision that trains faster.

    The output has the data type of the queries. For modules that declare no mask, and for kernels.
    """
    reduced = q.dtype in (torch.bfloat16, torch.float16)
    learning = torch.is_grad_enabled() and (q.requires_grad or k.requires_grad or v.requires_grad)
    if not (q.device.type == "cpu" and reduced and learning and k.shape[-2] < SHORT):
        return functional.scaled_dot_product_attention(q, k, v, **options)
    with torch.autocast("cpu", enabled=False):
        attended = functional.scaled_dot_product_attention(q.float(), k.float(), v.float(), **options)
    return attended.to(q.dtype)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Mask) -> Tensor:
    """Queries [B, heads, T, Dh] over keys and values [B, kv_heads, S, Dh] -> [B, heads, T, Dh], scaled by Dh^-0.5.

    The queries belong to the last T of the S keys. ``heads`` is a multiple of ``kv_heads`` (grouped-query attention,
    arXiv:2305.13245): query head h reads key head h // (heads / kv_heads). Raises ``UsageError`` where the kernel that
    the mask carries does not serve this.
    """
    if torch.compiler.is_compiling():
        from .uncompiled import uncompiled  # not above: this imports the compiler

        return cast(Tensor, uncompiled(attend, q, k, v, mask))
    attention = mask.attention
    # Only kernels that take a mask as a tensor serve one with holes, and those are rare: sdpa computes them for others.
    if attention is None or q.is_meta or (not attention.serves.holes and mask.has_holes):
        attention = default_attention()
    if not q.is_meta and torch.is_autocast_enabled(q.device.type):
        q, k, v = (_lowered(tensor) for tensor in (q, k, v))
    # Every new kind of call is compared once with what the kernel serves.
    learning = torch.is_grad_enabled() and (q.requires_grad or k.requires_grad or v.requires_grad)
    blocks = not attention.serves.blocks and mask.has_blocks
    call = (q.dtype, q.device, learning, q.shape[-1], blocks, q.shape[1] != k.shape[1], q.shape[2] != k.shape[2])
    if call not in attention.served:
        attention.check(call)
    return attention.kernel(q, k, v, mask)


def _lowered(tensor: Tensor) -> Tensor:
    """The tensor in autocast's type, so that kernels get one type: a norm leaves queries and keys in float32."""
    return tensor if tensor.dtype == torch.float64 else tensor.to(torch.get_autocast_dtype(tensor.device.type))
