"""Two results of one benchmark: differences of scores with 95 % intervals, paired by item where that is possible."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import fsum, isclose, sqrt
from statistics import NormalDist, fmean
from typing import Any

from attrs import frozen

from ..contracts import Item, Metric, Score
from ..errors import JaniformError
from .intervals import clustered_error
from .results import Result

_Z = NormalDist().inv_cdf(0.975)

GROUPS = 50
"""Largest number of groups of clusters that the jackknife leaves out in turn."""

RUN_FACTS = (
    "attention",
    "device",
    "janiform",
    "missing_predictions",
    "model",
    "python",
    "predictions",
    "quantize",
    "seconds",
    "torch",
    "weights_sha256",
)
"""Settings that tell of a run and its model, and not of how it is measured."""

Aggregate = Callable[[Sequence[Item]], Mapping[str, Score]]


@frozen
class Difference:
    """second - first, with its interval where it is known. ``paired``: by item; else from the intervals of both."""

    first: Score
    second: Score
    low: float | None
    high: float | None
    paired: bool

    @property
    def value(self) -> float:
        return self.second.value - self.first.value

    def worse(self, metric: Metric) -> bool:
        """Whether the whole interval lies on the bad side of 0."""
        if self.low is None or self.high is None:
            return False
        return self.high < 0 if metric.direction == "up" else self.low > 0

    def better(self, metric: Metric) -> bool:
        """Whether the whole interval lies on the good side of 0."""
        if self.low is None or self.high is None:
            return False
        return self.low > 0 if metric.direction == "up" else self.high < 0


def protocol(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that say how was measured, without those of the run and the model. Files count by their bytes."""
    return {name: _essence(name, value) for name, value in settings.items() if name not in RUN_FACTS}


def protocol_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """How the protocols of two results differ, a sentence per setting; empty where they are the same."""
    before, after = protocol(first), protocol(second)
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [f"{name}: {_shown(before.get(name))} and {_shown(after.get(name))}" for name in names]


def differences(first: Result, second: Result, aggregate: Aggregate | None = None) -> dict[str, Difference]:
    """The differences of the scores that both results have.

    Scores that are the means of their items are paired by item, with clustered errors (Miller, arXiv:2411.00640).
    Others, such as F1, are paired by a jackknife over clusters where ``aggregate`` can compute them from items. What
    cannot be paired has the interval of a difference of independent scores (Newcombe 1998, method 10).
    """
    shared = [name for name in first.scores if name in second.scores]
    pairs = first.by_metric, second.by_metric
    result: dict[str, Difference] = {}
    for name in shared:
        error = _error_of_means(*(group.get(name, []) for group in pairs), first.scores[name], second.scores[name])
        if error is not None:
            result[name] = _paired(first.scores[name], second.scores[name], error)
    rest = [name for name in shared if name not in result]
    errors = _jackknife(first, second, aggregate, rest) if aggregate is not None and rest else {}
    for name in rest:
        scores = first.scores[name], second.scores[name]
        result[name] = _paired(*scores, errors[name]) if name in errors else _unpaired(*scores)
    return {name: result[name] for name in shared}


def _error_of_means(first: Sequence[Item], second: Sequence[Item], before: Score, after: Score) -> float | None:
    """The standard error of the difference of two means over the same items; None where the scores are not that."""
    values = {item.item: item.value for item in first}
    if len(second) < 2 or len(values) != len(first) or {item.item for item in second} != set(values):
        return None
    if len(second) != len(first) or len({item.cluster for item in second}) < 2:
        return None
    for items, score in ((first, before), (second, after)):
        if not _same(fmean(item.value for item in items), score.value):
            return None
    return clustered_error([item.value - values[item.item] for item in second], [item.cluster for item in second])


def _jackknife(first: Result, second: Result, aggregate: Aggregate, names: Sequence[str]) -> dict[str, float]:
    """The standard errors of differences, by leaving out groups of clusters; only of scores that all parts have."""
    items = [[item for item in result.items if not item.metric.startswith("loss.")] for result in (first, second)]
    keys = [{(item.metric.partition(".")[0], item.item) for item in group} for group in items]
    clusters = {item.cluster: None for group in items for item in group}
    number = min(len(clusters), GROUPS)
    if keys[0] != keys[1] or number < 2:
        return {}
    group_of = {cluster: index % number for index, cluster in enumerate(clusters)}
    try:
        whole = [aggregate(group) for group in items]
        parts = [
            [aggregate([item for item in group if group_of[item.cluster] != left]) for group in items]
            for left in range(number)
        ]
    except JaniformError:  # a part may lack what the formula needs, such as a whole category
        return {}
    errors: dict[str, float] = {}
    for name in names:
        complete = all(name in scores for pair in (whole, *parts) for scores in pair)
        stored = (first.scores[name].value, second.scores[name].value)
        if complete and all(_same(scores[name].value, value) for scores, value in zip(whole, stored, strict=True)):
            values = [pair[1][name].value - pair[0][name].value for pair in parts]
            mean = fmean(values)
            errors[name] = sqrt((number - 1) / number * fsum((value - mean) ** 2 for value in values))
    return errors


def _paired(first: Score, second: Score, error: float) -> Difference:
    value = second.value - first.value
    return Difference(first, second, value - _Z * error, value + _Z * error, paired=True)


def _unpaired(first: Score, second: Score) -> Difference:
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return Difference(first, second, None, None, paired=False)
    value = second.value - first.value
    below = sqrt((second.value - second.low) ** 2 + (first.high - first.value) ** 2)
    above = sqrt((second.high - second.value) ** 2 + (first.value - first.low) ** 2)
    return Difference(first, second, value - below, value + above, paired=False)


def _same(first: float, second: float) -> bool:
    return isclose(first, second, rel_tol=1e-9, abs_tol=1e-9)


def _essence(name: str, value: Any) -> Any:
    """A setting without what differs between equal protocols: names of files, and the cost of a judge."""
    if isinstance(value, Mapping) and "sha256" in value:
        return value["sha256"]
    if name == "judge" and isinstance(value, Mapping) and "model" in value:
        return value["model"]
    if isinstance(value, Mapping):
        return {str(key): _essence(str(key), member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        members = [_essence("", member) for member in value]
        files = bool(value) and all(isinstance(member, Mapping) and "sha256" in member for member in value)
        return sorted(map(str, members)) if files else members
    return value


def _shown(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 90 else f"{text[:89]}…"
