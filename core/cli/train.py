"""``janiform train``: train a recipe to a model, stage by stage."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from ..arguments import MAX_SEED
from ..components.component import NAME
from ..errors import JaniformError, UsageError
from .options import reported_once
from .output import echo


def _starting(given: str) -> str:
    """The override that an option ``--start`` means."""
    part, equals, folder = given.partition("=")
    if not equals or "/" in part:
        part, folder = ".", given
    return f"start.{json.dumps(part.strip())} = {json.dumps(folder.strip(), ensure_ascii=False)}"


@click.command()
@click.argument("recipe")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder of the run; new or empty, except with --resume.",
)
@click.option("--resume", is_flag=True, help="Resume the run in DIR from its newest checkpoint.")
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a setting of the recipe, as a line of TOML: 'stage.text.steps=100'; may be repeated.",
)
@click.option(
    "--sink",
    "sinks",
    metavar="NAME",
    multiple=True,
    help="Log to this sink as well: tensorboard, wandb, …; may be repeated.",
)
@click.option(
    "--start",
    metavar="[PART=]DIR",
    multiple=True,
    help="Start from the weights in DIR: of all parts, or of one as 'understanding.encoder=DIR'; may be repeated.",
)
@click.option("--stages", metavar="A,B", help="Train only these stages, in the recipe's order.")
@click.option("--seed", type=click.IntRange(0, MAX_SEED), help="Random seed; overrides the recipe's.")
@click.option(
    "--data-seed",
    type=click.IntRange(0, MAX_SEED),
    help="Random seed of the data's order; overrides the recipe's; by default the random seed.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    metavar="N",
    help="Number of processes that prepare batches, up to 256; overrides the recipe's.",
)
@click.option("--attention", metavar="NAME", help="Attention kernel, or auto; overrides the recipe's.")
@click.option(
    "--device", metavar="NAME", help="Device to train on: cpu, cuda, cuda:1, …; by default a GPU where there is one."
)
def command(
    recipe: str,
    out: Path,
    resume: bool,
    overrides: tuple[str, ...],
    sinks: tuple[str, ...],
    start: tuple[str, ...],
    stages: str | None,
    seed: int | None,
    data_seed: int | None,
    workers: int | None,
    attention: str | None,
    device: str | None,
) -> None:
    """Train RECIPE, a recipe's name or file, and write the model into a folder.

    To train with several processes, start them with torchrun: torchrun --nproc-per-node 8 -m janiform train …

    Ctrl-C finishes the step, saves, and prints the command that resumes. The log is DIR/log.jsonl; sample pictures are
    in DIR/samples.
    """
    from ..recipe import read_recipe
    from ..train.run.train import train

    if workers is not None:
        overrides = (*overrides, f"training.workers = {workers}")
    if attention is not None:
        overrides = (*overrides, f"training.attention = {json.dumps(attention)}")
    added = [f'sink.{_bare(name)}.use = "{name}"' for name in sinks]
    with reported_once():
        resolved = read_recipe(recipe, [*added, *overrides, *map(_starting, start)])
        chosen = None if stages is None else [name.strip() for name in stages.split(",") if name.strip()]
        folder = train(resolved, out, resume=resume, stages=chosen, seed=seed, data_seed=data_seed, device=device)
    if os.environ.get("RANK", "0") != "0":  # one of several processes that torchrun started: only the first prints
        return
    _write_report(folder)
    draws = [name for name, pathway in resolved.pathways.items() if pathway.mode == "draw"]
    looks = [name for name, pathway in resolved.pathways.items() if pathway.mode == "look"]
    echo(f"the model is in {folder}")
    if draws:
        echo(f'  janiform generate {folder} "…" --out pictures')
    if looks:
        echo(f'  janiform ask {folder} picture.png "…"')


def _write_report(folder: Path) -> None:
    from ..report.report import write_report

    try:
        write_report([folder], folder / "report.html")
    except JaniformError as error:  # the model is written, and `janiform report` can write the report later
        echo(f"no report: {error}", err=True)


def _bare(name: str) -> str:
    """The name of a sink in the recipe, from that of its component."""
    bare = name.partition("@")[0]
    if not NAME.fullmatch(bare):
        raise UsageError(f"'{name}' is not a valid name of a sink; 'janiform components sink' lists them")
    return bare.replace(".", "-")
