"""A whole run: the stages of a recipe in order, into a folder that is a model when they are done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from attrs import evolve

from ...arguments import MAX_SEED, members, shown, text, whole_number
from ...console import SafeConsole
from ...contracts.showcase import TokenizerQuality
from ...errors import Problem, UsageError
from ...model.lora import Learned, merge
from ...recipe import Recipe, Stage
from ...recipe.grammar import WHOLE
from ...storage.adapters import save_adapters
from ...storage.save import save_model
from ...storage.tensors import tensors_of
from ...weights import listed
from ..checkpoints.checkpoint import Position
from ..checkpoints.saver import Saver
from ..distributed.process_group import ProcessGroup, join_processes
from ..loop.loop import Loading, train_steps
from ..loop.stage import StageRun
from ..progress.events import Events
from ..progress.log import read_log
from ..progress.reporter import Reporter
from . import provenance
from .checkpointing import Checkpointing
from .folder import RunFolder
from .interrupts import Interrupts, RunStoppedError
from .nodes import StageMemory, StageNodes, after
from .preparation import Prepared, prepare_run
from .sample_sheets import write_samples
from .tokenizer_quality import not_ready


def train(
    recipe: Recipe,
    out: str | Path,
    *,
    resume: bool = False,
    stages: Sequence[str] | None = None,
    seed: int | None = None,
    data_seed: int | None = None,
    until: int | None = None,
    device: str | torch.device | None = None,
    reporter: Reporter | None = None,
    ahead: int = 4,
    nodes: StageNodes | None = None,
    tokenizer: str | Path | None = None,
) -> Path:
    """Train a recipe and write the model, with everything that belongs to the run, into a folder.

    Args:
        out: the run's folder; new or empty, except to resume.
        resume: continue from the newest complete checkpoint in ``out``, to the weights of an uninterrupted run.
        stages: train only these stages, in the recipe's order; None trains all.
        seed: random seed; overrides the recipe's.
        data_seed: random seed of the order of the data and of its preparation; overrides the recipe's.
        until: stop after this many steps of all stages together; the model is written all the same.
        device: where to train; by default a GPU where there is one.
        reporter: shows progress; by default on standard error.
        ahead: batches that the recipe's ``training.workers`` prepare ahead; 0 prepares them in this process.
        nodes: a store of finished stages: those that it has are taken from it instead of being trained, and those that
            are trained are stored in it.
        tokenizer: folder with the tokenizer.json of the run, which otherwise learns its text tokenizer from the sources
            or reads the one that the recipe names.

    Returns:
        ``out``, which is now a model folder.

    Raises:
        UsageError: ``out`` holds something else, or a run of another recipe.
        RecipeError, CompositionError: the recipe cannot be trained.
        TrainingError, DataError: training cannot continue.
        StorageError: something cannot be read or written.
        RunStoppedError: stopped by SIGINT or SIGTERM, with everything saved.
    """
    if not isinstance(recipe, Recipe):
        raise UsageError(f"recipe must be a Recipe, as of read_recipe, not {shown(recipe)}")
    if not isinstance(out, str | Path):
        raise UsageError(f"out must be the path of a folder, not {shown(out)}")
    if seed is not None:
        recipe = evolve(recipe, training=evolve(recipe.training, seed=whole_number("seed", seed, high=MAX_SEED)))
    if data_seed is not None:
        data_seed = whole_number("data_seed", data_seed, high=MAX_SEED)
        recipe = evolve(recipe, training=evolve(recipe.training, data_seed=data_seed))
    if stages is not None:
        names = (stages,) if isinstance(stages, str) else members("stages", stages, "names of stages")
        stages = [text("the name of a stage", name) for name in names]
    until = None if until is None else whole_number("until", until, low=1)
    ahead = whole_number("ahead", ahead)
    with (
        join_processes(device) as (group, own_device),
        Interrupts() as interrupts,
        reporter or Reporter(None if group.main else SafeConsole(quiet=True)) as reporter,
    ):
        folder = group.on_main(lambda: RunFolder.open(Path(out), recipe, stages, resume=resume))
        given = None if tokenizer is None else Path(tokenizer)
        prepared = prepare_run(recipe, folder, group, own_device, reporter, resume=resume, tokenizer=given)
        total = prepared.position.total
        with Events.of_run(reporter, recipe, folder.path, total=total, writes=group.main) as events:
            loading = Loading(ahead, recipe.training.workers, recipe.training.strict)
            run = _Run(recipe, folder, group, events, interrupts, loading, nodes)
            run.train(prepared, until)
            run.report_skipped_steps(prepared.position)
        return run.save(prepared)


class _Run:
    """Trains the stages of a run one after another, and writes what they leave."""

    def __init__(
        self,
        recipe: Recipe,
        folder: RunFolder,
        group: ProcessGroup,
        events: Events,
        interrupts: Interrupts,
        loading: Loading,
        nodes: StageNodes | None,
    ) -> None:
        self.recipe, self.folder, self.group, self.events = recipe, folder, group, events
        self.interrupts, self.loading, self.nodes = interrupts, loading, nodes
        saver = Saver(folder.checkpoints, recipe.training.keep, group)
        self.checkpoints = Checkpointing(saver, recipe.training, events)
        self.kernels: dict[str, str] = {}
        self.memory = StageMemory(folder.path)
        self.quality: TokenizerQuality | None = None  # of the tokenizer at the last samples

    def train(self, prepared: Prepared, until: int | None) -> None:
        """Train all stages from the run's position on, or ``until`` steps of the run; at least one stage is begun."""
        names, stored = self.folder.stages, prepared.stored
        for name in names[names.index(prepared.position.stage) :]:
            if prepared.position.stage != name:
                prepared.position = evolve(prepared.position, stage=name, step=0, taken={}, skipped_in_a_row=0)
            last, total = self.recipe.stages[name].last, prepared.position.total
            begun = stored is not None and stored.position.stage == name
            if begun or (until is not None and total + last > until) or not self._take(name, prepared):
                steps = last if until is None else min(last, prepared.position.step + until - total)
                self._train_stage(self._begin(name, prepared, resumes=begun), prepared, steps)
            if until is not None and prepared.position.total >= until:
                break

    def _take(self, name: str, prepared: Prepared) -> bool:
        """Take a finished stage from the store, as if it had been trained; whether the store has it."""
        nodes, model = self.nodes, prepared.model
        if nodes is None:
            return False
        facts = self.group.on_main(lambda: nodes.take(name, model))
        if facts is None:
            return False
        self.group.broadcast(list(tensors_of(model).values()))
        prepared.position = after(prepared.position, facts)
        if facts.attention:
            self.kernels[name] = facts.attention
        self.events.say(f"stage {name}: taken from {facts.origin or 'the store'}")
        self._record_taken(name, facts.origin)
        return True

    def _record_taken(self, name: str, origin: str | None) -> None:
        """Store in ``run.json`` where a stage was taken from; None for one that is trained here."""
        before = self.folder.facts.get("taken", {})
        taken = {stage: where for stage, where in before.items() if stage != name}
        taken |= {} if origin is None else {name: origin}
        if taken != before:
            self.group.on_main(lambda: self.folder.record("taken", taken))

    def _begin(self, name: str, prepared: Prepared, *, resumes: bool) -> StageRun:
        """A stage at the run's position, ready to be trained."""
        position, model, stored = prepared.position, prepared.model, prepared.stored
        if self.nodes is not None and not resumes:
            self.group.on_main(lambda: self.memory.begin(position, model))
            self._record_taken(name, None)  # it may have been taken before the run was killed
        seeds = self.folder.seeds(self.recipe).stage(name)
        run = StageRun(self.recipe.stages[name], model, position, seeds, self.group, prepared.mesh)
        if resumes and stored is not None:
            self.group.run_everywhere(lambda: run.restore(stored))
        return run

    def _train_stage(self, run: StageRun, prepared: Prepared, until: int) -> None:
        """Train a stage to step ``until``, and finish it where that is its last."""
        stage = run.stage
        self.events.stage(stage.name, run.position.step, stage.last)
        if run.alone:
            self.events.say(f"{stage.name}: its objective cannot be divided, so the first process trains alone")
        self.checkpoints.begin(run)
        self._stop_if_asked(run)
        if run.alone and not self.group.main:
            for _ in range(run.position.step, until):
                self._stop_if_asked(run)
        else:
            self._train_steps(run, prepared, until)
        if run.alone:
            run.copy_from_main()
        every = stage.sample_every or (stage.last + 1 if run.objective.measures_tokenizer else 0)
        if every and run.position.step % every:
            self._write_samples(run, prepared)
        self.checkpoints.finish(run)
        if run.position.step == stage.last:
            self._report_tokenizer(stage.name)
            run.finish()
            self._save_adapters(stage, run.learned)
            self._keep(run)
        else:  # the run ends before the stage does
            run.model, _ = run.whole()
            self._save_adapters(stage, merge(run.model))
        prepared.model, prepared.position = run.model, run.position

    def _keep(self, run: StageRun) -> None:
        """Store a finished stage."""
        nodes, name = self.nodes, run.stage.name
        if nodes is None:
            return

        def keep() -> None:
            changes = self.memory.changes(run.position, run.model, self.kernels.get(name, ""))
            if changes is None:
                self.events.say(f"stage {name}: not stored, since the run does not know how the stage began")
            else:
                nodes.keep(name, run.model, *changes)

        self.group.on_main(keep)

    def _train_steps(self, run: StageRun, prepared: Prepared, until: int) -> None:
        stage = run.stage
        if run.attention is not None:
            if run.attention.reason:
                self.events.say(f"attention in {stage.name}: {run.attention.name}, {run.attention.reason}")
            self.kernels[stage.name] = run.attention.name
        entries = train_steps(run, prepared.sources, until, loading=self.loading, events=self.events)
        with closing(entries):
            for entry in entries:
                self.events.step()
                if entry is not None:
                    self.checkpoints.entry(entry)
                    self.events.entry(entry)
                self.checkpoints.after_step(run)
                if stage.sample_every and run.position.step % stage.sample_every == 0:
                    self._write_samples(run, prepared)
                self._stop_if_asked(run)

    def _stop_if_asked(self, run: StageRun) -> None:
        """Save everything and end the run, on all processes, where a signal has arrived on any."""
        if not self.group.any(self.interrupts.asked):
            return
        self.checkpoints.finish(run)
        self.report_skipped_steps(run.position)
        path = self.folder.path
        if not self.group.main:
            raise SystemExit(RunStoppedError.exit_code)
        raise RunStoppedError(
            Problem(
                f"stopped after step {run.position.step} of {run.stage.name}; everything is saved",
                hint=f"resume with: janiform train {path / 'recipe.toml'} --out {path} --resume",
            )
        )

    def report_skipped_steps(self, position: Position) -> None:
        """Report how many steps of the run changed nothing, and why; nothing where there are none."""
        if not position.skipped:
            return
        causes = {
            "the loss or a gradient was not finite": position.skipped - position.idle,
            "no sample reached a trained parameter": position.idle,
        }
        why = "; ".join(f"in {number:,} of them {cause}" for cause, number in causes.items() if number)
        self.events.say(f"{position.skipped:,} of {position.total:,} steps changed nothing: {why}")

    def _write_samples(self, run: StageRun, prepared: Prepared) -> None:
        if run.alone and not self.group.main:
            return
        model, objective = run.whole()
        if self.group.main:
            examples_of = {name: prepared.sources[name] for name in run.mixture.sources}
            samples = write_samples(
                objective, model, examples_of, self.folder.path / "samples", run.position, self.events.say
            )
            if samples is not None:
                self.quality = samples.tokenizer
                self.events.samples(samples, run.stage.name, run.position.total)

    def _report_tokenizer(self, stage: str) -> None:
        """Report that the tokenizer is not ready for the next stage, if this stage has trained one and it is not."""
        quality, self.quality = self.quality, None
        if quality is not None and (sentence := not_ready(stage, quality, read_log(self.folder.path / "log.jsonl"))):
            self.events.say(f"{stage}: {sentence}")

    def _save_adapters(self, stage: Stage, learned: Mapping[str, Learned]) -> None:
        """Write the low-rank adapters that were just merged, and name those that learned nothing."""
        lora = stage.lora
        if lora is None or not learned:
            return
        if idle := [path for path, adapter in learned.items() if not adapter.b.any()]:
            self.events.say(
                f"{stage.name}: no sample went through these layers, so their adapters are zero: {listed(idle)}"
            )
        folder = self.folder.path / "adapters" / stage.name
        self.group.on_main(lambda: save_adapters(learned, lora, self.recipe.start.get(WHOLE, ""), folder))

    def save(self, prepared: Prepared) -> Path:
        """Write the model of the last stage, with its provenance, into the run's folder."""
        model, position = prepared.model, prepared.position
        facts: dict[str, Any] = {
            "seed": self.recipe.training.seed,
            "data_seed": self.recipe.training.seed_of_data,
            "stages": list(self.folder.stages),
            "stage": position.stage,
            "step": position.step,
            "steps_in_all": position.total,
            "skipped_steps": position.skipped,
            "idle_steps": position.idle,
            "samples": position.positions,
            "seconds": round(position.seconds, 1),
            "attention": self.kernels,
            "processes": self.group.size,
            "data": provenance.data_digests(prepared.sources),
        }
        return self.group.on_main(
            lambda: save_model(model, self.folder.path, dtype=torch.bfloat16, facts=self.folder.facts | facts)
        )
