"""One run of a study: a cell with a seed, trained by way of nodes and evaluated in the same process.

It does what is missing: a run that was stopped is resumed, one that is trained is evaluated, one that is done is left.
"""

from __future__ import annotations

import os
import platform
import shutil
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from attrs import asdict, evolve

from .. import __version__
from ..errors import JaniformError, UsageError
from ..evaluate.benchmarks import build_benchmark
from ..evaluate.records import write_items
from ..evaluate.runner import Evaluation, evaluate
from ..inference.load import load
from ..measure.device import usable_device
from ..recipe import Recipe
from ..recipe.write import plain_settings
from ..storage.json_files import write_json
from ..train.progress.reporter import Reporter
from ..train.run.interrupts import RunStoppedError
from ..train.run.train import train
from .folder import design_digest, evaluation_digest
from .keys import StageKey
from .prepare import PreparedStudy
from .run_keys import keys_of_run
from .run_place import RunPlace, Status
from .shown import write_shown
from .stages import StudyNodes


def run_cell(
    prepared: PreparedStudy,
    cell: str,
    seed: int,
    *,
    device: str | None = None,
    reuse: Sequence[Path] = (),
    strict: bool = False,
    reporter: Reporter | None = None,
) -> Status:
    """Bring a run to its end, and return its status.

    Args:
        reuse: folders of other studies, in which finished stages are looked for as well.
        strict: refuse stages that were trained by other versions or on another kind of processor.
        reporter: shows progress; by default on standard error.

    Raises:
        UsageError: another process works on the run.
        JaniformError: it failed; the reason is in its status.
        RunStoppedError: it was stopped, with everything saved.
    """
    place = prepared.folder.place(cell, seed)
    with place.claim() as claimed:
        if not claimed:
            raise UsageError(f"another process works on {place.path}")
        before = place.status()
        if before.state == "done" and before.evaluation == evaluation_digest(prepared.study):
            return before
        return _RunInProgress(prepared, place, usable(device), reuse, strict, reporter, before).to_end()


def usable(device: str | None) -> torch.device:
    """The device that runs of a study compute on: as named, or a GPU where there is one."""
    return usable_device(device or ("cuda" if torch.cuda.is_available() else "cpu"))


def seeded(recipe: Recipe, seed: int) -> Recipe:
    """The recipe of a run: a seed of a study decides first weights, training and the order of the data."""
    return evolve(recipe, training=evolve(recipe.training, seed=seed, data_seed=seed))


def beside(device: torch.device) -> dict[str, Any]:
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


class _RunInProgress:
    """The work of one process on one run."""

    def __init__(
        self,
        prepared: PreparedStudy,
        place: RunPlace,
        device: torch.device,
        reuse: Sequence[Path],
        strict: bool,
        reporter: Reporter | None,
        before: Status,
    ) -> None:
        self.prepared, self.study, self.place = prepared, prepared.study, place
        self.cell = prepared.study.cell(place.cell)
        self.device, self.reuse, self.strict, self.reporter = device, reuse, strict, reporter or Reporter()
        self.status = Status(
            state="running",
            stages=before.stages,
            design=design_digest(self.cell),
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
        shutil.rmtree(self.place.run / "checkpoints", ignore_errors=True)  # nodes have the weights in float32
        return self.status

    def _set(self, status: Status) -> None:
        self.status = status
        self.place.set(status)

    def _end(self, state: Any, reason: str, seconds: float) -> None:
        status = evolve(self.status, state=state, reason=reason, seconds=round(seconds, 1), ended=time.time())
        self._set(evolve(status, evaluation=evaluation_digest(self.study) if state == "done" else ""))

    def _train(self) -> None:
        recipe = seeded(self.cell.recipe, self.place.seed)
        nodes = StudyNodes(
            keys=keys_of_run(self.prepared, self.cell, self.device).of_seed(self.place.seed),
            stores=[self.prepared.folder.nodes, *(folder / "nodes" for folder in self.reuse)],
            beside=beside(self.device),
            strict=self.strict,
            waiting=lambda stage: self._set(evolve(self.status, state="waiting", reason=f"for the stage {stage}")),
            began=lambda stage, how: self._set(
                evolve(self.status, state="running", reason="", stages={**self.status.stages, stage: how})
            ),
            say=self.reporter.say,
        )
        self._write_keys(nodes.keys)
        with closing(nodes):
            train(
                recipe,
                self.place.run,
                resume=(self.place.run / "run.json").is_file(),
                device=self.device,
                reporter=self.reporter,
                nodes=nodes,
                tokenizer=self.prepared.tokenizers.get(self.cell.name),
            )

    def _write_keys(self, keys: Mapping[str, StageKey]) -> None:
        content = {name: {"key": key.digest, "content": key.content} for name, key in keys.items()}
        write_json(self.place.path / "keys.json", content)

    def _evaluate(self) -> None:
        self._set(evolve(self.status, state="running", reason="evaluating"))
        model = load(self.place.run, device=self.device)
        evaluations: dict[str, Evaluation] = {}
        for name, use in self.study.evaluations.items():
            benchmark = build_benchmark(use.component, plain_settings(use.config))
            evaluations[name] = evaluate(model, benchmark, lambda *_: None)
            write_shown(self.place.path / "shown", name, model, benchmark)
        several = len(evaluations) > 1
        named = {f"{name}." if several else "": evaluation for name, evaluation in evaluations.items()}
        content: dict[str, Any] = {
            "scores": {
                f"{at}{metric}": asdict(score) for at, one in named.items() for metric, score in one.scores.items()
            },
            "metrics": {
                f"{at}{metric}": asdict(how) for at, one in named.items() for metric, how in one.metrics.items()
            },
            "settings": {name: dict(evaluation.settings) for name, evaluation in evaluations.items()},
        }
        items = [evolve(item, metric=f"{at}{item.metric}") for at, one in named.items() for item in one.items]
        write_items(self.place.items, items)
        write_json(self.place.scores, content)  # last: it says that the evaluation is done
