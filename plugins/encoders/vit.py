"""Blocks and positions of vision transformers (arXiv:2010.11929).

B pictures    N tokens    W width
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from janiform import Grid, sdpa
from torch import Tensor, nn
from torch.nn.functional import gelu, interpolate, silu

from .config import Activation


def quick_gelu(x: Tensor) -> Tensor:
    """x · sigmoid(1.702 x), as in CLIP (arXiv:1606.08415, section 2)."""
    return x * torch.sigmoid(1.702 * x)


ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "gelu": gelu,
    "gelu-tanh": partial(gelu, approximate="tanh"),
    "quick-gelu": quick_gelu,
}


class Block(nn.Module):
    """Pre-norm attention and MLP with residual connections, on features [B, N, W]."""

    def __init__(self, width: int, heads: int, inner: int, eps: float, activation: Activation) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.mlp = MLP(width, inner, activation)

    def forward(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        x = x + self.attn(self.norm1(x), seen)
        return x + self.mlp(self.norm2(x))


class Attention(nn.Module):
    """Full self-attention; ``seen``, bool [B, N], are the tokens that others attend to, by default all."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mask = None if seen is None else seen[:, None, None]
        return self.proj(sdpa(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2))


class MLP(nn.Module):
    """Two linear layers with an activation between them."""

    def __init__(self, width: int, inner: int, activation: Activation = "gelu") -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.activation(self.fc1(x)))


class SwiGLU(nn.Module):
    """silu(gate) · up, then down (arXiv:2002.05202); gate and up are the rows of one matrix, in that order."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.gate_up = nn.Linear(width, 2 * inner)
        self.down = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        return self.down(silu(gate) * up)


def initialise_linears(module: nn.Module) -> None:
    """Xavier-uniform weights and zero biases for every linear layer."""
    for child in module.modules():
        if isinstance(child, nn.Linear):
            nn.init.xavier_uniform_(child.weight)
            nn.init.zeros_(child.bias)


def positions_for(table: Tensor, grid: Grid, *, antialias: bool = False) -> Tensor:
    """The positions of a class token and of the patches of a grid, [1, 1 + grid.size, W].

    Where the table is for another grid, positions are interpolated bicubically in float32 at least, like
    ``interpolate_pos_encoding`` in transformers (``modeling_clip.py``, ``modeling_dinov2.py``).

    Args:
        table: [1, 1 + S², W], the class token's position and those of S × S patches in raster order.
        antialias: whether to interpolate with antialiasing, which matters for smaller grids only.
    """
    side = math.isqrt(table.shape[1] - 1)
    if (side, side) == (grid.height, grid.width):
        return table
    wide = torch.promote_types(table.dtype, torch.float32)
    planes = table[:, 1:].to(wide).unflatten(1, (side, side)).permute(0, 3, 1, 2)
    scaled = interpolate(planes, (grid.height, grid.width), mode="bicubic", antialias=antialias)
    return torch.cat((table[:, :1], scaled.flatten(2).transpose(1, 2).to(table.dtype)), dim=1)
