"""A whole run: the stages of a recipe in order, into a folder that is a model when they are done."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import torch
from attrs import evolve
from rich.console import Console

from ...compose import compose
from ...contracts import Source
from ...errors import Problem, RecipeError, StorageError
from ...measure.contract_checks import check_contracts
from ...model.build import build_model
from ...model.lora import Learned, merge
from ...model.processor import Processor
from ...model.unified_model import UnifiedModel
from ...recipe import Recipe, Stage
from ...recipe.grammar import WHOLE
from ...storage.adapters import save_adapters
from ...storage.save import save_model
from ...weights import listed
from ..checkpoints import checkpoint as checkpoints
from ..checkpoints.checkpoint import Position, Stored
from ..checkpoints.saver import Saver
from ..data.batches import open_sources, usable
from ..data.contents import compare
from ..data.skipped_samples import SkipLog
from ..data.split import indivisible
from ..distributed.process_group import World, joined, mesh_of, shape_of
from ..loop.stage import StageRun
from ..progress.log import Entry, Log
from ..progress.reporter import Reporter
from . import provenance
from .dry_run import rehearse
from .folder import RunFolder
from .interrupts import Interrupts, RunStoppedError
from .sample_sheets import write_samples
from .sinks import Sinks, open_sinks
from .start import begin

TEXTS_TO_FIT = 2000
"""Examples of each source whose texts the text tokenizer learns its vocabulary from."""


def train(
    recipe: Recipe,
    out: str | Path,
    *,
    resume: bool = False,
    stages: Sequence[str] | None = None,
    seed: int | None = None,
    until: int | None = None,
    device: str | torch.device | None = None,
    reporter: Reporter | None = None,
    ahead: int = 4,
) -> Path:
    """Train a recipe and write the model, with all that belongs to the run, into a folder.

    Args:
        out: the run's folder; new or empty, except to resume.
        resume: go on from the newest whole checkpoint in ``out``, to the weights that an unbroken run would have.
        stages: only these stages, in the order of the recipe's; None runs all.
        seed: instead of the recipe's.
        until: stop after this many steps of all stages together; the model is written all the same.
        device: where to train; None takes a GPU where there is one.
        reporter: shows progress; None shows it on standard error.
        ahead: batches prepared ahead by the recipe's ``training.workers``; 0 makes them in this process.

    Returns:
        ``out``, which is a model folder now.

    Raises:
        UsageError: ``out`` holds something else, or a run of another recipe.
        RecipeError, CompositionError: the recipe cannot be trained.
        TrainingError, DataError: training cannot go on.
        StorageError: something could not be read or written.
        RunStoppedError: stopped by SIGINT or SIGTERM, with everything saved.
    """
    if seed is not None:
        recipe = evolve(recipe, training=evolve(recipe.training, seed=seed))
    with (
        joined(device) as (world, place),
        Interrupts() as interrupts,
        reporter or Reporter(None if world.main else Console(quiet=True)) as reporter,
    ):
        folder = world.on_main(lambda: RunFolder.open(Path(out), recipe, stages, resume=resume))
        return _Run(recipe, folder, place, reporter, interrupts, ahead, world).go(resume=resume, until=until)


class _Run:
    def __init__(
        self,
        recipe: Recipe,
        folder: RunFolder,
        device: torch.device,
        reporter: Reporter,
        interrupts: Interrupts,
        ahead: int,
        world: World,
    ) -> None:
        self.recipe, self.folder, self.reporter, self.interrupts, self.ahead, self.world = (
            recipe,
            folder,
            reporter,
            interrupts,
            ahead,
            world,
        )
        self.kernels: dict[str, str] = {}
        world.share(self._check_shares)
        self.mesh = mesh_of(world, recipe.training, device)
        self.saver = Saver(folder.checkpoints, recipe.training.keep, world)
        # First, since it takes no time to say which files are missing, and gigabytes to make a model.
        self.sources: dict[str, Source] = {}
        world.share(self._open_sources)
        torch.manual_seed(recipe.training.seed)
        plan = compose(recipe)
        check_contracts(plan)
        self.model: UnifiedModel = build_model(plan, device=device)
        self._saved = 0
        self._seen: list[Entry] = []

    def _open_sources(self) -> None:
        names = (name for stage in self.folder.stages for name in self.recipe.stages[stage].sources)
        self.sources.update(open_sources(self.recipe, names))

    def _check_shares(self) -> None:
        """Whether the processes can take equal shares of every step."""
        found = [indivisible(name, self.recipe.stages[name].batch, self.world.size) for name in self.folder.stages]
        problems = [
            evolve(problem, origin=self.recipe.origins.get(problem.path)) for problem in found if problem is not None
        ]
        if problems:
            raise RecipeError(problems)
        shape_of(self.world, self.recipe.training)

    def go(self, *, resume: bool, until: int | None) -> Path:
        for note in self.folder.notes:
            self.reporter.say(note)
        found = self.world.on_main(self._newest) if resume else None
        if found is None and self.recipe.start:
            begun = self.world.share(lambda: begin(self.model, self.recipe.start, self.reporter.say))
            self.world.on_main(lambda: self.folder.record("start", begun[0]))
        self.world.on_main(lambda: self._ready_text(resume))
        self.world.share(lambda: None if self.world.main else self._ready_text(resume=True))
        self.world.share(lambda: rehearse(self.recipe, self.folder.stages, self.model, self.sources))
        position = Position(self.folder.stages[0]) if found is None else found.position
        self.world.on_main(lambda: self._compare_sources(position))
        if found is not None:
            self.reporter.say(f"going on at step {position.step} of {position.stage}")
        elif resume:
            self.reporter.say("there is no checkpoint yet: starting from the beginning")
        last = None
        path, total, main = self.folder.path, position.total, self.world.main
        with (
            open_sinks(self.recipe, path, self.reporter.say) if main else Sinks({}, self.reporter.say) as self.sinks,
            Log(path / "log.jsonl", total, also=self.sinks.entry) if main else nullcontext() as log,
            SkipLog(path / "skipped.jsonl" if main else None, total) as skips,
        ):
            for number, run in self._runs(position, found):
                self._train(run, log, skips, number, until)
                last = run
                if until is not None and run.position.total >= until:
                    break
            if skips.counts:
                counted = ", ".join(f"{count} × {kind}" for kind, count in skips.counts.most_common())
                self.reporter.say(
                    f"samples that could not be used, or not whole: {counted}; see {path / 'skipped.jsonl'}"
                )
        return self._finish(last)

    def _compare_sources(self, position: Position) -> None:
        for difference in compare(self.folder.path, self.sources, position.positions):
            self.reporter.say(difference)

    def _newest(self) -> Stored | None:
        return checkpoints.load_newest(self.folder.checkpoints, self.reporter.say)

    def _ready_text(self, resume: bool) -> None:
        """Learn the text tokenizer from the sources, or take up what the run learned before."""
        if resume and (self.folder.path / "tokenizer.json").exists():
            self.model.processor = Processor(self.model.plan, self.folder.path)
        text = self.model.processor.text
        if not text.fitted:
            self.model.processor.fit(list(_texts(self.sources.values())))
        self.folder.save_text(text)

    def _runs(self, position: Position, found: Stored | None) -> Iterator[tuple[int, StageRun]]:
        """The stages from a position on, each ready to be trained further."""
        names = self.folder.stages
        for name in names[names.index(position.stage) :]:
            number = list(self.recipe.stages).index(name)
            if position.stage != name:
                position = evolve(position, stage=name, step=0, taken={}, skipped_in_a_row=0)
            entropy = (self.recipe.training.seed, number)
            run = StageRun(self.recipe.stages[name], self.model, position, entropy, self.world, self.mesh)
            if found is not None and found.position.stage == name:
                stored = found
                self.world.share(lambda run=run, stored=stored: run.restore(stored))  # type: ignore[misc]
            yield number, run
            position = run.position
            self.model = run.model

    def _train(self, run: StageRun, log: Log | None, skips: SkipLog, number: int, until: int | None) -> None:
        """Train one stage to its end, or to ``until`` steps of the run."""
        stage = run.stage
        steps = stage.last if until is None else min(stage.last, run.position.step + until - run.position.total)
        self.reporter.stage(stage.name, run.position.step, stage.last)
        if run.alone:
            self.reporter.say(f"{stage.name}: its objective wants whole batches, so one process trains alone")
        self._saved = run.position.total
        self._seen = []
        self._stop_if_asked(run)
        if run.alone and not self.world.main:
            for _ in range(run.position.step, steps):
                self._stop_if_asked(run)
        else:
            self._steps(run, log, skips, steps)
        if run.alone:
            run.follow()
        if stage.sample_every and run.position.step % stage.sample_every:
            self._samples(run)
        if self._saved != run.position.total:
            self._save(run)
        self.saver.wait(alone=False)
        if run.position.step == stage.last:
            run.finish()
            self._keep_adapters(stage, run.learned)

    def _steps(self, run: StageRun, log: Log | None, skips: SkipLog, steps: int) -> None:
        began, before = time.perf_counter(), run.position.seconds
        stage = run.stage

        def seconds() -> float:
            return before + time.perf_counter() - began

        if run.attention is not None:
            if run.attention.reason:
                self.reporter.say(f"attention in {stage.name}: {run.attention.name}, {run.attention.reason}")
            self.kernels[stage.name] = run.attention.name
        entries = run.steps(
            self.sources,
            until=steps,
            ahead=self.ahead,
            seconds=seconds,
            workers=self.recipe.training.workers,
            strict=self.recipe.training.strict,
            skips=skips,
        )
        with closing(entries):
            for entry in entries:
                run.position = evolve(run.position, seconds=seconds())
                self.reporter.advance()
                if entry is not None:
                    self._seen.append(entry)
                    self.reporter.entry(entry)
                    if log is not None:
                        log.write(entry)
                if run.position.step % self.recipe.training.checkpoint_every == 0:
                    self._save(run)
                elif self.saver.failed and self.world.size == 1:
                    self.saver.wait(alone=True)
                if stage.sample_every and run.position.step % stage.sample_every == 0:
                    self._samples(run)
                self._stop_if_asked(run)

    def _stop_if_asked(self, run: StageRun) -> None:
        if not self.world.any(self.interrupts.asked):
            return
        if self._saved != run.position.total:
            self._save(run)
        self.saver.wait(alone=False)
        path = self.folder.path
        if not self.world.main:
            raise SystemExit(RunStoppedError.exit_code)
        raise RunStoppedError(
            Problem(
                f"stopped after step {run.position.step} of {run.stage.name}; everything is saved",
                hint=f"go on with: janiform train {path / 'recipe.toml'} --out {path} --resume",
            )
        )

    def _save(self, run: StageRun) -> None:
        self._saved = run.position.total
        if not run.alone or self.world.main:
            alone = run.sharded is None
            self.saver.begin(evolve(run.state(), score=self._score()), alone=alone)

    def _score(self) -> float | None:
        """The mean of the loss that the best checkpoint is chosen by, over the steps since the last checkpoint."""
        name = self.recipe.training.best
        if name and self._seen and not any(name in entry.losses for entry in self._seen):
            losses = ", ".join(self._seen[-1].losses)
            self.reporter.say(f"no checkpoint is the best: training.best is '{name}', and the losses are {losses}")
        counts = [entry.predictions.get(name, 0) for entry in self._seen]
        sums = [entry.losses.get(name, 0.0) * count for entry, count in zip(self._seen, counts, strict=True)]
        self._seen = []
        return sum(sums) / sum(counts) if sum(counts) else None

    def _samples(self, run: StageRun) -> None:
        if run.alone and not self.world.main:
            return
        run = run.whole()
        if self.world.main:
            samples = write_samples(run, self.sources, self.folder.path / "samples", self.reporter.say)
            if samples is not None:
                self.sinks.samples(samples, run.stage.name, run.position.total)

    def _keep_adapters(self, stage: Stage, learned: Mapping[str, Learned]) -> None:
        """Write the low-rank adapters that were just merged, and say which did nothing."""
        lora = stage.lora
        if lora is None or not learned:
            return
        if idle := [path for path, adapter in learned.items() if not adapter.b.any()]:
            self.reporter.say(
                f"{stage.name}: no sample went through these layers, whose adapters are zero: {listed(idle)}"
            )
        folder = self.folder.path / "adapters" / stage.name
        self.world.on_main(lambda: save_adapters(learned, lora, self.recipe.start.get(WHOLE, ""), folder))

    def _finish(self, last: StageRun | None) -> Path:
        if last is None:
            raise StorageError(f"{self.folder.path} has no stage left to train")
        facts: dict[str, Any] = {
            "seed": self.recipe.training.seed,
            "stages": list(self.folder.stages),
            "stage": last.position.stage,
            "step": last.position.step,
            "steps_in_all": last.position.total,
            "skipped_steps": last.position.skipped,
            "samples": last.position.positions,
            "seconds": round(last.position.seconds, 1),
            "attention": self.kernels,
            "processes": self.world.size,
            "data": provenance.data_digests(self.sources),
        }
        model = last.whole().model
        self._keep_adapters(last.stage, merge(model))  # where the run ends before the stage does
        return self.world.on_main(
            lambda: save_model(model, self.folder.path, dtype=torch.bfloat16, facts=self.folder.facts | facts)
        )


def _texts(sources: Iterable[Source]) -> Iterator[str]:
    for source in sources:
        for conversation in usable(source, TEXTS_TO_FIT):
            yield from (turn.text for turn in conversation.turns if turn.text)
