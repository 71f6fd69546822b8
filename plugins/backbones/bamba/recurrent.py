"""A recurrent layer of Mamba-2 (arXiv:2405.21060): for each head, S ← a·S + dt·x Bᵀ and y = S C + D·x.

It is computed in chunks: within a chunk as attention with decaying weights, and from chunk to chunk by the states. A
document begins with an empty state, and padding changes none.

B rows    T positions    n chunks of L positions    h heads    P head width    N state width    K positions of the
convolution    G groups
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, silu, softplus

from .cache import BambaCache
from .config import BambaConfig

NOBODY = -2
"""The document before the first position of a row: that of none."""


class Recurrent(nn.Module):
    """Hidden states [B, T, H] -> [B, T, H]. The names of the weights are those of transformers' BambaMixer."""

    def __init__(self, config: BambaConfig) -> None:
        super().__init__()
        self.config = config
        inner, heads = config.mamba_width, config.mamba_heads
        self.in_proj = nn.Linear(config.width, inner + config.conv_width + heads, bias=config.proj_bias)
        self.conv1d = nn.Conv1d(
            config.conv_width, config.conv_width, config.conv, groups=config.conv_width, bias=config.conv_bias
        )
        # Steps between 0.001 and 0.1, as in Mamba; softplus(bias) is the step.
        step = torch.exp(torch.rand(heads) * 4.6 - 6.9)
        self.dt_bias = nn.Parameter(step + torch.log(-torch.expm1(-step)))
        self.A_log = nn.Parameter(torch.log(torch.arange(1, heads + 1).float()))
        self.D = nn.Parameter(torch.ones(heads))
        self.norm = GroupNormGated(inner, config.groups, config.eps)
        self.out_proj = nn.Linear(inner, config.width, bias=config.proj_bias)

    def forward(
        self, x: Tensor, documents: Tensor | None, before: Tensor | None, cache: BambaCache | None, index: int
    ) -> Tensor:
        """``documents`` int64 [B, T], None where each row is one; ``before`` [B] is the one of the last cached
        position, with ``cache``, whose states of recurrent layer ``index`` are read and replaced."""
        config = self.config
        sizes = (config.mamba_width, config.conv_width, config.mamba_heads)
        gate, convolved, dt = self.in_proj(x).split(sizes, dim=-1)
        kind = torch.promote_types(x.dtype, torch.float32)
        convolved = self._convolved(convolved.to(kind), documents, before, cache, index)
        shared = config.groups * config.state
        v, b, c = convolved.split((config.mamba_width, shared, shared), dim=-1)
        v = v.unflatten(-1, (config.mamba_heads, -1))
        each = config.mamba_heads // config.groups
        b, c = (some.unflatten(-1, (config.groups, -1)).repeat_interleave(each, dim=2) for some in (b, c))
        dt = softplus(dt.to(kind) + self.dt_bias.to(kind))
        if documents is not None:
            dt = dt * (documents >= 0)[..., None]
        log_a = -self.A_log.to(kind).exp() * dt
        state = None if cache is None else cache.states[index]
        y, state = scan(v * dt[..., None], b, c, log_a, documents, before, state, config.chunk)
        if cache is not None:
            cache.states[index] = state
        y = y + self.D.to(kind)[:, None] * v
        return self.out_proj(self.norm(y.flatten(2), gate).to(x.dtype))

    def _convolved(
        self, x: Tensor, documents: Tensor | None, before: Tensor | None, cache: BambaCache | None, index: int
    ) -> Tensor:
        """The causal convolution of each channel [B, T, channels] with an activation, within documents."""
        length, reach = x.shape[1], self.config.conv - 1
        earlier = x.new_zeros(len(x), reach, x.shape[2]) if cache is None else cache.inputs[index]
        whole = torch.cat((earlier, x), dim=1)
        all_documents = None
        if documents is not None:
            first = documents.new_full((len(x),), NOBODY) if before is None else before
            all_documents = torch.cat((first[:, None].expand(-1, reach), documents), dim=1)
        weight = self.conv1d.weight.to(x.dtype)[:, 0]
        total = x.new_zeros(()) if self.conv1d.bias is None else self.conv1d.bias.to(x.dtype)
        for back in range(reach + 1):
            piece = whole[:, reach - back : reach - back + length]
            if all_documents is not None and back:
                same = all_documents[:, reach - back : reach - back + length] == documents
                piece = piece * same[..., None]
            total = total + piece * weight[:, reach - back]
        if cache is not None:
            kept = whole[:, length:]
            if all_documents is not None:
                kept = kept * (all_documents[:, length:] == all_documents[:, -1:])[..., None]
            cache.inputs[index] = kept
        return silu(total)


