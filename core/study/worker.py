"""One run of a study: a cell with a seed, trained by way of nodes and evaluated in the same process.

It does what is missing: a run that was stopped is resumed, one that is trained is evaluated, one that is done is left.
"""

from __future__ import annotations

import os
import platform
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from attrs import asdict, evolve

from .. import __version__
from ..compose import compose
from ..errors import JaniformError, Problem, StorageError, UsageError
from ..evaluate.benchmarks import build_benchmark
from ..evaluate.runner import Evaluation, evaluate
from ..inference.api import load
from ..measure.device import usable_device
from ..model.modules import build_modules
from ..recipe import Recipe
from ..recipe.write import plain_settings
from ..storage.atomic import text_writer, write_files
from ..storage.digest import file_digest
from ..storage.json_files import json_writer
from ..train.data.contents import contents_of
from ..train.data.sources import open_sources
from ..train.loop.precision import arithmetic
from ..train.progress.reporter import Reporter
from ..train.run.interrupts import RunStoppedError
from ..train.run.start_checks import start_digests
from ..train.run.train import train
from .folder import RunPlace, Status, StudyFolder, design_digest
from .items import write_items
from .keys import Inputs, StageKey, digest_of, stage_keys
from .shown import write_shown
from .stages import StudyNodes
from .study import Cell, Study


def run_cell(
    study: Study,
    folder: StudyFolder,
    cell: Cell,
    seed: int,
    *,
    device: str | None = None,
    reuse: Sequence[Path] = (),
    strict: bool = False,
    reporter: Reporter | None = None,
) -> Status:
    """Bring a run to its end, and return its status.

    Args:
        reuse: folders with nodes of other studies, in which finished stages are looked for as well.
        strict: refuse nodes that were trained by other versions or on another kind of processor.
        reporter: shows progress; by default on standard error.

    Raises:
        UsageError: another process works on the run.
        JaniformError: it failed; the reason is in its status.
        RunStoppedError: it was stopped, with everything saved.
    """
    place = folder.place(cell.name, seed)
    with place.claim() as claimed:
        if not claimed:
            raise UsageError(f"another process works on {place.path}")
        before = place.status()
        if before.state == "done" and before.evaluation == evaluation_digest(study):
            return before
        run = _Run(study, folder, cell, place, device, reuse, strict, reporter, before)
        return run.to_end()


def seeded(recipe: Recipe, seed: int) -> Recipe:
    """The recipe of a run: a seed of a study decides first weights, training and the order of the data."""
    return evolve(recipe, training=evolve(recipe.training, seed=seed, data_seed=seed))


def evaluation_digest(study: Study) -> str:
    """The digest of all settings of a study's evaluations."""
    uses = {name: [use.reference, plain_settings(use.config)] for name, use in study.evaluations.items()}
    return digest_of(uses)


def keys_of(recipe: Recipe, tokenizer: str, device: torch.device) -> dict[str, StageKey]:
    """The keys of a run's stages. ``tokenizer``: SHA-256 of its text tokenizer."""
    plan = compose(recipe)
    modules = build_modules(plan, device="meta")
    names = [f"{path}.{name}" for path, module in modules.items() for name, _ in module.named_parameters()]
    stages = recipe.training.stages or tuple(recipe.stages)
    sources = open_sources(recipe, [name for stage in stages for name in recipe.stages[stage].sources])
    inputs = Inputs(
        seed=recipe.training.seed,
        data_seed=recipe.training.seed_of_data,
        tokenizer=tokenizer,
        contents=contents_of(sources),
        started=start_digests(plan, modules, recipe.start),
        precisions={name: str(arithmetic(recipe.stages[name].precision, device)) for name in stages},
    )
    return stage_keys(plan, stages, names, inputs)


