"""Objectives of plugins: the guide's example, and plain modules as they were written for version 0.1."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from attrs import evolve, frozen
from janiform import Component, ComponentError, Conversation, Loss, Objective, SampleError
from janiform.recipe import Recipe, Use
from janiform.train.loop.objective import make_objective
from janiform.train.progress.log import read_log
from janiform.train.run.train import train
from torch import Tensor, nn

GUIDE = Path(__file__).parents[4] / "docs" / "training.md"


@frozen
class Settings:
    """No settings."""


class Plain(nn.Module):
    """Trains the encoder to predict the mean of its pictures; without a base class."""

    attends = False

    def __init__(self, config: Settings, model: Any) -> None:
        super().__init__()
        self.encoder, self.processor = model.part("understanding.encoder"), model.processor
        self.probe = nn.Linear(model.plan.parts["understanding.encoder"].output.width, 1)

    def prepare(self, examples: Sequence[Conversation], generator: Any) -> Tensor:
        return self.join([self.prepare_one(example, generator, None) for example in examples])

    def prepare_one(self, example: Conversation, generator: Any, note: Any) -> Tensor:
        if generator.random() < 0:
            raise SampleError("never", "never")
        return self.processor.pixels(example.turns[0].content[0].picture, "understanding")

    def join(self, prepared: Sequence[Tensor]) -> Tensor:
        return torch.stack(list(prepared))

    def counts(self, batch: Tensor) -> dict[str, int]:
        return {"mean": len(batch)}

    def losses(self, batch: Tensor) -> tuple[dict[str, Loss], dict[str, Tensor]]:
        error = self.probe(self.encoder(batch).mean(1)).squeeze(1) - batch.mean((1, 2, 3))
        return {"mean": Loss(error.square().sum(), torch.tensor(float(len(batch))))}, {}


def component() -> Component:
    return Component(
        kind="objective", name="own", version=1, config=Settings, presets={}, factory="", summary="", plugin="own"
    )  # fmt: skip


@pytest.mark.parametrize("changes", [{}, {"micro_batch": 2}], ids=["whole", "micro-batches"])
def test_a_plain_module_trains(
    recipe: Recipe, tmp_path: Path, listener: Any, monkeypatch: pytest.MonkeyPatch, changes: dict[str, int]
) -> None:
    load = Component.load
    monkeypatch.setattr(Component, "load", lambda self: Plain if self.name == "own" else load(self))
    trained_with(Use("objective", component(), Settings()), recipe, tmp_path, listener, **changes)


def test_the_example_of_the_guide_trains(
    recipe: Recipe, tmp_path: Path, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = re.findall(r"```python\n(import torch\n.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {"__name__": "guide"}
    exec(code, names)
    load, factory = Component.load, names["Brightness"]
    monkeypatch.setattr(Component, "load", lambda self: factory if self.name == "own" else load(self))
    trained_with(Use("objective", component(), Settings()), recipe, tmp_path, listener)


def trained_with(objective: Use, recipe: Recipe, folder: Path, listener: Any, **changes: int) -> None:
    stage = evolve(recipe.stages["encoder"], objective=objective, mixture={"ask": 1.0}, muon=(), log_every=1, **changes)
    train(
        evolve(recipe, stages={"encoder": stage}), folder, stages=["encoder"], device="cpu", reporter=listener, ahead=0
    )
    losses = [entry["losses"] for entry in read_log(folder / "log.jsonl")]
    assert len(losses) == 4
    assert all(len(one) == 1 for one in losses)


def test_a_plain_module_gets_the_defaults_of_the_base_class(tiny_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Component, "load", lambda self: Plain)
    made = make_objective(Use("objective", component(), Settings()), tiny_model)
    assert isinstance(made, Objective)
    assert isinstance(made, Plain)
    assert (made.attends, made.divisible, made.compares_samples) == (False, True, False)
    assert made.samples([]) is None
    assert made.collate([torch.zeros(2)], None).shape == (1, 2)
    assert {name.partition(".")[0] for name in made.state_dict()} == {"encoder", "probe"}


def test_a_divisible_objective_without_counts_names_what_is_missing() -> None:
    class Uncounted(Objective):
        divisible = True

        def prepare(self, examples: Sequence[Conversation], generator: Any) -> Tensor:
            return torch.zeros(len(examples))

        def losses(self, batch: Tensor) -> tuple[dict[str, Loss], dict[str, Tensor]]:
            return {}, {}

    with pytest.raises(ComponentError, match="Uncounted declares that it is divisible, but does not define counts"):
        Uncounted().counts(torch.zeros(2))
