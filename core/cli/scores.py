"""What commands that measure share: the table of scores, files of results, and the gate against earlier scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from ..errors import JaniformError, Problem, UsageError
from .output import console, echo, table
from .report import note

if TYPE_CHECKING:
    from ..contracts import Benchmark, Metric, Score
    from ..evaluate.compare import ScoreDifference
    from ..evaluate.results import Result

_LISTED = 10
"""Number of scores that the error of the gate lists."""

WRITTEN = click.Path(path_type=Path, dir_okay=False)

data_option: Callable[[Any], Any] = click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder with the data of each benchmark, DIR/NAME; where one is named, also its data themselves.",
)
profile_option: Callable[[Any], Any] = click.option(
    "--profile",
    metavar="NAME",
    help="Evaluator whose prompts, extraction and aggregation are used: official, vlmevalkit, llava, lmms-eval, janus.",
)
settings_option: Callable[[Any], Any] = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Setting of the benchmarks, or of one: pope.limit=10; as TOML; may be repeated.",
)
out_option: Callable[[Any], Any] = click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR|FILE.json",
    help="Also write scores.json, items.jsonl and a page, index.html, to this folder; or the scores to this file.",
)
items_option: Callable[[Any], Any] = click.option(
    "--items", type=WRITTEN, help="Also write the value of each item to this file, one JSON object per line."
)
gate_option: Callable[[Any], Any] = click.option(
    "--gate",
    type=click.Path(path_type=Path),
    metavar="BEFORE.json",
    help="Exit with 1 where a score is worse than in this earlier result by more than the interval of the difference.",
)


def check_paths(paths: Mapping[str, Path | None]) -> None:
    """Raise ``UsageError`` where the folder that an option's path lies in does not exist, or a file is in the way."""
    for option, path in paths.items():
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"{option}: the folder '{path.parent}' does not exist")
    out = paths.get("--out")
    if out is not None and out.suffix == ".json" and out.is_dir():
        raise UsageError(f"--out: '{out}' is a folder, and a name that ends in .json is that of a file")
    if out is not None and out.suffix != ".json" and out.is_file():
        raise UsageError(Problem(f"--out: '{out}' is a file", hint="name a folder, or a file that ends in .json"))


def scores_json(results: Mapping[str, Result], *, several: bool = False) -> dict[str, Any]:
    """Scores for ``--json`` and for a file: of the only benchmark, or of several by their names."""
    from ..evaluate.results import results_json

    return results_json(results) if several else next(iter(results.values())).as_json()


def write_files(
    results: Mapping[str, Result], out: Path | None, items: Path | None, title: str, *, several: bool = False
) -> None:
    """Write what ``--out`` and ``--items`` ask for."""
    from ..evaluate.records import write_items
    from ..evaluate.results import items_text, write_results
    from ..storage.atomic import write_text
    from ..storage.json_files import write_json

    if items is not None and several:
        write_text(items, items_text(results))
    elif items is not None:
        write_items(items, next(iter(results.values())).items)
    if out is not None and out.suffix == ".json":
        write_json(out, scores_json(results, several=several))
    elif out is not None:
        from ..report.evaluation.page import evaluation_html

        scored = any(result.scores for result in results.values())
        write_results(out, results, evaluation_html({title: results}) if scored else None)


def show(results: Mapping[str, Result], out: Path | None) -> None:
    """Print the scores as tables; below each, scores at chance or at the floor, and the settings."""
    for name, result in results.items():
        if len(results) > 1:
            echo(name)
        _show(result)
    if out is not None and out.suffix != ".json" and any(result.scores for result in results.values()):
        from ..evaluate.results import PAGE

        echo(f"The page is {(out / PAGE).resolve()}")


def _show(result: Result) -> None:
    from ..evaluate.runner import uninformative

    rows = table("", "Score", "95 % interval", "Items")
    for column in rows.columns[1:]:
        column.justify = "right"
    for group, names in groupby(result.scores, key=lambda name: name.rpartition(".")[0]):
        rows.add_row(group.replace("_", " "), "", "", "", style="bold")
        for name in names:
            score, arrow = result.scores[name], "↓" if result.metrics[name].direction == "down" else ""
            label = name.rpartition(".")[2].replace("_", " ")
            rows.add_row(f"  {label} {arrow}", f"{score.value:.3f}", _interval(score), str(score.count))
        rows.add_section()
    out = console()
    out.print(rows if result.scores else "The outputs were not scored: the settings name nothing that judges them.")
    levels = {name: uninformative(score, result.metrics[name]) for name, score in result.scores.items()}
    for level, what in {"chance": "random answers", "floor": "zero"}.items():
        if listed := ", ".join(name for name in levels if levels[name] == level):
            out.print(f"Not distinguishable from {what}: {listed}", soft_wrap=True)
    for sentence in result.notes:
        out.print(sentence, soft_wrap=True)
    facts = ", ".join(f"{name} {value}" for name, value in result.settings.items() if value != "")
    out.print(facts, style="dim", soft_wrap=True)


def _interval(score: Score) -> str:
    return "" if score.low is None or score.high is None else f"{score.low:.3f} – {score.high:.3f}"


def is_compared(out: Path | None, gate: Path | None) -> bool:
    """Whether a result is compared with another now, or may be later."""
    return gate is not None or (out is not None and out.suffix != ".json")


def with_jackknife(result: Result, benchmark: Benchmark) -> Result:
    """The result with its jackknife, which takes seconds."""
    from ..evaluate.checked import CheckedBenchmark
    from ..evaluate.compare import jackknife

    return attrs.evolve(result, jackknife=jackknife(result, CheckedBenchmark(benchmark).aggregate))


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
        check_protocol(name, before.settings, after.settings)
        if before.items and not before.jackknife:
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


def check_settings(gate: Gate, settings: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise ``UsageError`` where earlier results were measured with other settings of a benchmark, given by its name.

    Those that a run adds are compared after it.
    """
    for name, before in gate.items():
        own = settings[name]
        check_protocol(name, {key: before.settings.get(key) for key in own}, own)


def check_protocol(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Raise ``UsageError`` where two results, whose settings are given, were not measured in the same way."""
    from ..evaluate.compare import protocol_differences

    if differing := protocol_differences(before, after):
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
