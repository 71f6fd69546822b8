"""Conformance tests of benchmarks, which measure a small model with random weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from PIL import Image

from ..contracts.factories import make
from ..contracts.showcase import Showcase
from ..evaluate.benchmarks import FACTS
from ..inference.api import Model
from .case import Case, require
from .common import keeps_its_config_through_a_recipe
from .small_model import small_model

Call = tuple[str, int, int]


def _run(case: Case) -> tuple[Any, list[Call]]:
    calls: list[Call] = []
    benchmark = make(case.component, case.config)
    scores = benchmark.run(Model(small_model()), lambda activity, done, of: calls.append((activity, done, of)))
    return scores, calls


def gives_scores_with_counts(case: Case) -> None:
    """``run`` gives groups of scores in 0 .. 1, counts of the same names, and settings, as data for JSON."""
    scores, _ = _run(case)
    require(isinstance(scores, Mapping), f"{case.name}: `run` gives {type(scores).__name__}, not a mapping")
    for key in FACTS:
        require(isinstance(scores.get(key), Mapping), f"{case.name}: `run` gives no table '{key}'")
    try:
        json.dumps(scores, allow_nan=False)
    except (TypeError, ValueError) as error:
        require(False, f"{case.name}: what `run` gives cannot be written as JSON: {error}")
    groups = {group: table for group, table in scores.items() if group not in FACTS}
    require(bool(groups), f"{case.name}: `run` gives no group of scores beside {' and '.join(FACTS)}")
    for group, table in groups.items():
        require(isinstance(table, Mapping) and bool(table), f"{case.name}: the group '{group}' is not a table")
        counts = scores["counts"].get(group, {})
        require(
            isinstance(counts, Mapping) and set(counts) == set(table),
            f"{case.name}: counts.{group} does not have the names of '{group}' ({', '.join(table)})",
        )
        for name, score in table.items():
            require(
                isinstance(score, int | float) and 0 <= score <= 1,
                f"{case.name}: {group}.{name} is {score!r}, expected a number in 0 .. 1",
            )
            require(
                isinstance(counts[name], int) and counts[name] > 0,
                f"{case.name}: counts.{group}.{name} is {counts[name]!r}, expected the number of predictions",
            )


def repeats_its_scores(case: Case) -> None:
    """The same settings give the same scores."""
    require(_run(case)[0] == _run(case)[0], f"{case.name}: gives other scores when it is run again with its settings")


def reports_its_progress(case: Case) -> None:
    """``progress`` is called with an activity, and how much of it is done of how much."""
    _, calls = _run(case)
    require(bool(calls), f"{case.name}: never calls `progress`, so a user sees nothing for as long as it takes")
    wrong = [call for call in calls if not isinstance(call[0], str) or not 0 <= call[1] <= call[2]]
    require(not wrong, f"{case.name}: calls `progress` with {wrong[:1]}, expected an activity and a part of a total")


def shows_examples(case: Case) -> None:
    """``show`` gives a ``Showcase`` with the number of drawings and of answers that was asked for, also none."""
    benchmark = make(case.component, case.config)
    for drawings, answers in ((2, 2), (0, 0)):
        shown = benchmark.show(Model(small_model()), drawings, answers, lambda activity, done, of: None)
        require(isinstance(shown, Showcase), f"{case.name}: `show` gives {type(shown).__name__}, not a Showcase")
        require(
            len(shown.drawn) <= drawings and len(shown.others) <= answers,
            f"{case.name}: `show` gives {len(shown.drawn)} drawings and {len(shown.others)} answers instead of "
            f"{drawings} and {answers}",
        )
        for picture in (*(some.picture for some in shown.drawn), *(some.picture for some in shown.others)):
            require(
                isinstance(picture, Image.Image), f"{case.name}: `show` gives {type(picture).__name__} as a picture"
            )


BENCHMARK_CHECKS: tuple[Callable[[Case], None], ...] = (
    gives_scores_with_counts,
    repeats_its_scores,
    reports_its_progress,
    shows_examples,
    keeps_its_config_through_a_recipe,
)
