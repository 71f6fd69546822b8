"""The blocks of a decoder, in all variants of the families.

B rows    T positions    H hidden width    h heads    Dh head width

Projections of the same input are fused, since a decoding step is bound by the number of kernels and by reading each
weight once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import torch
from janiform import KVCache, Mask, Routes, attend
from torch import Tensor, nn
from torch.nn.functional import dropout, gelu, layer_norm, rms_norm, silu

from .config import DecoderConfig

INITIAL_STD = 0.02
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"silu": silu, "gelu-tanh": partial(gelu, approximate="tanh")}


class OffsetRMSNorm(nn.RMSNorm):
    """x / rms(x) · (1 + weight), in float32 at least, since bfloat16 would round 1 + weight too coarsely."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__(width, eps)
        nn.init.zeros_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        wide = torch.promote_types(x.dtype, torch.float32)
        return rms_norm(x.to(wide), self.normalized_shape, 1 + self.weight.to(wide), self.eps).to(x.dtype)


class HeadLayerNorm(nn.LayerNorm):
    """LayerNorm of heads [B, h, T, Dh] over Dh, with a weight and a bias [h, Dh] for each head, as in Chameleon."""

    def __init__(self, heads: int, head_width: int) -> None:
        super().__init__((heads, head_width), eps=1e-5)

    def forward(self, x: Tensor) -> Tensor:
        return layer_norm(x, x.shape[-1:], eps=self.eps) * self.weight[:, None] + self.bias[:, None]


def norm(width: int, config: DecoderConfig) -> nn.RMSNorm:
    """The family's norm over a last dimension of ``width`` (arXiv:1910.07467)."""
    return (OffsetRMSNorm if config.variant.offset_norm else nn.RMSNorm)(width, config.eps)


def head_norm(heads: int, config: DecoderConfig) -> nn.RMSNorm | nn.LayerNorm | None:
    """The family's norm of queries or keys [B, h, T, Dh], where it has one."""
    width = config.hidden().head_width
    match config.head_norms:
        case "rms":
            return norm(width, config)
        case "layer":
            return HeadLayerNorm(heads, width)
        case _:
            return None


