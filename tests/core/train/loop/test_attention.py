"""The kernel of a recipe's training: chosen for every stage, recorded, and refused before the first one begins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from janiform import RecipeError
from janiform.attention.attend import Attention
from janiform.recipe import Recipe
from janiform.storage.model_json import about
from janiform.train.loop import trained as stages
from janiform.train.run.train import train


def test_each_stage_has_its_kernel_and_samples_the_default(
    changed: Callable[[str, str], Recipe], tmp_path: Path, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, calls = [], []

    def chosen(name: str, wanted: Any) -> Attention:
        found = attention_for(name, wanted)
        compute = found.kernel

        def kernel(q, k, v, mask):
            calls.append(q.requires_grad)
            return compute(q, k, v, mask)

        asked.append((name, wanted.dtype))
        return Attention(found.name, found.serves, kernel, found.reason)

    attention_for = stages.attention_for
    monkeypatch.setattr(stages, "attention_for", chosen)
    recipe = changed("checkpoint_every = 2\n", 'checkpoint_every = 2\nattention = "auto"\n')
    train(recipe, tmp_path / "run", stages=["tokenizer", "text"], device="cpu", reporter=listener, ahead=0)
    assert set(asked) == {("auto", "bfloat16")}  # nothing is asked for the stage that never runs the backbone
    assert calls == [True] * 4
    assert about(tmp_path / "run")["attention"] == {"text": "sdpa@1"}
    (said,) = (said for said in listener.said if "attention" in said)
    assert said.startswith("attention in text: sdpa@1, for training on cpu in bfloat16, heads of width 8: no other")


def test_one_that_cannot_train_here_is_refused_with_its_place(
    changed: Callable[[str, str], Recipe], tmp_path: Path, listener: Any
) -> None:
    recipe = changed("checkpoint_every = 2\n", 'checkpoint_every = 2\nattention = "flex"\n')
    with pytest.raises(RecipeError) as caught:
        train(recipe, tmp_path / "run", device="cpu", reporter=listener, ahead=0)
    problems = caught.value.problems
    assert [problem.path for problem in problems] == ["training.attention"] * 2  # of the stages text and all
    assert "stage 'text': attention 'flex' cannot serve training on cpu in bfloat16" in problems[0].message
    assert "it passes no gradients on cpu, only on cuda" in problems[0].message
    assert all(problem.origin is not None and problem.origin.line for problem in problems)
