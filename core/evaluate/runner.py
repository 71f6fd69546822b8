"""The evaluation of a model with a benchmark: held-out losses, drawings, answers, judgements and scores."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from attrs import evolve, frozen

from .. import __version__
from ..contracts import Benchmark, Item, Metric, OnStep, Progress, Request, Score
from ..errors import UsageError
from ..pictures.provenance import save_picture
from ..sequence.conversation import Look, Turn
from .checked import CheckedBenchmark
from .intervals import mean_score
from .losses import LOSS_METRICS, held_out_losses, most_likely

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..inference.api import Model
    from ..sequence.conversation import Content

    _Outputs = list[tuple[Request, str | Image]]

_AT_ONCE = 4096
"""The most drawings or answers of one call, which bounds the pictures in memory; batches are planned within a call."""


@frozen(eq=False)
class Evaluation:
    """The result of an evaluation. ``metrics`` are those of the scores, in their order; ``settings`` fit into JSON."""

    scores: Mapping[str, Score]
    items: tuple[Item, ...]
    metrics: Mapping[str, Metric]
    settings: Mapping[str, Any]


def evaluate(model: Model, benchmark: Benchmark, progress: Progress, *, pictures: Path | None = None) -> Evaluation:
    """Evaluate a model: measure held-out losses, draw, ask, judge and aggregate.

    Requests that the model has no pathway for are left out, and counted in the settings. ``pictures`` is a folder for
    the drawings; the predictions of their items are then the files' paths, relative to the folder that holds it. The
    model is in evaluation mode meanwhile, and no gradients are computed.

    Raises:
        ComponentError: the benchmark fails, or breaks its contract.
        UsageError: the model can serve none of the requests, or one of them does not fit into its context.
        ResourceError: not even one request fits into the free memory.
    """
    began = time.perf_counter()
    checked = CheckedBenchmark(benchmark)
    settings = checked.settings()
    requests, left_out = _served(model, checked.requests())
    with _evaluating(model):
        # Losses come first: they take little time, and find references that do not fit.
        losses = held_out_losses(model, requests, lambda done, of: progress("measuring losses", done, of))
        judged = _judged(model, checked, requests, progress, pictures)
    scores = checked.aggregate(judged)
    for name in LOSS_METRICS:
        if items := [item for item in losses if item.metric == name]:
            scores[name] = mean_score(items)
    metrics = checked.metrics | LOSS_METRICS
    facts = {
        "model": model.name,
        "weights_sha256": model.digest,
        "device": str(model.model.device),
        "quantize": model.quantize or "",
        "attention": model.attention.name,
        "seconds": round(time.perf_counter() - began, 1),
        **settings,
        **_request_settings(model, requests),
        **({"left_out": left_out} if left_out else {}),
        "janiform": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    return Evaluation(scores, (*judged, *losses), {name: metrics[name] for name in scores}, facts)


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


def _judged(
    model: Model,
    benchmark: CheckedBenchmark,
    requests: Sequence[Request],
    progress: Progress,
    pictures: Path | None,
) -> list[Item]:
    """The items of all requests, in their order."""
    numbers = {request.item: number for number, request in enumerate(requests)}
    items: list[list[Item]] = [[] for _ in requests]
    done = 0
    for outputs in _outputs(model, requests, progress):
        # Drawings are written before any is judged, since a judge may fail after hours of drawing.
        files = {} if pictures is None else _written(pictures, outputs, numbers)
        for request, output in outputs:
            judged = benchmark.judge(request, output)
            if request.item in files:
                judged = [evolve(item, prediction=files[request.item]) for item in judged]
            items[numbers[request.item]] = judged
            done += 1
            progress("judging", done, len(requests))
    return [item for group in items for item in group]


def _written(folder: Path, outputs: _Outputs, numbers: Mapping[str, int]) -> dict[str, str]:
    """Write drawings; return their paths, relative to the folder that holds ``folder``, by the ids of their items."""
    paths = {
        request.item: save_picture(output, folder / _file_name(numbers[request.item], request.item))
        for request, output in outputs
        if not isinstance(output, str)
    }
    return {item: path.relative_to(folder.parent).as_posix() for item, path in paths.items()}


def _outputs(model: Model, requests: Sequence[Request], progress: Progress) -> Iterator[_Outputs]:
    """The requests of each call with their drawings or answers: drawings first, those with the same settings together.

    Calls are as large as possible, so that batches are as large as memory allows.
    """
    for draws in (True, False):
        chosen = [request for request in requests if request.draws == draws]
        done = 0
        for group in _same_settings(chosen):
            for start in range(0, len(group), _AT_ONCE):
                part = group[start : start + _AT_ONCE]
                on_step = _overall(progress, "drawing" if draws else "asking", done, len(part), len(chosen))
                yield list(zip(part, (_drawn if draws else _answered)(model, part, on_step), strict=True))
                done += len(part)


def _drawn(model: Model, requests: Sequence[Request], on_step: OnStep) -> Sequence[str | Image]:
    prompts = [request.conversation.turns[0].text for request in requests]
    seeds = [request.seed for request in requests]
    return model.generate(prompts, seed=seeds, on_step=on_step, **requests[0].settings)


def _answered(model: Model, requests: Sequence[Request], on_step: OnStep) -> Sequence[str | Image]:
    if requests[0].choices:
        return most_likely(model, requests, on_step)
    seeds = [request.seed for request in requests]
    conversations = [request.conversation for request in requests]
    return model.reply_all(conversations, seed=seeds, on_step=on_step, **requests[0].settings)


def _same_settings(requests: Sequence[Request]) -> list[list[Request]]:
    groups: dict[str, list[Request]] = {}
    for request in requests:
        key = repr((bool(request.choices), sorted(request.settings.items())))
        groups.setdefault(key, []).append(request)
    return list(groups.values())


def _overall(progress: Progress, activity: str, first: int, count: int, total: int) -> OnStep:
    """Progress over all ``total`` requests, from that of a call with ``count``, before which ``first`` were done."""
    return lambda done, of: progress(activity, first * of // count + done, max(total * of // count, done))


def _served(model: Model, requests: Sequence[Request]) -> tuple[list[Request], str]:
    """The requests that the model has a pathway for, and a note on the others; raises ``UsageError`` without any."""
    modes = {shape.mode for shape in model.model.plan.pathways.values()}
    missing = {
        "draws": [request for request in requests if request.draws and "draw" not in modes],
        "looks": [request for request in requests if _looks(request) and "look" not in modes],
    }
    left = {request.item for group in missing.values() for request in group}
    note = ", ".join(
        f"{len(group)} of {len(requests)} requests, since no pathway {does}" for does, group in missing.items() if group
    )
    served = [_aimed(model, request) for request in requests if request.item not in left]
    if not served:
        raise UsageError(f"the model '{model.name}' cannot serve any request of the benchmark: it leaves out {note}")
    return served, note


def _looks(request: Request) -> bool:
    return any(isinstance(piece, Look) for turn in request.conversation.turns for piece in turn.content)


def _aimed(model: Model, request: Request) -> Request:
    """The request with every picture in a pathway of the model: the first that looks, where it names another."""
    pathways = [name for name, shape in model.model.plan.pathways.items() if shape.mode == "look"]

    def aimed(piece: Content) -> Content:
        if isinstance(piece, Look) and piece.pathway not in pathways:
            return evolve(piece, pathway=pathways[0])
        return piece

    if not _looks(request):
        return request
    turns = [Turn(turn.role, map(aimed, turn.content)) for turn in request.conversation.turns]
    return evolve(request, conversation=evolve(request.conversation, turns=turns))


def _request_settings(model: Model, requests: Sequence[Request]) -> dict[str, Any]:
    """The settings that drawings and answers have in common; those of the sampler are the model's where not given."""
    facts: dict[str, Any] = {}
    for draws in (True, False):
        groups = _same_settings([request for request in requests if request.draws == draws])
        each = [dict(group[0].settings) for group in groups]
        each = [model.drawing_settings(**settings) for settings in each] if draws else each
        if len(each) == 1:
            facts |= {name: value for name, value in each[0].items() if value is not None}
        elif each:
            facts["drawing_settings" if draws else "answer_settings"] = each
    return facts


def _file_name(number: int, item: str) -> str:
    """A name that is valid in any file system, and unique by its number."""
    return f"{number:06d}-{re.sub(r'[^A-Za-z0-9_]+', '-', item)[:80].strip('-')}.png"


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
