"""The Llama architecture: pre-norm blocks of rotary grouped-query attention and SwiGLU.

B rows    T positions    H hidden width    Dh head width    V vocabulary

The projections that read the same input are fused, since a step of decoding is bound by the number of kernels and by
reading each weight once.
"""

from __future__ import annotations

import torch
from janiform import KVCache, Mask, attend
from torch import Tensor, nn
from torch.nn.functional import dropout, linear, rms_norm, silu

from .config import LlamaConfig

INITIAL_STD = 0.02


class LlamaBackbone(nn.Module):
    """Embeddings [B, T, H] -> hidden states [B, T, H] after the final norm."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocabulary, config.width)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.width, config.eps)
        self.lm_head = None if config.tied else nn.Linear(config.width, config.vocabulary, bias=False)
        self._initialise()

    def forward(self, embeddings: Tensor, positions: Tensor, mask: Mask, cache: KVCache | None = None) -> Tensor:
        """With a cache, the T given positions follow those already in it, and the mask covers cached and new keys.

        ``positions`` int64 [B, T] count within the document, so that padding on the left changes nothing.
        """
        turn = rotation(positions, self.config.head_width, self.config.rope_theta, embeddings.dtype)
        x_BTH = embeddings
        for index, layer in enumerate(self.layers):
            x_BTH = layer(x_BTH, turn, mask, cache, index)
        if cache is not None:
            cache.advance(embeddings.shape[1])
        return self.norm(x_BTH)

    def embed(self, ids: Tensor) -> Tensor:
        """Text ids [B, T] -> embeddings [B, T, H]."""
        return self.embed_tokens(ids)

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden states [..., H] -> text logits [..., V]."""
        return linear(hidden, self.embed_tokens.weight) if self.lm_head is None else self.lm_head(hidden)

    def _initialise(self) -> None:
        """Normal weights; what the blocks add to the residual stream is scaled down by their number."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=INITIAL_STD)
        for layer in self.layers:
            for module in (layer.attention.o_proj, layer.mlp.down_proj):
                nn.init.normal_(module.weight, std=INITIAL_STD / (2 * len(self.layers)) ** 0.5)


class Block(nn.Module):
    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.attention_norm = RMSNorm(config.width, config.eps)
        self.attention = Attention(config)
        self.mlp_norm = RMSNorm(config.width, config.eps)
        self.mlp = SwiGLU(config.width, config.inner)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Mask, cache: KVCache | None, index: int) -> Tensor:
        x = x + self._drop(self.attention(self.attention_norm(x), turn, mask, cache, index))
        return x + self._drop(self.mlp(self.mlp_norm(x)))

    def _drop(self, x: Tensor) -> Tensor:
        return dropout(x, self.dropout, self.training) if self.dropout else x


class Attention(nn.Module):
    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.head_width = config.head_width
        self.heads = config.heads
        self.kv_heads = config.kv_heads or config.heads
        self.qkv_proj = nn.Linear(config.width, (self.heads + 2 * self.kv_heads) * self.head_width, bias=False)
        self.o_proj = nn.Linear(config.width, config.width, bias=False)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Mask, cache: KVCache | None, index: int) -> Tensor:
        heads_B_h_T_Dh = self.qkv_proj(x).unflatten(-1, (-1, self.head_width)).transpose(1, 2)
        turning, v = heads_B_h_T_Dh.split((self.heads + self.kv_heads, self.kv_heads), dim=1)
        q, k = rotate(turning, turn).split((self.heads, self.kv_heads), dim=1)
        if cache is not None:
            k, v = cache.append(index, k, v)
        return self.o_proj(attend(q, k, v, mask).transpose(1, 2).flatten(2))


class SwiGLU(nn.Module):
    """(SiLU(gate) · up), projected down (arXiv:2002.05202)."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.gate_up_proj = nn.Linear(width, 2 * inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up_proj(x).chunk(2, dim=-1)
        return self.down_proj(silu(gate) * up)


class RMSNorm(nn.Module):
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x, self.weight.shape, self.weight, self.eps)


def rotation(positions: Tensor, width: int, theta: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosine and signed sine [B, 1, T, Dh] of the rotary angles, which are computed in float32."""
    channel = torch.arange(0, width, 2, device=positions.device, dtype=torch.float32)
    angle = positions[:, None, :, None].float() * theta ** -(channel / width)
    cosine, sine = angle.cos(), angle.sin()
    return torch.cat((cosine, cosine), dim=-1).to(dtype), torch.cat((-sine, sine), dim=-1).to(dtype)


def rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Turns channel pairs (i, i + Dh/2) of [B, heads, T, Dh], the pairing of the released weights."""
    cosine, sine = turn
    return x * cosine.to(x.dtype) + x.roll(x.shape[-1] // 2, dims=-1) * sine.to(x.dtype)
