"""``janiform eval``: measure a model with benchmarks."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from ..errors import JaniformError, Problem, UsageError
from ..evaluate.benchmarks import build_benchmark, find_benchmark
from .measuring import ResultOptions, benchmark_options, result_options
from .options import load_options, opened, reported_once, sampler_option
from .progress import progress_shown
from .report import note

if TYPE_CHECKING:
    from ..components import Component
    from ..contracts import Benchmark, Progress
    from ..evaluate.results import Result
    from ..evaluate.runner import Evaluation
    from ..inference.api import Model
    from ..train.distributed.process_group import ProcessGroup


@click.command()
@click.argument("model")
@click.argument("benchmarks", nargs=-1, metavar="[BENCHMARK]...")
@benchmark_options
@result_options
@click.option(
    "--pictures",
    type=click.Path(path_type=Path, file_okay=False),
    help="Also write the drawings to this folder; items then name their files. --out DIR has them in DIR/outputs.",
)
@click.option(
    "--allow-missing",
    is_flag=True,
    help="Leave out questions whose pictures are missing, and count them in the score's settings, instead of failing.",
)
@click.option(
    "--allow-failures", is_flag=True, help="Score the rest where a judge fails for some outputs, instead of failing."
)
@click.option("--record", is_flag=True, help="Also write the scores to the model's model.json.")
@sampler_option
@load_options
def command(
    model: str,
    benchmarks: tuple[str, ...],
    settings_for: Callable[..., Sequence[Mapping[str, Any]]],
    written: ResultOptions,
    pictures: Path | None,
    allow_missing: bool,
    allow_failures: bool,
    record: bool,
    **how: Any,
) -> None:
    """Measure MODEL with each BENCHMARK (default: shapes).

    MODEL is the name of a recipe with shipped weights, or the folder of a model or a finished run. "janiform components
    benchmark" lists the installed benchmarks with their settings; name some of them after MODEL.

    With --out DIR, outputs are kept there as they come: after a kill, the same command computes the rest. To evaluate
    with several processes, start them with torchrun: torchrun --nproc-per-node 8 -m janiform eval … --device cuda
    """
    from ..evaluate.checked import CheckedBenchmark

    with reported_once():
        components = [find_benchmark(name) for name in benchmarks or (None,)]
        built = _built(components, settings_for(components, **({"allow_missing": True} if allow_missing else {})))
        # Data and settings are checked before a large model is loaded.
        own = {name: CheckedBenchmark(benchmark).settings() for name, benchmark in built.items()}
        earlier = written.check(list(built), own, pictures=pictures)
        if record:
            _check_record(model, how["quantize"], how["sampler"])
    from ..train.distributed.process_group import join_processes

    several = len(components) > 1
    results: dict[str, Result] = {}
    failures: list[Problem] = []
    with join_processes(how.pop("device")) as (processes, device), progress_shown() as progress:
        loaded = opened(model, device=str(device), **how)
        for component in components:
            benchmark = built[component.name]
            folders = Folders.of(component.name, written.folder, pictures, several=several)
            try:
                evaluation = _evaluated(loaded, benchmark, progress, folders, processes, allow_failures)
                if processes.main:
                    result = _result(component, benchmark, evaluation, folders)
                    results[component.name] = written.prepared(result, benchmark)
                    written.write(results, loaded.name, several=several)
            except JaniformError as error:
                if not several:
                    raise
                # The others are measured all the same, which may take hours.
                failures += [attrs.evolve(one, message=f"{component.name}: {one.message}") for one in error.problems]
    if not processes.main:
        return
    if not results:
        raise JaniformError(failures)
    if record:
        for name, result in results.items():
            _record(model, name, result.as_json())
    written.show(results, several=several)
    for failure in failures:
        note(str(failure))
    written.compare(earlier, results, built)
    if failures:
        raise JaniformError(f"{len(components) - len(results)} of {len(components)} benchmarks failed")


def _built(components: Sequence[Component], values: Sequence[Mapping[str, Any]]) -> dict[str, Benchmark]:
    """The benchmarks by name."""
    built = {one.name: build_benchmark(one, given) for one, given in zip(components, values, strict=True)}
    if len(built) < len(components):
        raise UsageError("two versions of one benchmark cannot be measured together: name one of them")
    return built


@attrs.frozen
class Folders:
    """Where the outputs of one benchmark are kept. ``base``: the folder that predictions name files of drawings in."""

    pictures: Path | None
    store: Path | None

    @classmethod
    def of(cls, name: str, results: Path | None, pictures: Path | None, *, several: bool) -> Folders:
        """The folders of a benchmark; in a folder of results its store, from which it is resumed."""
        if pictures is not None and several:
            pictures = pictures / name
        return cls(pictures, None if results is None else results / "outputs" / name)

    @property
    def base(self) -> Path | None:
        return self.store if self.pictures is None else self.pictures.parent


def _evaluated(
    model: Model,
    benchmark: Benchmark,
    progress: Progress,
    folders: Folders,
    processes: ProcessGroup,
    allow_failures: bool,
) -> Evaluation:
    from ..evaluate.runner import evaluate

    return evaluate(
        model,
        benchmark,
        progress,
        pictures=folders.pictures,
        store=folders.store,
        processes=processes,
        allow_failures=allow_failures,
    )


def _result(
    component: Component,
    benchmark: Benchmark,
    evaluation: Evaluation,
    folders: Folders,
) -> Result:
    from ..evaluate.checked import CheckedBenchmark
    from ..evaluate.examples import examples_of
    from ..evaluate.results import Result

    checked = CheckedBenchmark(benchmark)
    return Result(
        evaluation.scores,
        evaluation.metrics,
        {"benchmark": component.reference, **evaluation.settings},
        evaluation.items,
        checked.published(),
        examples_of(checked, checked.requests(), evaluation.items, folders.base),
    )


def _check_record(model: str, quantize: str | None, sampler: str | None) -> None:
    """Raise ``UsageError`` where scores cannot be written into the folder of a model, before they are measured."""
    from ..storage.hub import in_snapshot
    from ..storage.locate import model_folder

    if quantize:
        raise UsageError(Problem("--record needs the weights without --quantize", hint="leave out --record"))
    if sampler:
        raise UsageError(Problem("--record needs the model's own sampler", hint="leave out --record or --sampler"))
    folder = model_folder(model)
    if in_snapshot(folder):
        reason = "is a snapshot in the cache of the Hugging Face hub, which other programs share"
    elif not os.access(folder, os.W_OK):
        reason = "cannot be written to"
    else:
        return
    hint = "write the scores to a file with --out scores.json"
    raise UsageError(Problem(f"--record writes into the model's folder, but {folder} {reason}", hint=hint))


def _record(model: str, benchmark: str, result: Mapping[str, Any]) -> None:
    from ..storage.json_files import write_json
    from ..storage.locate import model_folder
    from ..storage.model_json import about

    folder = model_folder(model)
    facts = about(folder)
    facts["scores"] = {**(facts.get("scores") or {}), benchmark: result}
    write_json(folder / "model.json", facts)