class BlockWeights(nn.Module):
    """The weights of a block: norms, attention and MLP."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.attention_norm = norm(config.width, config)
        self.attention = Attention(config)
        self.mlp_norm = norm(config.width, config)
        self.mlp = GatedMLP(config.width, config.inner, ACTIVATIONS[config.variant.activation])


class Block(BlockWeights):
    """Hidden states [B, T, H] -> the same after attention and MLP, each before a residual sum.

    Attention and MLP are normalised before them, or after them as in Swin V2 (arXiv:2111.09883). With routes there is a
    further set of weights by the name of each; positions of all sets attend to one another, as in BAGEL
    (arXiv:2505.14683) and in the Mixture-of-Transformers (arXiv:2411.04996).
    """

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__(config)
        self.dropout = config.dropout
        self.swin_norm = config.swin_norm
        self.routes = config.routes
        for name in config.routes:
            self.add_module(name, BlockWeights(config))

    def forward(
        self,
        x: Tensor,
        rotation: tuple[Tensor, Tensor],
        mask: Mask,
        cache: KVCache | None,
        index: int,
        routes: Routes | None = None,
    ) -> Tensor:
        sets = self._sets(routes)
        q, k, v = self._projected(sets, routes, x, rotation)
        if cache is not None:
            k, v = cache.append(index, k, v)
        # Compiled graphs end at the attention kernel, in every function that calls it, so it is called at this level.
        attended = attend(q, k, v, mask).transpose(1, 2).flatten(2)
        attended = by_set(routes, [weights.attention.o_proj for weights in sets], attended)
        if self.swin_norm:
            x = x + self._dropped(by_set(routes, [weights.attention_norm for weights in sets], attended))
            mixed = by_set(routes, [weights.mlp for weights in sets], x)
            return x + self._dropped(by_set(routes, [weights.mlp_norm for weights in sets], mixed))
        x = x + self._dropped(attended)
        return x + self._dropped(by_set(routes, [_after(weights.mlp, weights.mlp_norm) for weights in sets], x))

    def _sets(self, routes: Routes | None) -> list[BlockWeights]:
        if not self.routes:
            return [self]
        sets = [self, *(self.get_submodule(name) for name in self.routes)]
        one = 0 if routes is None else routes.one
        return sets if one is None else [sets[one]]

    def _projected(
        self, sets: list[BlockWeights], routes: Routes | None, x: Tensor, rotation: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        def project(weights: BlockWeights, x: Tensor, rotation: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
            return weights.attention.project(x if self.swin_norm else weights.attention_norm(x), rotation)

        if len(sets) == 1:
            return project(sets[0], x, rotation)
        # Each set projects its positions as one row [1, h, R, Dh]; together they are those of the batch.
        flat, (rows, length) = x.flatten(0, 1), x.shape[:2]
        angles = [angle.expand(rows, -1, -1, -1).transpose(1, 2).flatten(0, 1) for angle in rotation]
        pieces = []
        for weights, places in zip(sets, routes.sets, strict=True):
            turned = [angle[places].transpose(0, 1)[None] for angle in angles]
            pieces.append(project(weights, flat[places][None], (turned[0], turned[1])))
        joined = (torch.cat([piece[number][0] for piece in pieces], dim=1)[:, routes.order] for number in range(3))
        q, k, v = (some.unflatten(1, (rows, length)).transpose(0, 1) for some in joined)
        return q, k, v

    def _dropped(self, x: Tensor) -> Tensor:
        return dropout(x, self.dropout, self.training) if self.dropout else x


def by_set(routes: Routes | None, functions: Sequence[Callable[[Tensor], Tensor]], x: Tensor) -> Tensor:
    """States [B, T, H], those of each set of weights through its own function, or all through the only one."""
    if len(functions) == 1:
        return functions[0](x)
    flat = x.flatten(0, 1)
    pieces = [function(flat[places]) for function, places in zip(functions, routes.sets, strict=True)]
    return torch.cat(pieces)[routes.order].unflatten(0, x.shape[:2])


def _after(second: Callable[[Tensor], Tensor], first: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: second(first(x))


class Attention(nn.Module):
    """The projections around rotary grouped-query attention."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        variant = config.variant
        shape = config.hidden()
        self.head_width = shape.head_width
        self.heads = config.heads
        self.kv_heads = shape.kv_heads
        fused = (self.heads + 2 * self.kv_heads) * self.head_width
        self.qkv_proj = nn.Linear(config.width, fused, bias=variant.qkv_bias)
        self.o_proj = nn.Linear(self.heads * self.head_width, config.width, bias=False)
        self.q_norm = head_norm(self.heads, config)
        self.k_norm = head_norm(self.kv_heads, config)

    def project(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries [B, heads, T, Dh], keys and values [B, kv_heads, T, Dh] of normalised states [B, T, H]."""
        heads_B_h_T_Dh = self.qkv_proj(x).unflatten(-1, (-1, self.head_width)).transpose(1, 2)
        rotary, v = heads_B_h_T_Dh.split((self.heads + self.kv_heads, self.kv_heads), dim=1)
        if self.q_norm is not None and self.k_norm is not None:
            # One fused operation needs input and weight in one type, and under autocast projections are bfloat16.
            rotary = rotary.to(torch.promote_types(rotary.dtype, self.q_norm.weight.dtype))
            q, k = rotary.split((self.heads, self.kv_heads), dim=1)
            rotary = torch.cat((self.q_norm(q), self.k_norm(k)), dim=1)
        # Rotate channel pairs (i, i + Dh/2), the pairing of the released weights.
        cosine, sine = rotation
        rotated = rotary.roll(self.head_width // 2, dims=-1) * sine.to(rotary.dtype)
        rotary = rotary * cosine.to(rotary.dtype) + rotated
        q, k = rotary.split((self.heads, self.kv_heads), dim=1)
        return q, k, v


class GatedMLP(nn.Module):
    """(activation(gate) · up), projected down (arXiv:2002.05202)."""

    def __init__(self, width: int, inner: int, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.activation = activation
        self.gate_up_proj = nn.Linear(width, 2 * inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up_proj(x).chunk(2, dim=-1)
        return self.down_proj(self.activation(gate) * up)


def run_blocks(
    layers: Iterable[nn.Module],
    x: Tensor,
    rotation: tuple[Tensor, Tensor],
    mask: Mask,
    cache: KVCache | None,
    routes: Routes | None = None,
) -> Tensor:
    """Hidden states [B, T, H] after all blocks; with a cache, the T positions follow those that it holds."""
    length = x.shape[1]
    for index, layer in enumerate(layers):
        x = layer(x, rotation, mask, cache, index, routes)
    if cache is not None:
        cache.advance(length)
    return x


def initialise(module: nn.Module, layers: nn.ModuleList) -> None:
    """Initialise normal weights and zero biases; the outputs of the blocks are scaled down by the number of blocks."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            nn.init.normal_(part.weight, std=INITIAL_STD)
        if isinstance(part, nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)
    for layer in layers:
        for part in (layer.attention.o_proj, layer.mlp.down_proj):
            nn.init.normal_(part.weight, std=INITIAL_STD / (2 * len(layers)) ** 0.5)
        for name in layer.routes:  # further sets begin as copies of the first, as in BAGEL
            copied = {key: value for key, value in layer.state_dict().items() if not key.startswith(in_sets(layer))}
            layer.get_submodule(name).load_state_dict(copied)


def in_sets(layer: Block) -> tuple[str, ...]:
    """The prefixes of the names of a block's further sets of weights."""
    return tuple(f"{name}." for name in layer.routes)
