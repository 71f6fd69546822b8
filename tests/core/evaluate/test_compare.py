"""Differences of two results: paired by item, by the jackknife, or from intervals; and what makes protocols differ."""

from __future__ import annotations

import math
import statistics

import attrs
import pytest
from janiform import Item, Metric, Score
from janiform.evaluate.compare import differences, jackknife, protocol_differences
from quiz import result


def test_means_are_paired_by_item() -> None:
    first, second = result([1, 1, 1, 0, 1, 0, 1, 1]), result([1, 0, 1, 0, 0, 0, 1, 1])
    one = differences(first, second)["quiz.accuracy"]
    assert one.paired
    assert one.value == pytest.approx(-0.25)
    error = statistics.stdev([0, -1, 0, 0, -1, 0, 0, 0]) / math.sqrt(8)
    assert one.low == pytest.approx(-0.25 - 1.959964 * error, abs=1e-6)
    assert one.high == pytest.approx(-0.25 + 1.959964 * error, abs=1e-6)
    assert not one.worse(Metric())


def test_items_in_another_order_are_joined_by_their_ids() -> None:
    first, second = result([1, 1, 0, 0]), result([1, 1, 0, 0])
    second = attrs.evolve(second, items=second.items[::-1])
    one = differences(first, second)["quiz.accuracy"]
    assert (one.value, one.low, one.high) == (0, 0, 0)


def test_clusters_widen_the_interval() -> None:
    values = [1.0] * 20, [0.0, 1.0] * 10
    alone = differences(result(values[0]), result(values[1]))["quiz.accuracy"]
    clustered = differences(result(values[0], clusters=4), result(values[1], clusters=4))["quiz.accuracy"]
    assert alone.high is not None
    assert clustered.high is not None
    assert clustered.high > alone.high


def test_other_items_are_not_paired() -> None:
    one = differences(result([1, 1, 1, 0]), result([1, 0, 1]))["quiz.accuracy"]
    assert not one.paired
    # The limits of Newcombe's method: square and add.
    assert one.low == pytest.approx(one.value - math.hypot(0.1, 0.1))
    assert one.high == pytest.approx(one.value + math.hypot(0.1, 0.1))


def test_scores_without_intervals_have_differences_without() -> None:
    first = attrs.evolve(result([1, 0]), items=(), scores={"quiz.accuracy": Score(1.0, 2)})
    second = attrs.evolve(first, scores={"quiz.accuracy": Score(0.5, 2)})
    one = differences(first, second)["quiz.accuracy"]
    assert (one.low, one.high, one.worse(Metric())) == (None, None, False)


def squared(items: list[Item]) -> dict[str, Score]:
    mean = statistics.fmean(item.value for item in items)
    return {"quiz.accuracy": Score(mean**2, len(items), 0.0, 1.0)}


def test_the_jackknife_of_a_formula_is_that_by_hand() -> None:
    values = [1, 1, 0, 1, 0, 1, 1, 0], [1, 0, 0, 1, 0, 1, 0, 0]
    results = [result(list(map(float, some)), score=statistics.fmean(some) ** 2) for some in values]
    results = [attrs.evolve(one, jackknife=jackknife(one, squared)) for one in results]  # type: ignore[arg-type]
    one = differences(*results)["quiz.accuracy"]
    assert one.paired
    parts = [
        statistics.fmean(values[1][:n] + values[1][n + 1 :]) ** 2
        - statistics.fmean(values[0][:n] + values[0][n + 1 :]) ** 2
        for n in range(8)
    ]
    error = math.sqrt(7 / 8 * sum((part - statistics.fmean(parts)) ** 2 for part in parts))
    assert one.high == pytest.approx(one.value + 1.959964 * error, abs=1e-6)
    assert one.low == pytest.approx(one.value - 1.959964 * error, abs=1e-6)


def test_the_jackknife_is_that_of_the_mean_for_means() -> None:
    """For a mean over items that are clusters of their own, the jackknife's error is the usual one, exactly."""
    values = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.5]
    one = result(values, score=0.9)  # so that it is not taken for the mean

    def mean(items: list[Item]) -> dict[str, Score]:
        return {"quiz.accuracy": Score(statistics.fmean(item.value for item in items), len(items))}

    parts = jackknife(one, mean)["quiz.accuracy"]  # type: ignore[arg-type]
    error = math.sqrt(6 / 7 * sum((part - statistics.fmean(parts)) ** 2 for part in parts))
    assert error == pytest.approx(statistics.stdev(values) / math.sqrt(7))


def test_benchmarks_of_means_alone_need_no_jackknife() -> None:
    assert jackknife(result([1, 0, 1]), lambda items: pytest.fail("computed in vain")) == {}


@pytest.mark.parametrize(("direction", "worse"), [("up", False), ("down", True)])
def test_whether_a_difference_is_worse_depends_on_the_direction(direction: str, worse: bool) -> None:
    one = differences(result([0.0] * 9), result([1.0] * 9))["quiz.accuracy"]
    assert one.worse(Metric(direction)) == worse  # type: ignore[arg-type]
    assert one.better(Metric(direction)) != worse  # type: ignore[arg-type]


def test_what_only_tells_of_a_model_is_neither_worse_nor_better() -> None:
    one = differences(result([0.0] * 9), result([1.0] * 9))["quiz.accuracy"]
    assert not one.worse(Metric("none")) | one.better(Metric("none"))


def test_protocols_differ_by_settings_and_bytes_of_data() -> None:
    settings = {"model": "a", "seconds": 3, "torch": "2", "profile": "janus", "data": [{"file": "x", "sha256": "aa"}]}
    other = {"model": "b", "seconds": 5, "torch": "3", "profile": "janus", "data": [{"file": "y", "sha256": "aa"}]}
    assert protocol_differences(settings, other) == []
    other["data"] = [{"file": "x", "sha256": "ab"}]
    assert protocol_differences(settings, {**other, "profile": "official"}) == [
        "profile: janus and official",
        "data: x (aa) and x (ab)",
    ]
    more = {**settings, "data": [*settings["data"], {"file": "z", "sha256": "0123456789"}]}  # type: ignore[misc]
    assert protocol_differences(settings, more) == ["data: no other file and z (01234567)"]


def test_the_cost_of_a_judge_is_not_part_of_the_protocol() -> None:
    first = {"judge": {"model": "gpt-4-0613", "requests": 3, "cost_usd": 0.1}}
    assert protocol_differences(first, {"judge": {"model": "gpt-4-0613", "requests": 0}}) == []
    assert protocol_differences(first, {"judge": {"model": "gpt-4o", "requests": 3}}) == [
        "judge: gpt-4-0613 and gpt-4o"
    ]
