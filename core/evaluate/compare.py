"""Two results of one benchmark: differences of scores with 95 % intervals, paired by item where that is possible."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import fsum, isclose, sqrt
from statistics import NormalDist, fmean
from typing import Any

from attrs import frozen

from ..contracts import Item, Metric, Score
from ..errors import JaniformError
from .checked import LOSS
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
    "not_judged",
    "model",
    "python",
    "predictions",
    "processes",
    "quantize",
    "resumed",
    "sampler",
    "seconds",
    "torch",
    "weights_sha256",
)
"""Settings that tell of a run and its model, and not of how it is measured."""

Aggregate = Callable[[Sequence[Item]], Mapping[str, Score]]


@frozen
class ScoreDifference:
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
        if self.low is None or self.high is None or metric.direction == "none":
            return False
        return self.high < 0 if metric.direction == "up" else self.low > 0

    def better(self, metric: Metric) -> bool:
        """Whether the whole interval lies on the good side of 0."""
        if self.low is None or self.high is None or metric.direction == "none":
            return False
        return self.low > 0 if metric.direction == "up" else self.high < 0


def protocol(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that say how was measured, without those of the run and the model. Files count by their bytes."""
    return {name: _essence(name, value) for name, value in settings.items() if name not in RUN_FACTS}


def protocol_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """How the protocols of two results differ, a sentence per setting; empty where they are the same."""
    before, after = protocol(first), protocol(second)
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    pairs = {name: (first.get(name), second.get(name)) for name in names}
    return [
        f"{name}: {_shown(name, one, other)} and {_shown(name, other, one)}" for name, (one, other) in pairs.items()
    ]


def differences(first: Result, second: Result) -> dict[str, ScoreDifference]:
    """The differences of the scores that both results have.

    Scores that are the means of their items are paired by item, with clustered errors (Miller, arXiv:2411.00640).
    Others, such as F1, are paired by their jackknife over clusters, where both results have it. What cannot be paired
    has the interval of a difference of independent scores (Newcombe 1998, method 10).
    """
    items, others = first.by_metric, second.by_metric
    alike = _clusters(first) == _clusters(second)
    result: dict[str, ScoreDifference] = {}
    for name, before in first.scores.items():
        if name not in second.scores:
            continue
        after = second.scores[name]
        error = _error_of_means(items.get(name, []), others.get(name, []), before, after)
        if error is None and alike:
            error = _jackknife_error(first.jackknife.get(name, ()), second.jackknife.get(name, ()))
        result[name] = _unpaired(before, after) if error is None else _paired(before, after, error)
    return result


def jackknife(result: Result, aggregate: Aggregate) -> dict[str, list[float]]:
    """The scores with each of up to 50 groups of clusters left out in turn; none where all are means of their items.

    Means are among them because two models may have a mean over other items, such as the precision over what each
    answered with yes. Scores that a part of the items does not have are left out, and all of them where a part lacks
    what the formula needs, such as a whole category.
    """
    groups = result.by_metric
    names = [name for name in result.scores if not name.startswith(LOSS)]
    if all(_is_mean(groups.get(name, []), result.scores[name]) for name in names):
        return {}
    clusters = _clusters(result)
    number = min(len(clusters), GROUPS)
    if number < 2:
        return {}
    group_of = {cluster: index % number for index, cluster in enumerate(clusters)}
    items = [item for item in result.items if not item.metric.startswith(LOSS)]
    try:
        parts = [aggregate([item for item in items if group_of[item.cluster] != left]) for left in range(number)]
    except JaniformError:
        return {}
    return {name: [part[name].value for part in parts] for name in names if all(name in part for part in parts)}


def _clusters(result: Result) -> list[str]:
    return list(dict.fromkeys(item.cluster for item in result.items if not item.metric.startswith(LOSS)))


def _jackknife_error(first: Sequence[float], second: Sequence[float]) -> float | None:
    """The standard error of a difference from the scores without each group; None without them."""
    number = len(first)
    if number < 2 or len(second) != number:
        return None
    values = [after - before for before, after in zip(first, second, strict=True)]
    mean = fmean(values)
    return sqrt((number - 1) / number * fsum((value - mean) ** 2 for value in values))


def _error_of_means(first: Sequence[Item], second: Sequence[Item], before: Score, after: Score) -> float | None:
    """The standard error of the difference of two means over the same items; None where the scores are not that."""
    values = {item.item: item.value for item in first}
    if len(second) < 2 or len(values) != len(first) or {item.item for item in second} != set(values):
        return None
    if len(second) != len(first) or len({item.cluster for item in second}) < 2:
        return None
    if not (_is_mean(first, before) and _is_mean(second, after)):
        return None
    return clustered_error([item.value - values[item.item] for item in second], [item.cluster for item in second])


def _paired(first: Score, second: Score, error: float) -> ScoreDifference:
    value = second.value - first.value
    return ScoreDifference(first, second, value - _Z * error, value + _Z * error, paired=True)


def _unpaired(first: Score, second: Score) -> ScoreDifference:
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return ScoreDifference(first, second, None, None, paired=False)
    value = second.value - first.value
    below = sqrt((second.value - second.low) ** 2 + (first.high - first.value) ** 2)
    above = sqrt((second.high - second.value) ** 2 + (first.value - first.low) ** 2)
    return ScoreDifference(first, second, value - below, value + above, paired=False)


def _is_mean(items: Sequence[Item], score: Score) -> bool:
    """Whether a score is the mean of the items of its name."""
    return bool(items) and isclose(fmean(item.value for item in items), score.value, rel_tol=1e-9, abs_tol=1e-9)


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


def _shown(name: str, value: Any, other: Any) -> str:
    """A setting for a sentence; of files those that the other result does not have."""
    text = "none" if value is None else str(_essence(name, value))
    if files := _files(value):
        others = {file["sha256"] for file in _files(other)}
        own = [f"{file.get('file', 'a file')} ({file['sha256'][:8]})" for file in files if file["sha256"] not in others]
        text = ", ".join(own) or "no other file"
    return text if len(text) <= 90 else f"{text[:89]}…"


def _files(value: Any) -> list[Mapping[str, Any]]:
    """The files that a setting describes, each with its digest; none where it is of another kind."""
    members = value if isinstance(value, list | tuple) else [value]
    described = [one for one in members if isinstance(one, Mapping) and isinstance(one.get("sha256"), str)]
    return described if len(described) == len(members) else []
