"""Sample sheets take their examples from all sources of a stage."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from janiform import Conversation
from janiform.train.checkpoints.checkpoint import Position
from janiform.train.run.sample_sheets import write_samples
from torch import nn


class Texts:
    """A source of ``count`` documents."""

    def __init__(self, name: str, count: int) -> None:
        self.name, self.count = name, count

    def example(self, index: int) -> Conversation:
        if index >= self.count:
            raise IndexError
        return Conversation.document(f"{self.name} {index}")


class Noting(nn.Module):
    measures_tokenizer = False

    def samples(self, examples: list[Conversation]) -> None:
        self.seen = [example.turns[0].text for example in examples]


def test_the_sources_come_in_turn(tmp_path: Path) -> None:
    """An objective shows the first examples only, so none of the second source would be among them."""
    objective: Any = Noting()
    model: Any = SimpleNamespace(modules=list, device=torch.device("cpu"), eval=lambda: None)
    sources: Any = {"long": Texts("long", 99), "short": Texts("short", 2)}
    assert write_samples(objective, model, sources, tmp_path, Position("tune", 1), print) is None
    assert objective.seen[:5] == ["long 0", "short 0", "long 1", "short 1", "long 2"]
    assert len(objective.seen) == 10