def beside(recipe: Recipe, device: torch.device) -> dict[str, Any]:
    """What may change rounding, and is recorded beside the keys: versions, processor, threads."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "janiform": __version__,
        "torch": torch.__version__,
        "device": device.type,
        "processor": name,
        "capability": "" if device.type == "cuda" else torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }


class _Run:
    """The work of one process on one run."""

    def __init__(
        self,
        study: Study,
        folder: StudyFolder,
        cell: Cell,
        place: RunPlace,
        device: str | None,
        reuse: Sequence[Path],
        strict: bool,
        reporter: Reporter | None,
        before: Status,
    ) -> None:
        self.study, self.folder, self.cell, self.place = study, folder, cell, place
        self.device, self.reuse, self.strict, self.reporter = device, reuse, strict, reporter
        self.status = Status(
            state="running",
            stages=before.stages,
            design=design_digest(cell),
            resumes=before.resumes + (before.began > 0),
            seconds=before.seconds,
            began=before.began or time.time(),
            pid=os.getpid(),
        )

    def to_end(self) -> Status:
        began = time.perf_counter()
        spent = self.status.seconds
        try:
            self._set(self.status)
            if not self.place.trained:
                self._train()
            self._evaluate()
        except RunStoppedError:
            self._end("stopped", "stopped by a signal", spent + time.perf_counter() - began)
            raise
        except KeyboardInterrupt:
            self._end("stopped", "interrupted", spent + time.perf_counter() - began)
            raise
        except BaseException as error:
            reason = str(error.problems[0]) if isinstance(error, JaniformError) else f"{type(error).__name__}: {error}"
            traceback.print_exc() if not isinstance(error, JaniformError) else None
            self._end("failed", reason, spent + time.perf_counter() - began)
            raise
        self._end("done", "", spent + time.perf_counter() - began)
        return self.status

    def _set(self, status: Status) -> None:
        self.status = status
        self.place.set(status)

    def _end(self, state: Any, reason: str, seconds: float) -> None:
        status = evolve(self.status, state=state, reason=reason, seconds=round(seconds, 1), ended=time.time())
        self._set(evolve(status, evaluation=evaluation_digest(self.study) if state == "done" else ""))

    def _train(self) -> None:
        recipe = seeded(self.cell.recipe, self.place.seed)
        tokenizer = None if "text" in recipe.start else self.folder.tokenizer
        digest = start_text_digest(recipe) if tokenizer is None else file_digest(tokenizer / "tokenizer.json")
        device = usable_device(self.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        nodes = StudyNodes(
            keys=keys_of(recipe, digest, device),
            stores=[self.folder.nodes, *self.reuse],
            beside=beside(recipe, device),
            strict=self.strict,
            waiting=lambda stage: self._set(evolve(self.status, state="waiting", reason=f"for the stage {stage}")),
            began=lambda stage, how: self._set(
                evolve(self.status, state="running", reason="", stages={**self.status.stages, stage: how})
            ),
        )
        self._write_keys(nodes.keys)
        resume = (self.place.path / "run.json").is_file()
        train(
            recipe,
            self.place.path,
            resume=resume,
            device=device,
            reporter=self.reporter,
            nodes=nodes,
            tokenizer=tokenizer,
        )

    def _write_keys(self, keys: Mapping[str, StageKey]) -> None:
        content = {name: {"key": key.digest, "content": key.content} for name, key in keys.items()}
        write_files(self.place.path, {"keys.json": json_writer(content)})

    def _evaluate(self) -> None:
        self._set(evolve(self.status, state="running", reason="evaluating"))
        model = load(self.place.path, device=self.device or "cpu")
        evaluations: dict[str, Evaluation] = {}
        for name, use in self.study.evaluations.items():
            benchmark = build_benchmark(use.component, plain_settings(use.config))
            evaluations[name] = evaluate(model, benchmark, lambda *_: None)
            write_shown(self.place.path / "shown", name, model, benchmark)
        several = len(evaluations) > 1
        prefix = {name: f"{name}." if several else "" for name in evaluations}
        content = {
            "scores": {
                prefix[name] + metric: asdict(score)
                for name, evaluation in evaluations.items()
                for metric, score in evaluation.scores.items()
            },
            "metrics": {
                prefix[name] + metric: asdict(facts)
                for name, evaluation in evaluations.items()
                for metric, facts in evaluation.metrics.items()
            },
            "settings": {name: dict(evaluation.settings) for name, evaluation in evaluations.items()},
        }
        items = [
            evolve(item, metric=prefix[name] + item.metric)
            for name, evaluation in evaluations.items()
            for item in evaluation.items
        ]
        write_files(
            self.place.path,
            {"items.jsonl": text_writer(write_items(items)), "scores.json": json_writer(content)},
        )


def start_text_digest(recipe: Recipe) -> str:
    """SHA-256 of the text tokenizer that ``[start]`` names."""
    path = Path(recipe.start["text"]) / "tokenizer.json"
    if not path.is_file():
        raise StorageError(Problem(f"there is no file {path}", "start.text", recipe.origins.get("start.text")))
    return file_digest(path)
