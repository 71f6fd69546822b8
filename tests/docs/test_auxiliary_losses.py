"""The code of the guide about losses of parts runs and follows their contract."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from attrs import frozen
from janiform import Hidden, Loss, Mask, attend
from janiform.testing.auxiliary import gives_auxiliary_losses
from janiform.testing.case import Case
from torch import Tensor, nn

GUIDE = Path(__file__).parents[2] / "docs" / "write-a-plugin.md"


@frozen(kw_only=True)
class Config:
    def hidden(self) -> Hidden:
        return Hidden(8, 12, 64, 2, 2, 4)


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.router = nn.Linear(8, 24), nn.Linear(8, 3)

    def forward(self, x: Tensor, mask: Mask, cache: Any) -> tuple[Tensor, Tensor]:
        q, k, v = self.qkv(x).unflatten(-1, (6, 4)).transpose(1, 2).chunk(3, dim=1)
        return x + attend(q, k, v, mask).transpose(1, 2).flatten(2), self.router(x)


def test_the_backbone_of_the_guide_keeps_the_contract() -> None:
    section = GUIDE.read_text(encoding="utf-8").partition("## A mixture of experts")[2].partition("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    names: dict[str, Any] = {"nn": nn, "torch": torch, "Loss": Loss}
    exec(code, names)
    losses: list[dict[str, Loss]] = []

    class Mine(names["MyExperts"]):  # type: ignore[misc]
        def __init__(self, config: Config) -> None:
            super().__init__()
            self.places = nn.Embedding(64, 8)
            self.layers = nn.ModuleList([Layer(), Layer()])
            self.kept: list[Loss] = []

        def auxiliary_losses(self) -> dict[str, Loss]:
            losses.append(super().auxiliary_losses())
            return losses[-1]

    component = SimpleNamespace(kind="backbone", name="mine", config=Config, load=lambda: Mine)
    gives_auxiliary_losses(Case(component, Config(), {}, 3))  # type: ignore[arg-type]
    assert {name for some in losses for name in some} == {"z"}
