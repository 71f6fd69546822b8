"""The evaluation of a model with a benchmark: held-out losses, drawings, answers, judgements and scores."""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from attrs import frozen

from .. import __version__
from ..contracts import Benchmark, Item, Metric, Progress, Score
from ..errors import UsageError
from ..inference.generate.sampler import sampler_use
from ..storage.atomic import explained, locked
from ..train.distributed.process_group import ALONE, ProcessGroup
from .checked import CheckedBenchmark
from .digests import weights_digest
from .intervals import mean_score
from .losses import LOSS_METRICS
from .outputs import OutputMaker
from .requests import ServedRequests
from .steps import EvaluationSteps
from .store import OutputStore, prepare

if TYPE_CHECKING:
    from ..inference.api import Model


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
        lasts = store is not None
        if store is None and processes.size > 1:
            temporary = stack.enter_context(tempfile.TemporaryDirectory()) if processes.main else ""
            store = Path(processes.from_main(temporary))
        kept = None if store is None else _opened(store, model, checked, settings, processes, stack)
        maker = OutputMaker(model, served, kept, pictures, lasts=lasts)
        steps = EvaluationSteps(maker, checked, progress, processes)
        resumed = steps.check()
        # Losses come first: they take little time, and find references that do not fit.
        losses = steps.losses()
        items = steps.judged()
        processes.on_main(lambda: steps.check_judged(allow_failures=allow_failures))
        scores = processes.on_main(lambda: checked.aggregate(items))
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
        **_sampler(model),
        "seconds": round(time.perf_counter() - began, 1),
        **settings,
        **_request_settings(model, served),
        **({"left_out": served.left_out} if served.left_out else {}),
        **({"resumed": resumed} if resumed else {}),
        **({"not_judged": len(steps.judging.failures)} if steps.judging.failures else {}),
        **({"processes": processes.size} if processes.size > 1 else {}),
        "janiform": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    return Evaluation(scores, (*items, *losses), {name: metrics[name] for name in scores}, facts)


def uninformative(score: Score, metric: Metric) -> str:
    """Why a score tells nothing of the model: it is at "chance" or at the "floor"; empty where it tells something.

    A score is there if its interval contains the value for random answers, or zero where that is not known. Nothing is
    known of metrics that should not go up.
    """
    if metric.direction != "up":
        return ""
    low, high = (score.value if limit is None else limit for limit in (score.low, score.high))
    bound = metric.chance or 0.0
    return ("chance" if bound else "floor") if low <= bound <= high else ""


def _opened(
    folder: Path,
    model: Model,
    benchmark: CheckedBenchmark,
    settings: Mapping[str, Any],
    processes: ProcessGroup,
    stack: ExitStack,
) -> OutputStore:
    """The store of this process, which the first one creates or checks, and locks until the stack ends."""
    facts = {
        "benchmark": benchmark.name,
        "settings": settings,
        "weights_sha256": weights_digest(model),
        "dtype": str(next(model.model.parameters()).dtype).removeprefix("torch."),
        "quantize": model.quantize or "",
        "attention": model.attention.name,
        **_sampler(model),
    }

    def prepared() -> None:
        with explained("write", folder):
            folder.mkdir(parents=True, exist_ok=True)
        if not stack.enter_context(locked(folder)):
            raise UsageError(f"another evaluation writes to the store {folder}: wait for it, or name another folder")
        prepare(folder, facts)

    processes.on_main(prepared)
    return OutputStore(folder, processes.rank)


def _sampler(model: Model) -> dict[str, str]:
    """The component by which the model draws, under its key; nothing for a model that does not draw."""
    plan = model.model.plan
    drawing = [name for name, shape in plan.pathways.items() if shape.mode == "draw"]
    return {"sampler": sampler_use(plan, drawing[0]).component.reference} if drawing else {}


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
