"""The evaluation of a model with a benchmark: held-out losses, drawings, answers, judgements and scores."""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from attrs import evolve, frozen

from .. import __version__
from ..contracts import Benchmark, Item, Metric, OnStep, Progress, Score
from ..errors import ComponentError, Problem
from ..train.distributed.process_group import ALONE, ProcessGroup
from .checked import CheckedBenchmark, JudgeError
from .digests import weights_digest
from .intervals import mean_score
from .losses import LOSS_METRICS, LOSSES, ROWS, held_out_losses
from .outputs import OutputMaker
from .requests import Round, ServedRequests
from .store import OutputStore, StoredLoss, prepare, shortened

if TYPE_CHECKING:
    from ..inference.api import Model
    from .outputs import Output


@frozen(eq=False)
class Evaluation:
    """The result of an evaluation. ``metrics`` are those of the scores, in their order; ``settings`` fit into JSON."""

    scores: Mapping[str, Score]
    items: tuple[Item, ...]
    metrics: Mapping[str, Metric]
    settings: Mapping[str, Any]


def evaluate(
    model: Model,
    benchmark: Benchmark,
    progress: Progress,
    *,
    pictures: Path | None = None,
    store: Path | None = None,
    processes: ProcessGroup = ALONE,
    allow_failures: bool = False,
) -> Evaluation:
    """Evaluate a model: measure held-out losses, draw, ask, judge and aggregate.

    Requests that the model has no pathway for are left out, and counted in the settings. The model is in evaluation
    mode meanwhile, and no gradients are computed.

    Args:
        pictures: a folder for the drawings; the predictions of their items are then the files' paths, relative to the
            folder that holds it.
        store: a folder where every output is written as it comes. Where it has outputs of the same model, settings
            and data, they are not computed again. Without ``pictures``, drawings are in its folder ``pictures``.
        processes: those that evaluate together; each computes a part, and the first judges. All return the result.
            Without a store they share a temporary folder, and must run on one machine.
        allow_failures: where ``judge`` fails for some outputs, score the others and count the failures in the
            settings, instead of raising an error after all have been judged.

    Raises:
        ComponentError: the benchmark fails, or breaks its contract.
        UsageError: the model can serve none of the requests, one of them does not fit into its context, or the store
            is of another evaluation.
        StorageError: the store is damaged.
        ResourceError: not even one request fits into the free memory.
    """
    began = time.perf_counter()
    checked = CheckedBenchmark(benchmark)
    settings = checked.settings()
    served = ServedRequests(model, checked.requests())
    with ExitStack() as stack, _evaluating(model):
        if store is None and processes.size > 1:
            temporary = stack.enter_context(tempfile.TemporaryDirectory()) if processes.main else ""
            store = Path(processes.from_main(temporary))
        kept = None if store is None else _opened(store, model, checked, settings, processes)
        run = _Run(OutputMaker(model, served, kept, pictures), checked, progress, processes)
        resumed = run.check()
        # Losses come first: they take little time, and find references that do not fit.
        losses = run.losses()
        items = run.judged()
        scores = processes.on_main(lambda: checked.aggregate(run.accepted(items, store, allow_failures)))
        settings = processes.on_main(checked.settings)  # those of a judge may count its calls
    for name in LOSS_METRICS:
        if members := [item for item in losses if item.metric == name]:
            scores[name] = mean_score(members)
    metrics = checked.metrics | LOSS_METRICS
    facts = {
        "model": model.name,
        "weights_sha256": model.digest,
        "device": str(model.model.device),
        "quantize": model.quantize or "",
        "attention": model.attention.name,
        "seconds": round(time.perf_counter() - began, 1),
        **settings,
        **_request_settings(model, served),
        **({"left_out": served.left_out} if served.left_out else {}),
        **({"resumed": resumed} if resumed else {}),
        **({"not_judged": len(run.failures)} if run.failures else {}),
        **({"processes": processes.size} if processes.size > 1 else {}),
        "janiform": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    return Evaluation(scores, (*items, *losses), {name: metrics[name] for name in scores}, facts)


def uninformative(score: Score, metric: Metric) -> str:
    """Why a score tells nothing of the model: it is at "chance" or at the "floor"; empty where it tells something.

    A score is there if its interval contains the value for random answers, or zero where that is not known. Nothing is
    known of metrics that should go down.
    """
    if metric.direction == "down":
        return ""
    low, high = (score.value if limit is None else limit for limit in (score.low, score.high))
    bound = metric.chance or 0.0
    return ("chance" if bound else "floor") if low <= bound <= high else ""


class _Run:
    """The steps of one evaluation, on each of the processes."""

    def __init__(
        self, maker: OutputMaker, benchmark: CheckedBenchmark, progress: Progress, processes: ProcessGroup
    ) -> None:
        self.maker, self.benchmark, self.processes = maker, benchmark, processes
        self.served, self.store = maker.served, maker.store
        self.progress: Progress = progress if processes.main else lambda activity, done, of: None
        self.failures: list[tuple[str, str]] = []
        self._done = 0

    def check(self) -> int:
        """The number of stored outputs, all of which must be of the requests."""
        store = self.store
        if store is None:
            return 0

        def check() -> None:
            entries = self.served.entries
            stored = [entry for entry in entries if entry.item in store.outputs]
            forced = [entry for entry in entries if entry.item in store.losses]
            outputs, losses = {}, {}
            for done, entry in enumerate(stored, start=1):
                outputs[entry.item] = self.maker.digest(entry)
                self.progress("checking the store", done, len(stored) + len(forced))
            for done, entry in enumerate(forced, start=1):
                losses[entry.item] = self.maker.digest(entry, forced=True)
                self.progress("checking the store", len(stored) + done, len(stored) + len(forced))
            store.check(outputs, losses)

        self.processes.on_main(check)
        return len(store.outputs)

    def losses(self) -> list[Item]:
        """The held-out losses of all requests that have a reference, those of drawings first."""
        rounds = self.served.referenced(ROWS)
        mine = [part for part in self._own(rounds) if not self._stored_losses(part)]
        total, done, measured = sum(len(part.entries) for part in mine), 0, list[Item]()

        def work() -> list[Item]:
            nonlocal done
            for part in mine:
                measured.extend(self._losses(part))
                done += len(part.entries)
                self.progress("measuring losses", done, total)
            return measured

        everywhere = {item.item: item for items in self.processes.run_everywhere(work) for item in items}
        return [
            everywhere[entry.item] if entry.item in everywhere else self._stored_loss(part, entry.item, entry.cluster)
            for part in rounds
            for entry in part.entries
        ]

    def judged(self) -> list[Item]:
        """The items of all requests, in their order."""
        rounds = self.served.rounds(self.processes.size)
        items: dict[int, list[Item]] = {}
        if self.processes.size == 1:
            for part, on_step in self._steps(rounds):
                items |= self._judged(part, self.maker.compute(part, on_step))
        else:
            self.processes.run_everywhere(lambda: self._compute(self._own(rounds)))
            if self.store is not None and self.processes.main:
                self.store.read()
            # Every round is an exchange, so that no process waits longer than a round takes to judge.
            for part in rounds:
                judged, self.failures = self.processes.on_main(partial(self._judged_here, part))
                items |= judged
        return [item for number in sorted(items) for item in items[number]]

    def accepted(self, items: list[Item], store: Path | None, allow_failures: bool) -> list[Item]:
        """The items. Raises ``ComponentError`` where outputs were not judged, unless that is allowed."""
        if not self.failures or (allow_failures and items):
            return items
        names = [name for name, _ in self.failures]
        kept = "" if store is None else f"the outputs are kept in {store}: evaluate again with it; "
        raise ComponentError(
            [
                Problem(self.failures[0][1]),
                Problem(
                    f"{len(names)} of {self._done} outputs were not judged: {shortened(names)}",
                    hint=kept + "or allow failures, and the others are scored",
                ),
            ]
        )

    def _own(self, rounds: list[Round]) -> list[Round]:
        return rounds[self.processes.rank :: self.processes.size]

    def _compute(self, rounds: list[Round]) -> None:
        for part, on_step in self._steps(rounds):
            self.maker.compute(part, on_step)

    def _steps(self, rounds: list[Round]) -> Iterator[tuple[Round, OnStep]]:
        """The rounds, each with the progress over all rounds of its kind."""
        totals = {draws: sum(len(part.entries) for part in rounds if part.draws == draws) for draws in (True, False)}
        done = {True: 0, False: 0}
        for part in rounds:
            activity = "drawing" if part.draws else "asking"
            count = len(part.entries)
            yield part, _overall(self.progress, activity, done[part.draws], count, totals[part.draws])
            done[part.draws] += count

    def _judged_here(self, part: Round) -> tuple[dict[int, list[Item]], list[tuple[str, str]]]:
        return self._judged(part, {}), self.failures

    def _judged(self, part: Round, computed: dict[str, Output]) -> dict[int, list[Item]]:
        """The items of a round by the numbers of their requests."""
        # Drawings are written before any is judged, since a judge may fail after hours of drawing.
        files = self.maker.write(part, computed)
        items: dict[int, list[Item]] = {}
        for entry in part.entries:
            request, output = self.served.own(entry), self.maker.output(entry, computed)
            try:
                judged = self.benchmark.judge(request, output)
            except JudgeError as error:
                self.failures.append((entry.item, str(error)))
                judged = []
            if entry.item in files:
                judged = [evolve(item, prediction=files[entry.item]) for item in judged]
            items[entry.number] = judged
            self._done += 1
            self.progress("judging", self._done, len(self.served.entries))
        return items

    def _losses(self, part: Round) -> list[Item]:
        with self.maker.sharing(part):
            requests = [self.served.aimed(entry) for entry in part.entries]
            items = held_out_losses(self.maker.model, requests, lambda done, of: None)
        if self.store is not None:
            digests = [self.maker.digest(entry, forced=True) for entry in part.entries]
            self.store.add_losses(
                StoredLoss(item.item, digest, item.value) for item, digest in zip(items, digests, strict=True)
            )
        return items

    def _stored_losses(self, part: Round) -> bool:
        return self.store is not None and all(entry.item in self.store.losses for entry in part.entries)

    def _stored_loss(self, part: Round, item: str, cluster: str) -> Item:
        assert self.store is not None
        return Item(LOSSES[part.draws], item, cluster, self.store.losses[item].value)


def _opened(
    folder: Path, model: Model, benchmark: CheckedBenchmark, settings: Mapping[str, Any], processes: ProcessGroup
) -> OutputStore:
    """The store of this process, which the first one creates or checks."""
    facts = {
        "benchmark": benchmark.name,
        "settings": settings,
        "weights_sha256": weights_digest(model),
        "dtype": str(next(model.model.parameters()).dtype).removeprefix("torch."),
        "quantize": model.quantize or "",
        "attention": model.attention.name,
    }
    processes.on_main(lambda: prepare(folder, facts))
    return OutputStore(folder, processes.rank)


def _overall(progress: Progress, activity: str, first: int, count: int, total: int) -> OnStep:
    """Progress over all ``total`` requests, from that of a call with up to ``count``, before which were ``first``."""
    return lambda done, of: progress(activity, first * of // count + done, max(total * of // count, done))


def _request_settings(model: Model, served: ServedRequests) -> dict[str, Any]:
    """The settings that drawings and answers have in common; those of the sampler are the model's where not given."""
    facts: dict[str, Any] = {}
    for draws in (True, False):
        each = [dict(served.own(group[0]).settings) for group in served.groups(draws)]
        each = [model.drawing_settings(**settings) for settings in each] if draws else each
        if len(each) == 1:
            facts |= {name: value for name, value in each[0].items() if value is not None}
        elif each:
            facts["drawing_settings" if draws else "answer_settings"] = each
    return facts


@contextmanager
def _evaluating(model: Model) -> Iterator[None]:
    """Evaluation mode without gradients; the modes of all modules are restored."""
    modes = {module: module.training for module in model.model.modules()}
    model.model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes.items():
            module.training = training
