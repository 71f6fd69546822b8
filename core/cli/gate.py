"""The gate: scores that are worse than earlier ones fail a command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from ..errors import JaniformError, Problem, UsageError
from .output import console, echo, table
from .report import note

if TYPE_CHECKING:
    from ..contracts import Benchmark, Metric
    from ..evaluate.compare import ScoreDifference
    from ..evaluate.results import Result

_LISTED = 10
"""Number of scores that the error of the gate lists."""

Gate = dict[str, "Result"]


def read_gate(path: Path | None, names: Sequence[str]) -> Gate:
    """The earlier results of the benchmarks that are measured. Raises ``UsageError`` where there is none of them."""
    from ..evaluate.results import read_results

    if path is None:
        return {}
    earlier = read_results(path)
    for name in names:
        if name not in earlier:
            note(f"--gate: '{path}' has no scores of {name}, which is not compared")
    shared = {name: earlier[name] for name in names if name in earlier}
    if not shared:
        raise UsageError(f"--gate: '{path}' has scores of {', '.join(earlier)}, and of none of {', '.join(names)}")
    return shared


def check_gate(gate: Gate, results: Mapping[str, Result], benchmarks: Mapping[str, Benchmark], quiet: bool) -> None:
    """Compare with earlier results, and print the differences.

    Raises ``UsageError`` where the protocols differ, and ``JaniformError`` where a score is worse by more than the
    interval of its difference, or is no longer measured.
    """
    from ..evaluate.compare import differences

    problems: list[Problem] = []
    compared: dict[str, dict[str, ScoreDifference]] = {}
    for name, before in gate.items():
        after = results[name]
        check_protocol(name, before, after)

        if before.items and not before.jackknife and name in benchmarks:
            before = with_jackknife(before, benchmarks[name])
        compared[name] = differences(before, after)
        problems += [
            Problem(f"{name}: '{metric}' was measured before, and is not now")
            for metric in before.scores
            if metric not in after.scores
        ]
        problems += [
            _worse(name, metric, one) for metric, one in compared[name].items() if one.worse(after.metrics[metric])
        ]
    if not quiet:
        for name, rows in compared.items():
            _show_differences(name, rows, results[name].metrics)
    if problems:
        more = [Problem(f"and {len(problems) - _LISTED} more scores")] if len(problems) > _LISTED else []
        raise JaniformError([*problems[:_LISTED], *more])


def check_protocol(name: str, before: Result, after: Result) -> None:
    """Raise ``UsageError`` where two results were not measured in the same way."""
    from ..evaluate.compare import protocol_differences

    if differing := protocol_differences(before.settings, after.settings):
        hint = "use the same settings and data, or measure the earlier model again"
        message = f"--gate: {name} was measured in another way before"
        problems = [Problem(f"{message}: {line}") for line in differing[:8]]
        raise UsageError([*problems[:-1], Problem(problems[-1].message, hint=hint)])


def _worse(name: str, metric: str, difference: ScoreDifference) -> Problem:
    low, high = difference.low or 0.0, difference.high or 0.0
    interval = f"{difference.value:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}"
    values = f"{difference.first.value:.3f} → {difference.second.value:.3f}"
    return Problem(f"{name}: '{metric}' is worse than before: {values} ({interval})")


def _show_differences(name: str, rows: Mapping[str, ScoreDifference], metrics: Mapping[str, Metric]) -> None:
    shown = table(name, "Before", "Now", "Difference", "95 % interval", "")
    for column in shown.columns[1:5]:
        column.justify = "right"
    for metric, one in rows.items():
        interval = "not known" if one.low is None or one.high is None else f"{one.low:+.3f} – {one.high:+.3f}"
        state = "worse" if one.worse(metrics[metric]) else "better" if one.better(metrics[metric]) else ""
        values = f"{one.first.value:.3f}", f"{one.second.value:.3f}", f"{one.value:+.3f}"
        label = metric.partition(".")[2] or metric
        shown.add_row(label.replace("_", " "), *values, interval, state, style="red" if state == "worse" else None)
    console().print(shown)
    paired = sum(one.paired for one in rows.values())
    echo(f"{paired} of {len(rows)} differences are paired by item; a score without an interval is not judged.")


def with_jackknife(result: Result, benchmark: Benchmark) -> Result:
    """The result with its jackknife, which takes seconds."""
    from ..evaluate.checked import CheckedBenchmark
    from ..evaluate.compare import jackknife

    return attrs.evolve(result, jackknife=jackknife(result, CheckedBenchmark(benchmark).aggregate))
