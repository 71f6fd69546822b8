"""A transformer over the levels of one code (arXiv:2203.01941), built from the blocks of the decoder backbones.

R states    d levels of a code    H hidden width    W width of the depth transformer    V vocabulary of a level

Level l is predicted from the hidden state, which is the first input, and from the codes of the levels before it. Input
l > 0 is the sum of those codes' vectors, as the partial reconstruction of a residual quantiser is, or the vector of the
last of them alone, as for split codes in UniTok (arXiv:2502.20321).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from janiform import Codes, Hidden, KVCache, Loss, Mask
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ..backbones.decoder.blocks import INITIAL_STD, Block, initialise, run_blocks
from ..backbones.decoder.rotary import frequencies, rotation
from .config import DepthHeadConfig


class DepthHead(nn.Module):
    """Hidden states [R, H] -> logits [R, V] of each level, given the levels before it."""

    def __init__(self, config: DepthHeadConfig, hidden: Hidden, codes: Codes) -> None:
        super().__init__()
        self.depth = codes.depth
        self.config = sizes = config.decoder(hidden, codes)
        self.sums = config.inputs == "sum"
        tables = min(1, codes.depth - 1) if config.shared else codes.depth - 1
        self.enter = nn.Linear(hidden.width, sizes.width, bias=False)
        self.place = nn.Parameter(torch.randn(codes.depth, sizes.width) * INITIAL_STD)
        # The code of the last level is not an input, so it needs no table.
        self.tables = nn.ModuleList(nn.Embedding(codes.vocabulary, sizes.width) for _ in range(tables))
        self.layers = nn.ModuleList(Block(sizes) for _ in range(sizes.layers))
        self.norm = nn.RMSNorm(sizes.width, sizes.eps)
        outs = 1 if config.shared or config.shared_output else codes.depth
        self.outs = nn.ModuleList(nn.Linear(sizes.width, codes.vocabulary, bias=False) for _ in range(outs))
        initialise(self, self.layers)

    def forward(self, hidden: Tensor) -> Tensor:
        """Hidden states [R, H] -> the logits of the first level [R, V]."""
        return self._logits(self._states(self._first(hidden)), 0)

    def logits(self, hidden: Tensor, codes: Tensor) -> Tensor:
        """Hidden states [R, H] and codes [R, d] -> the logits of every level, given the codes before it, [R, d, V]."""
        states_RdW = self._states(self._inputs(hidden, codes))
        levels = enumerate(states_RdW.split(1, dim=1))
        return torch.stack([self._logits(states_R1W, level) for level, states_R1W in levels], dim=1)

    def loss(self, hidden: Tensor, codes: Tensor) -> Loss:
        """Cross-entropy, in nats and float32 at least, of codes int64 [R, d] given hidden states [R, H]."""
        logits, targets = self.logits(hidden, codes).flatten(0, 1), codes.flatten()
        total = cross_entropy(logits.to(torch.promote_types(logits.dtype, torch.float32)), targets, reduction="sum")
        return Loss(total, torch.full_like(total, len(targets), requires_grad=False))

    def sample(self, hidden: Tensor, choose: Callable[[Tensor, int], Tensor]) -> Tensor:
        """Hidden states [R, H] -> codes [R, d], chosen level by level from logits [R, V]."""
        x_R1W = self._first(hidden)
        shape = self.config.hidden()
        cache = KVCache(
            shape.layers, len(hidden), shape.kv_heads, self.depth, shape.head_width, x_R1W.dtype, x_R1W.device
        )
        chosen = [choose(self._logits(self._states(x_R1W, cache), 0), 0)]
        built = x_R1W.new_zeros(())
        for level in range(1, self.depth):
            vector = self._vector(chosen[-1], level - 1)
            built = built + vector if self.sums else vector
            x_R1W = (built + self.place[level])[:, None]
            chosen.append(choose(self._logits(self._states(x_R1W, cache), level), level))
        return torch.stack(chosen, dim=1)

    def _first(self, hidden: Tensor) -> Tensor:
        """Hidden states [R, H] -> the first input [R, 1, W]."""
        return (self.enter(hidden) + self.place[0])[:, None]

    def _inputs(self, hidden: Tensor, codes: Tensor) -> Tensor:
        """All inputs [R, d, W]."""
        first_R1W = self._first(hidden)
        if self.depth == 1:
            return first_R1W
        vectors = torch.stack([self._vector(codes[:, level], level) for level in range(self.depth - 1)], dim=1)
        before = vectors.cumsum(dim=1) if self.sums else vectors
        return torch.cat((first_R1W, before + self.place[1:]), dim=1)

    def _states(self, inputs: Tensor, cache: KVCache | None = None) -> Tensor:
        """Inputs [R, T, W] -> states [R, T, W] after the final norm; they follow the inputs in the cache."""
        start = 0 if cache is None else cache.filled
        positions_1T = torch.arange(start, start + inputs.shape[1], device=inputs.device)[None]
        frequency = frequencies(self.config.hidden().head_width, self.config.rope_theta, inputs.device)
        rotary = rotation(positions_1T, frequency, inputs.dtype)
        return self.norm(run_blocks(self.layers, inputs, rotary, Mask.causal(), cache))

    def _vector(self, codes: Tensor, level: int) -> Tensor:
        """Codes [R] of a level -> vectors [R, W]."""
        return self.tables[min(level, len(self.tables) - 1)](codes)

    def _logits(self, states: Tensor, level: int) -> Tensor:
        """States [R, 1, W] that predict a level -> logits [R, V]."""
        return self.outs[min(level, len(self.outs) - 1)](states[:, -1])
