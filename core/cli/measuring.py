"""Options that commands which measure share: benchmarks and their settings, and what is done with the results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen

from ..errors import Problem, UsageError
from .output import echo, json_option, print_json

if TYPE_CHECKING:
    from ..components import Component
    from ..contracts import Benchmark
    from ..evaluate.results import Result
    from .gate import Gate


def benchmark_options(command: Callable[..., Any]) -> Any:
    """Add --data, --profile and --set; the command gets ``settings_for``, which gives the settings of each component.

    ``settings_for(components)`` raises ``UsageError`` for settings that none of them has.
    """

    @wraps(command)
    def called(*, data: Path | None, profile: str | None, settings: tuple[str, ...], **options: Any) -> Any:
        def settings_for(components: Sequence[Component]) -> list[dict[str, Any]]:
            from ..evaluate.benchmarks import settings_of
            from ..evaluate.selection import settings_of_each

            return settings_of_each(components, settings_of(settings), data, profile)

        return command(settings_for=settings_for, **options)

    return _with(
        called,
        click.option(
            "--data",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Folder with the data of each benchmark, DIR/NAME; where one is named, also its data themselves.",
        ),
        click.option(
            "--profile",
            metavar="NAME",
            help="Evaluator whose prompts, extraction and aggregation are used: "
            "official, vlmevalkit, llava, lmms-eval, janus.",
        ),
        click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="NAME=VALUE",
            help="Setting of the benchmarks, or of one: pope.limit=10; as TOML; may be repeated.",
        ),
    )


def result_options(command: Callable[..., Any]) -> Any:
    """Add --out, --items, --gate and --json, which the command gets together, as ``written``."""

    @wraps(command)
    def called(*, out: Path | None, items: Path | None, gate: Path | None, as_json: bool, **options: Any) -> Any:
        return command(written=ResultOptions(out, items, gate, as_json), **options)

    return _with(
        called,
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            metavar="DIR|FILE.json",
            help="Also write scores.json, items.jsonl and a page, index.html, to this folder; "
            "or the scores to this file.",
        ),
        click.option(
            "--items",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Also write the value of each item to this file, one JSON object per line.",
        ),
        click.option(
            "--gate",
            type=click.Path(path_type=Path),
            metavar="BEFORE.json",
            help="Exit with 1 where a score is worse than in this earlier result by more than the interval of the "
            "difference.",
        ),
        json_option,
    )


@frozen
class ResultOptions:
    """What is done with results: written to files, compared with earlier ones, and printed."""

    out: Path | None
    items: Path | None
    gate: Path | None
    as_json: bool

    def check(self, names: Sequence[str], **others: Path | None) -> Gate:
        """The earlier results of the benchmarks, where there is a gate. ``others``: further options with paths.

        Raises ``UsageError`` where files cannot be written, or the gate has no scores of the benchmarks.
        """
        from .gate import read_gate

        paths = {"--out": self.out, "--items": self.items, **{f"--{name}": path for name, path in others.items()}}
        check_paths(paths)
        return read_gate(self.gate, names)

    @property
    def folder(self) -> Path | None:
        """The folder of results, where one is written."""
        return None if self.out is None or self.out.suffix == ".json" else self.out

    def prepared(self, result: Result, benchmark: Benchmark) -> Result:
        """The result with its jackknife where it is compared, now or later, which takes seconds."""
        from .gate import with_jackknife

        return with_jackknife(result, benchmark) if self.gate is not None or self.folder is not None else result

    def write(self, results: Mapping[str, Result], title: str, *, several: bool = False) -> None:
        """Write what --out and --items ask for. ``title``: the name of the model."""
        from ..evaluate.records import write_items
        from ..evaluate.results import items_text, write_results
        from ..storage.atomic import write_text
        from ..storage.json_files import write_json

        if self.items is not None and several:
            write_text(self.items, items_text(results))
        elif self.items is not None:
            write_items(self.items, next(iter(results.values())).items)
        if self.folder is not None:
            from ..report.evaluation.page import evaluation_html

            write_results(self.folder, results, evaluation_html({title: results}))
        elif self.out is not None:
            write_json(self.out, scores_json(results, several=several))

    def show(self, results: Mapping[str, Result], *, several: bool = False) -> None:
        """Print the scores."""
        from ..evaluate.results import PAGE
        from .scores import show_scores

        if self.as_json:
            print_json(scores_json(results, several=several))
            return
        show_scores(results)
        if self.folder is not None:
            echo(f"The page is {(self.folder / PAGE).resolve()}")

    def compare(self, earlier: Gate, results: Mapping[str, Result], benchmarks: Mapping[str, Benchmark]) -> None:
        """Compare with the earlier results. Raises ``JaniformError`` where a score is worse."""
        from .gate import check_gate

        earlier = {name: result for name, result in earlier.items() if name in results}
        if earlier:
            check_gate(earlier, results, benchmarks, quiet=self.as_json)


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


def _with(command: Callable[..., Any], *options: Callable[[Any], Any]) -> Any:
    """The command with options, in the order of its help."""
    for option in reversed(options):
        command = option(command)
    return command
