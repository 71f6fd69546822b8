"""``janiform ablate``: train the cells of a study with several seeds, and compare them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..arguments import MAX_SEED
from ..errors import Problem, UsageError
from .output import console, echo, json_option, print_json, table

if TYPE_CHECKING:
    from ..ablation.prepare import PreparedStudy
    from ..ablation.results import StudyResults


@click.command()
@click.argument("study")
@click.argument("replayed", required=False, metavar="[CELL]")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the study; new, empty, or with the study in it, which is continued.",
)
@click.option("--dry-run", is_flag=True, help="Show cells, changes, parameters, FLOPs, time and disk; train nothing.")
@click.option(
    "--measure", is_flag=True, help="With --dry-run: estimate the time by short runs of the baseline's stages."
)
@click.option(
    "--slots",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Number of runs at a time, each on cores or a GPU of its own.",
)
@click.option("--device", metavar="NAME", help="Device to train on: cpu, cuda, …; by default a GPU where there is one.")
@click.option("--retry", is_flag=True, help="Start failed runs again.")
@click.option(
    "--reuse",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of another study, whose finished stages are used where they are the same; may be repeated.",
)
@click.option("--strict-reuse", is_flag=True, help="Refuse stages that were trained by other versions or hardware.")
@click.option("--commands", is_flag=True, help="Print one command per run instead of running them.")
@click.option(
    "--submit",
    metavar="slurm|local",
    help="Submit one job per run through submitit, to Slurm or as processes of this machine.",
)
@click.option(
    "--submit-option",
    "job_options",
    multiple=True,
    metavar="NAME=VALUE",
    help="Parameter of the jobs, as submitit names it: timeout_min=600; may be repeated.",
)
@click.option("--cell", metavar="NAME", help="Bring the run of one cell to its end; needs --seed.")
@click.option("--seed", type=click.IntRange(0, MAX_SEED), metavar="S", help="Seed of the run of --cell or of a replay.")
@json_option
def command(
    study: str,
    replayed: str | None,
    out: Path | None,
    dry_run: bool,
    measure: bool,
    slots: int,
    device: str | None,
    retry: bool,
    reuse: tuple[Path, ...],
    strict_reuse: bool,
    commands: bool,
    submit: str | None,
    job_options: tuple[str, ...],
    cell: str | None,
    seed: int | None,
    as_json: bool,
) -> int:
    """Train every cell of STUDY with every seed, evaluate them, and write one page that compares them.

    STUDY is a .toml file, or the name of a study that a plugin has.

    Run the command again to do what is missing: the folder is the state. Runs that failed are started again with
    --retry only.

    "janiform ablate replay CELL --seed S --out DIR" trains a finished run once more and tells whether it is equal.
    """
    if study == "replay":
        return _replay(replayed, seed, out, device)
    if replayed is not None:
        raise UsageError(Problem(f"unexpected argument '{replayed}'", hint="one study per command"))
    if dry_run:
        return _dry_run(study, measure, as_json)
    if out is None:
        raise UsageError(Problem("--out is missing", hint="name the study's folder; --dry-run needs none"))
    options = _worker_options(device, reuse, strict_reuse)
    if cell is not None or seed is not None:
        return _one(study, out, cell, seed, device, reuse, strict_reuse)
    from ..ablation.prepare import prepare

    prepared = prepare(study, out, lambda sentence: echo(sentence, err=True))
    _write_results(prepared)  # `janiform watch` reads the cells from it
    if commands:
        for line in _commands(prepared, options):
            echo(line)
        return 0
    if submit is not None:
        from ..ablation.submit import submit_study

        for line in submit_study(prepared, submit, job_options, options):
            echo(line)
        return 0
    return _run(prepared, slots, device, retry, options, reuse, as_json)


def _worker_options(device: str | None, reuse: Sequence[Path], strict: bool) -> list[str]:
    options = ["--device", device] if device else []
    for folder in reuse:
        options += ["--reuse", str(folder.absolute())]
    return [*options, *(["--strict-reuse"] if strict else [])]


def _commands(prepared: PreparedStudy, options: Sequence[str]) -> list[str]:
    from ..ablation.schedule import worker_command

    return [
        shlex.join(["janiform", *worker_command(prepared.study.file, prepared.folder.path, cell.name, seed, options)])
        for cell, seed in prepared.study.runs()
    ]


def _one(
    study: str,
    out: Path,
    cell: str | None,
    seed: int | None,
    device: str | None,
    reuse: Sequence[Path],
    strict: bool,
) -> int:
    from ..ablation.prepare import reopen
    from ..ablation.worker import run_cell
    from ..errors import nearest

    if cell is None or seed is None:
        raise UsageError("--cell and --seed belong together")
    prepared = reopen(study, out)
    names = [one.name for one in prepared.study.cells]
    if cell not in names:
        raise UsageError(Problem(f"the study has no cell '{cell}'", hint=nearest(cell, names)))
    if seed not in prepared.study.settings.all_seeds:
        raise UsageError(Problem(f"the study has no seed {seed}", hint="add it to `seeds`"))
    status = run_cell(prepared, cell, seed, device=device, reuse=reuse, strict=strict)
    echo(f"{cell}, seed {seed}: {status.state}")
    return 0 if status.state == "done" else 1


def _run(
    prepared: PreparedStudy,
    slots: int,
    device: str | None,
    retry: bool,
    options: Sequence[str],
    reuse: Sequence[Path],
    as_json: bool,
) -> int:
    from ..ablation.page import comparisons_of, conclusion, write_page, write_tables
    from ..ablation.results_json import results_json
    from ..ablation.schedule import run_study, slots_of
    from ..ablation.watch import Watch

    study, folder = prepared.study, prepared.folder
    chosen = slots_of(slots, _gpus(device))
    try:
        with Watch(prepared) as watch:
            done = run_study(
                prepared,
                chosen,
                device=device,
                retry=retry,
                options=options,
                reuse=reuse,
                changed=watch.update,
                say=watch.say,
            )
    finally:
        results = _write_results(prepared)
        write_tables(results, folder.path)
        write_page(results, folder.path)
    if as_json:
        print_json(results_json(results, comparisons_of(results)))
    else:
        for sentence in conclusion(results):
            echo(sentence)
        echo(f"the page is {folder.path / 'study.html'}")
        if not done:
            states = {(cell.name, seed): folder.place(cell.name, seed).status().state for cell, seed in study.runs()}
            for state, remedy in (
                ("failed", "--retry starts them again"),
                ("stopped", "the same command resumes them"),
            ):
                if runs := [f"{cell} seed {seed}" for (cell, seed), found in states.items() if found == state]:
                    echo(f"{state}: {', '.join(runs)}; {remedy}", err=True)
    return 0 if done else 1


def _write_results(prepared: PreparedStudy) -> StudyResults:
    """Write ``study.json`` as far as the study has come, and return its content."""
    from ..ablation.page import comparisons_of
    from ..ablation.results_json import write_results
    from ..ablation.summary import results_of

    results = results_of(prepared)
    write_results(results, prepared.folder.path / "study.json", comparisons_of(results))
    return results


def _gpus(device: str | None) -> int:
    import torch

    return 0 if device == "cpu" or not torch.cuda.is_available() else torch.cuda.device_count()


def _dry_run(study: str, measure: bool, as_json: bool) -> int:
    from ..ablation.dry_run import dry_run_facts, show_dry_run
    from ..ablation.prepare import planned
    from ..ablation.seconds import measured_seconds

    def say(sentence: str) -> None:
        echo(sentence, err=True)

    designs, budgets = planned(study, say)
    facts = dry_run_facts(designs, budgets, measured_seconds(say) if measure else None)
    if as_json:
        print_json(facts)
    else:
        show_dry_run(facts, console(), table)
    return 0


def _replay(cell: str | None, seed: int | None, out: Path | None, device: str | None) -> int:
    from ..ablation.replay import replay

    if cell is None or seed is None or out is None:
        hint = "janiform ablate replay CELL --seed S --out DIR"
        raise UsageError(Problem("replay needs a cell, --seed and --out", hint=hint))
    outcome = replay(out, cell, seed, device=device)
    for sentence in outcome.sentences:
        echo(sentence)
    return 0 if outcome.equal else 1
