"""A decoder whose sparse layers have experts, and the losses of its routers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from janiform import KVCache, Loss, Mask, attend
from torch import Tensor

from ..decoder.blocks import ACTIVATIONS, Block
from ..decoder.model import Decoder
from .experts import SparseMLP, Stacked
from .losses import balance, z

if TYPE_CHECKING:
    from ..qwen3_moe import Qwen3MoeConfig


class SparseBlock(Block):
    """A block with experts; it gives hidden states [B, T, H] and the router's logits [B, T, E].

    Logits are a result, and not kept by the block, so that a recomputed or compiled block gives them once.
    """

    def __init__(self, config: Qwen3MoeConfig) -> None:
        super().__init__(config)
        self.mlp = SparseMLP(
            config.width,
            config.expert_inner,
            config.experts,
            config.active,
            ACTIVATIONS[config.variant.activation],
            config.normalised,
        )

    def forward(
        self, x: Tensor, rotation: tuple[Tensor, Tensor], mask: Mask, cache: KVCache | None, index: int
    ) -> tuple[Tensor, Tensor]:
        q, k, v = self.attention.project(self.attention_norm(x), rotation)
        if cache is not None:
            k, v = cache.append(index, k, v)
        x = x + self._dropped(self.attention.o_proj(attend(q, k, v, mask).transpose(1, 2).flatten(2)))
        output, logits = self.mlp(self.mlp_norm(x))
        return x + self._dropped(output), logits


class SparseDecoder(Decoder):
    """Embeddings [B, T, H] -> hidden states [B, T, H]; in training it keeps the losses of its routers."""

    config: Qwen3MoeConfig

    def __init__(self, config: Qwen3MoeConfig) -> None:
        super().__init__(config)
        self._losses: dict[str, Loss] = {}

    def block(self, index: int) -> Block:
        return SparseBlock(self.config) if self.config.is_sparse(index) else Block(self.config)

    def active_parameters(self) -> int:
        """The parameters that compute one position: all but those of the experts that it does not choose."""
        idle = 1 - self.config.active / self.config.experts
        stacks = (module.weight.numel() for module in self.modules() if isinstance(module, Stacked))
        return sum(weight.numel() for weight in self.parameters()) - round(idle * sum(stacks))

    def auxiliary_weights(self) -> dict[str, float]:
        """The losses of routers with a coefficient: ``balance`` and ``z``."""
        sparse = any(map(self.config.is_sparse, range(self.config.layers)))
        coefficients = {"balance": self.config.balance, "z": self.config.z_loss} if sparse else {}
        return {name: weight for name, weight in coefficients.items() if weight}

    def auxiliary_losses(self) -> dict[str, Loss]:
        """Those of the passes since the last call; means over sparse layers, counted by positions without padding."""
        losses, self._losses = self._losses, {}
        return losses

    def run(
        self, x: Tensor, rotation: tuple[Tensor, Tensor], mask: Mask, cache: KVCache | None, routes: Any = None
    ) -> Tensor:
        length, kept = x.shape[1], []
        for index, layer in enumerate(self.layers):
            if self.config.is_sparse(index):
                x, logits = layer(x, rotation, mask, cache, index)
                kept.append(logits)
            else:
                x = layer(x, rotation, mask, cache, index)
        if cache is not None:
            cache.advance(length)
        if kept and self.training and torch.is_grad_enabled():
            documents = mask.declared_documents
            self._add(kept, torch.zeros_like(x[..., 0], dtype=torch.int64) if documents is None else documents)
        return x

    def _add(self, layers: list[Tensor], documents: Tensor) -> None:
        """Add the losses of a pass, given the router logits [B, T, E] of its sparse layers."""
        names = self.auxiliary_weights()
        count = (documents >= 0).sum().to(torch.float32)
        sums = {}
        if "balance" in names:
            sums["balance"] = [balance(logits, documents, self.config.active) for logits in layers]
        if "z" in names:
            sums["z"] = [z(logits, documents) for logits in layers]
        for name, of_layers in sums.items():
            loss = Loss(torch.stack(of_layers).mean(), count)
            self._losses[name] = self._losses[name] + loss if name in self._losses else loss
