"""What a study takes from the files of scores that its runs wrote."""

from __future__ import annotations

from typing import Any

import pytest
from janiform.ablation.refresh import _judged


def test_metrics_that_only_tell_what_a_model_does_are_not_compared() -> None:
    facts = {"up": {"direction": "up"}, "ratio": {"direction": "none", "chance": None}}
    scores = {"up": {"value": 1.0}, "ratio": {"value": 0.5}}
    content = {"metrics": facts, "scores": scores, "settings": {"seed": 0}}
    assert _judged(content) == {
        "metrics": {"up": facts["up"]},
        "scores": {"up": scores["up"]},
        "settings": {"seed": 0},
    }


@pytest.mark.parametrize("content", [{}, {"metrics": []}, {"metrics": {"a": 3}, "scores": {"a": 1}}])
def test_other_content_stays_as_it_is(content: dict[str, Any]) -> None:
    assert _judged(content) == content
