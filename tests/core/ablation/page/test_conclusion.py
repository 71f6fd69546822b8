"""A conclusion says what the seeds allow, and otherwise why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import pytest
from janiform.ablation.page import conclusion
from janiform.ablation.page.notices import notices
from janiform.ablation.page.summary import summarize
from janiform.ablation.results import MetricFacts, MetricResult, RunResult, StudyResults
from random_results import random_results


def study(
    scores: Mapping[str, Sequence[float | None]], *, chance: float | None = None, items: float = 0.02, **changes: Any
) -> StudyResults:
    """A study with one metric; ``items``: half of the interval over items of every score."""
    seeds = len(next(iter(scores.values())))
    made = random_results(np.random.default_rng(0), cells=len(scores), seeds=seeds)
    cells = []
    for cell, (name, values) in zip(made.cells, scores.items(), strict=True):
        runs = tuple(
            RunResult(seed, "planned")
            if value is None
            else RunResult(seed, "done", scores={"m.overall": MetricResult(value, 400, value - items, value + items)})
            for seed, value in enumerate(values)
        )
        cells.append(attrs.evolve(cell, name=name, runs=runs))
    return attrs.evolve(
        made,
        cells=tuple(cells),
        baseline=next(iter(scores)),
        primary="m.overall",
        metrics={"m.overall": MetricFacts("up", chance)},
        groups={"m": ("m.overall",)},
        **changes,
    )


BASE = [0.50, 0.51, 0.49, 0.50, 0.51]
LIKE = [0.50, 0.50, 0.50, 0.49, 0.51]
MORE = [0.60, 0.61, 0.60, 0.59, 0.61]
LESS = [0.40, 0.40, 0.39, 0.41, 0.40]


def test_each_verdict_has_its_sentence() -> None:
    text = conclusion(study({"base": BASE, "like": LIKE, "more": MORE, "less": LESS}))
    # The largest difference is first.
    assert text[0].startswith("On m (higher is better), 'less' is worse than the baseline: difference −0.102")
    assert "same sign in 5 of 5 seeds, Holm-adjusted p < 0.001" in text[0]
    assert text[1].startswith("On m (higher is better), 'more' is better than the baseline: difference +0.100")
    assert text[2].startswith("No difference from the baseline is shown for 'like'; that is not a proof")
    assert text[3] == "'more' is the best cell, and every other can be distinguished from it."


def test_a_direction_down_turns_verdicts_around() -> None:
    made = study({"base": BASE, "more": MORE, "less": LESS})
    made = attrs.evolve(made, metrics={"m.overall": MetricFacts("down")})
    text = conclusion(made)
    assert any("'more' is worse" in sentence for sentence in text)
    assert any("'less' is better" in sentence for sentence in text)


def test_no_difference_is_claimed_only_within_a_margin_set_before() -> None:
    scores = {"base": BASE, "like": LIKE, "more": MORE}
    assert not any("Equivalent" in sentence for sentence in conclusion(study(scores)))
    text = conclusion(study(scores, margin=0.03))
    assert "Equivalent to the baseline within ±0.03, a margin that was set beforehand: 'like'." in text


@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds_give_no_conclusion(seeds: int) -> None:
    text = conclusion(study({"base": BASE[:seeds], "more": MORE[:seeds]}))
    assert len(text) == 1
    assert text[0].startswith(f"No conclusion: {seeds} seed{'s' * (seeds > 1)} per difference; a verdict on a design")


def test_a_metric_at_chance_gives_no_conclusion() -> None:
    scores = {"base": [0.25, 0.26, 0.24], "more": [0.26, 0.25, 0.26], "other": [0.24, 0.26, 0.23]}
    text = conclusion(study(scores, chance=0.25))
    assert text == [
        "No conclusion: m is at chance or at one score in all cells, so it cannot tell designs apart. Train longer, or "
        "choose a metric that moves earlier, such as a held-out loss."
    ]
    assert not conclusion(study({**scores, "more": [0.9, 0.8, 0.9]}, chance=0.25))[0].startswith("No conclusion")


def test_one_score_everywhere_gives_no_conclusion() -> None:
    assert conclusion(study({"base": [0.0] * 3, "other": [0.0] * 3}))[0].startswith("No conclusion: m is at chance or")


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ({"base": [None] * 3, "other": [None] * 3}, "No run is done yet: there is nothing to conclude."),
        ({"base": [None] * 3, "other": BASE[:3]}, "No conclusion: the baseline 'base' has no score of m."),
        ({"base": BASE[:3], "other": [None] * 3}, "No conclusion: no other cell has a score of m with a seed of"),
        ({"base": BASE[:3]}, "No conclusion: there is one cell, and nothing to compare it with."),
    ],
)
def test_what_is_missing_is_named(scores: dict[str, list[float | None]], message: str) -> None:
    text = conclusion(study(scores))
    assert len(text) == 1
    assert text[0].startswith(message)


def test_a_study_that_is_running_is_called_preliminary() -> None:
    text = conclusion(study({"base": [*BASE, None], "more": [*MORE, None]}))
    assert text[0] == "Preliminary, with 10 of 12 runs done."
    assert "'more' is better" in text[1]


def test_a_missing_primary_metric_is_named() -> None:
    made = study({"base": BASE, "more": MORE}, description="")
    text = conclusion(attrs.evolve(made, primary="another.metric"))
    assert text == ["No conclusion: no finished run has the primary metric 'another.metric'."]


def test_exploratory_findings_are_called_so() -> None:
    made = random_results(np.random.default_rng(0), cells=4, seeds=5, effect=0.3)
    text = conclusion(made)[-1]
    assert text.startswith("Exploratory, and a question for another study: ")
    assert "of 36 comparisons on other metrics stand after adjustment" in text


def test_notices_name_seeds_that_were_added() -> None:
    made = attrs.evolve(study({"base": BASE, "more": MORE}), planned_seeds=(0, 1, 2))
    assert any(
        text == "3 seeds planned, 3 and 4 added: seeds that are added after a look at results favour a finding."
        for text in notices(summarize(made))
    )


def test_notices_name_unequal_budgets() -> None:
    made = study({"base": BASE, "more": MORE})
    text = " ".join(notices(summarize(made)))
    assert "Cells differ in training FLOPs by a factor of 1.3: 'base' has 4.00 TFLOP, 'more' 5.20 TFLOP." in text
    equal = attrs.evolve(made, cells=tuple(attrs.evolve(cell, budget=made.cells[0].budget) for cell in made.cells))
    assert "differ" not in " ".join(notices(summarize(equal)))
    missed = attrs.evolve(made.cells[1], budget=attrs.evolve(made.cells[0].budget, residue="2 % fewer FLOPs"))
    text = " ".join(notices(summarize(attrs.evolve(equal, cells=(equal.cells[0], missed)))))
    assert "Cell 'more' misses what is held equal: 2 % fewer FLOPs." in text


def test_notices_count_values_that_are_not_finite() -> None:
    made = study({"base": BASE, "more": [float("nan"), float("inf"), *MORE[2:]]})
    assert "m: left out where it is not a finite number, in 2 runs." in notices(summarize(made))
