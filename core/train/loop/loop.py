"""The training loop: forward, backward and update, step after step."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Mapping
from typing import Any

from attrs import evolve, frozen

from ...contracts import Source
from ...model.auxiliary import auxiliary_losses
from ..data.builder import BatchBuilder
from ..data.specs import batch_specs
from ..data.steps import Step, steps
from ..progress.events import Events
from ..progress.log import LogEntry
from .bad_samples import bad_samples, explain
from .losses import StepLosses, TrainingError
from .metrics import StepMetrics
from .optim import clip_gradients, skip_where
from .precision import arithmetic
from .stage import StageRun
from .throughput import Throughput

MAX_SKIPPED_STEPS = 20
"""Steps in a row without a finite loss and gradient after which a run ends."""


@frozen
class Loading:
    """How batches are loaded: ``workers`` processes prepare up to ``ahead`` of them; 0 loads each when it is needed.

    ``strict``: a sample that cannot be used is an error, instead of being replaced.
    """

    ahead: int = 0
    workers: int = 1
    strict: bool = False


def train_steps(
    run: StageRun,
    sources: Mapping[str, Source],
    until: int,
    *,
    loading: Loading = Loading(),
    events: Events | None = None,
) -> Generator[LogEntry | None]:
    """Train a stage up to step ``until``. Yields after each step: an entry for the log where one is due, else None.

    Raises:
        DataError: a source or the preparation of samples failed.
        TrainingError: loss or gradient was not finite in too many steps in a row.
        RecipeError: a weight of the stage belongs to no loss.
    """
    events = events or Events()
    device, parameters = run.model.device, list(run.trained.values())
    builder = BatchBuilder(sources, run.objective, run.seeds.batches, strict=loading.strict)
    throughput = Throughput.of(run.model, run.trained, arithmetic(run.stage.precision, device))
    metrics = StepMetrics(throughput, run.group)
    before, began = run.position.seconds, time.perf_counter()
    with contextlib.closing(_steps(run, builder, until, loading)) as data:
        for step in data:
            events.skipped_samples(run.position.total + 1, step.skipped)
            metrics.read(step.batches)
            learning_rate = run.set_learning_rate()
            step_losses = StepLosses(run.weights, step.counts, device, run.group)
            # The backward pass recomputes blocks under checkpointing, so it needs the kernel too.
            with run.model.attending(run.attention):
                for number, batch in enumerate(step.batches, start=1):
                    with run.autocast():
                        loss, sums, figures = run.forward(to_device(batch, device), step.counts)
                    if run.sharded is not None:
                        run.sharded.before_backward(last=number == len(step.batches))
                    if loss.requires_grad:  # else none of the samples reaches a trained parameter
                        loss.backward()
                    step_losses.add(sums, figures)
                    auxiliary_losses(run.model)  # those that the objective did not ask for would hold their graphs
            if run.sharded is not None:
                run.sharded.sum_loose_gradients()
            losses, figures, minimised = step_losses.finish()
            clipped = clip_gradients(parameters, minimised, run.stage.clip)
            for optimizer in run.optimizers:
                skip_where(clipped.skipped, optimizer)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            if run.average is not None:
                run.average.update(step.number, clipped.skipped)
            metrics.add(losses, figures, clipped, samples=run.stage.batch, waited=step.waited)
            run.skipped_steps.add(clipped)
            run.advance(step.taken, before + time.perf_counter() - began)
            logged = run.position.step % run.stage.log_every == 0 or run.position.step == until
            if logged or device.type == "cpu":
                # On a GPU the host may run ahead until the next log line; on the CPU reading costs nothing.
                _check_finite(run, step, evolve(builder, strict=True))
            yield _entry(run, metrics, learning_rate) if logged else None


def _steps(run: StageRun, builder: BatchBuilder, until: int, loading: Loading) -> Generator[Step]:
    position, stage = run.position, run.stage
    before = {name: count - position.taken.get(name, 0) for name, count in position.positions.items()}
    begin = run.seeds.first(builder.sources, run.mixture.sources, before)
    specs = batch_specs(run.mixture, stage.batch, range(position.step, until), position.taken, begin)
    return steps(
        builder,
        specs,
        batch=stage.batch,
        micro_batch=stage.micro_batch,
        group=run.group,
        ahead=loading.ahead,
        workers=loading.workers,
        pin=run.model.device.type == "cuda",
    )


def _entry(run: StageRun, metrics: StepMetrics, learning_rate: float) -> LogEntry:
    entry = metrics.entry(run.position, run.stage.last, learning_rate)
    run.skipped_steps.reset()
    run.count_skipped_steps()
    return entry


def _check_finite(run: StageRun, step: Step, builder: BatchBuilder) -> None:
    """Raise ``TrainingError`` after too many steps in a row that are not finite, with the samples that cause them."""
    if int(run.skipped_steps.longest.item()) < MAX_SKIPPED_STEPS:
        return
    model, objective = run.whole()
    with run.autocast():
        bad = bad_samples(step.specs, builder, lambda batch: objective.losses(to_device(batch, model.device))[0])
    samples = [sample for spec in step.specs for sample in spec.samples]
    of_all = run.group.gather((samples, bad))
    cause = explain([one for some, _ in of_all for one in some], [one for _, some in of_all for one in some])
    raise TrainingError(
        f"stage '{run.stage.name}': the loss or a gradient was not finite in {MAX_SKIPPED_STEPS} steps in a row, up to "
        f"step {run.position.step}; these steps changed nothing. {cause}. A lower learning_rate, a longer warmup or "
        'precision = "float32" may help'
    )


def to_device(batch: Any, device: Any) -> Any:
    """Move a batch: a tensor, anything else with ``to``, or a dict, list or tuple of these."""
    if hasattr(batch, "to"):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, list | tuple):
        return type(batch)(to_device(value, device) for value in batch)
    return batch
