"""Stages of a tiny recipe whose objectives make batches of their own, and an objective that cannot be traced."""

from __future__ import annotations

from typing import Any

import torch
from janiform import Loss, UnifiedModel
from torch import nn

STAGES = """
[source]
one = { use = "shapes", task = "draw", seed = 1 }
two = { use = "shapes", task = "draw", seed = 2, caption_style = "full" }
[stage.tokenizer]
objective = { use = "reconstruction" }
train = ["generation.tokenizer"]
mixture = { one = 1, two = 1 }
steps = 10
batch = 6
learning_rate = 1e-3
[stage.encoder]
objective = { use = "contrastive", width = 16, heads = 2, layers = 1, decoder = 1 }
train = ["understanding.encoder"]
mixture = { one = 1, two = 1 }
steps = 10
batch = 6
learning_rate = 1e-3
"""


class Undecided(nn.Module):
    """An objective whose step depends on values."""

    def __init__(self, config: Any, model: UnifiedModel) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def prepare(self, examples: Any, generator: Any) -> torch.Tensor:
        return torch.ones(len(examples))

    def losses(self, batch: torch.Tensor) -> Any:
        if (batch * self.weight).sum().item() > 1:
            return {"loss": Loss(self.weight.sum(), torch.ones(()))}, {}
        return {}, {}