class GroupNormGated(nn.Module):
    """RMSNorm of x · silu(gate) over each group of channels [..., width], in float32 at least."""

    def __init__(self, width: int, groups: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.groups, self.eps = groups, eps

    def forward(self, x: Tensor, gate: Tensor) -> Tensor:
        x = (x * silu(gate.to(x.dtype))).unflatten(-1, (self.groups, -1))
        x = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps)
        return self.weight.to(x.dtype) * x.flatten(-2)


def scan(
    x: Tensor,
    b: Tensor,
    c: Tensor,
    log_a: Tensor,
    documents: Tensor | None,
    before: Tensor | None,
    state: Tensor | None,
    chunk: int,
) -> tuple[Tensor, Tensor]:
    """The recurrence S ← exp(log_a)·S + x bᵀ with outputs S c, and its last state.

    Args:
        x: [B, T, h, P]. b, c: [B, T, h, N]. log_a: [B, T, h], at most 0.
        documents: int64 [B, T]; at the first position of a document the state is empty. None where there is one.
        before: the document [B] that ``state`` belongs to.
        state: [B, h, P, N] before the first position; None means an empty one.

    Returns: outputs [B, T, h, P], and the state of the last position's document [B, h, P, N].
    """
    rows, length, heads, width = x.shape
    if state is None:
        state = x.new_zeros(rows, heads, width, b.shape[-1])
        before = None if documents is None else documents.new_full((rows,), NOBODY)
    elif documents is not None and before is None:
        before = documents[:, 0]
    size = min(chunk, length)
    more = -length % size
    x, b, c = (_chunks(some, more, size) for some in (x, b, c))
    log_a = _chunks(log_a, more, size)
    total = log_a.cumsum(2)  # [B, n, L, h]
    within = total[:, :, :, None] - total[:, :, None]  # [B, n, L (query), L (key), h]
    seen = torch.ones(size, size, dtype=torch.bool, device=x.device).tril()
    numbers = None
    if documents is not None:
        padded = torch.cat((documents, documents[:, -1:].expand(-1, more)), dim=1)
        numbers = padded.unflatten(1, (-1, size))  # [B, n, L]
        seen = seen & (numbers[:, :, :, None] == numbers[:, :, None])
    # Later keys would overflow before they are hidden, so they are hidden before the exponential.
    weights = within.masked_fill(~seen[..., None], -torch.inf).exp()
    scores = torch.einsum("znlhk,znmhk->znlmh", c, b) * weights
    outputs = torch.einsum("znlmh,znmhp->znlhp", scores, x)
    to_end = (total[:, :, -1:] - total).exp()
    if numbers is not None:
        to_end = to_end * (numbers == numbers[:, :, -1:])[..., None]
    gained = torch.einsum("znlhp,znlhk->znhpk", x * to_end[..., None], b)
    from_start = total.exp()
    whole = from_start[:, :, -1]  # [B, n, h]
    if numbers is not None and before is not None:
        previous = torch.cat((before[:, None], numbers[:, :-1, -1]), dim=1)  # [B, n]
        from_start = from_start * (numbers == previous[:, :, None])[..., None]
        whole = whole * (numbers[:, :, -1] == previous)[..., None]
    starts = []
    for number in range(x.shape[1]):
        starts.append(state)
        state = whole[:, number, :, None, None] * state + gained[:, number]
    carried = torch.einsum("znlhk,znhpk->znlhp", c * from_start[..., None], torch.stack(starts, dim=1))
    return (outputs + carried).flatten(1, 2)[:, :length], state


def _chunks(some: Tensor, more: int, size: int) -> Tensor:
    """[B, T, ...] to [B, n, L, ...], with zeros behind the end."""
    return pad(some, (0, 0) * (some.dim() - 2) + (0, more)).unflatten(1, (-1, size))
