"""What an evaluation does with a benchmark, without a model: every request is answered, judged and aggregated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from janiform import Item, Request, Score
from janiform.evaluate.checked import CheckedBenchmark


def judged(benchmark: Any, answers: Mapping[str, str] | Callable[[Request], str]) -> list[Item]:
    """The items of all requests, checked against the contract."""
    checked = CheckedBenchmark(benchmark)
    items = []
    for request in checked.requests():
        answer = answers(request) if callable(answers) else answers[request.item]
        items += checked.judge(request, answer)
    return items


def read(benchmark: Any, path: Path, *, allow_missing: bool = False) -> Mapping[str, Any]:
    """Predictions made elsewhere, as ``janiform score`` reads them."""
    checked = CheckedBenchmark(benchmark)
    return checked.read_predictions(path, checked.requests(), allow_missing=allow_missing)


def scores_of(benchmark: Any, answers: Mapping[str, str] | Callable[[Request], str]) -> dict[str, Score]:
    return CheckedBenchmark(benchmark).aggregate(judged(benchmark, answers))


def values_of(benchmark: Any, answers: Mapping[str, str] | Callable[[Request], str]) -> dict[str, float]:
    return {name: score.value for name, score in scores_of(benchmark, answers).items()}
