"""Scores of predictions that were made elsewhere: outputs from a file, judged and aggregated like a model's own."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve

from .. import __version__
from ..contracts import Item, Progress, Request
from ..errors import UsageError
from ..storage.json_files import json_lines
from .checked import LOSS, CheckedBenchmark
from .examples import examples_of
from .joining import check_joined
from .judging import Judging
from .results import Result

if TYPE_CHECKING:
    from PIL.Image import Image

_ITEM_KEYS = {"metric", "item", "cluster", "value", "prediction"}


def score_predictions(
    name: str,
    benchmark: CheckedBenchmark,
    path: Path,
    progress: Progress,
    *,
    allow_missing: bool = False,
    allow_failures: bool = False,
    official: Path | None = None,
) -> Result:
    """Judge and aggregate the predictions in a file or a folder for the benchmark with a name.

    ``allow_missing``: requests may lack a prediction; these count as wrong, with the value 0 in every metric that
    should go up, and their number is in the settings. ``allow_failures``: where ``judge`` fails for some, score the
    others and count the failures in the settings. ``official``: the folder to write what the official scorer reads.

    Raises ``UsageError`` for predictions that are not those of the benchmark's data, and ``ComponentError`` where the
    benchmark fails.
    """
    if not path.exists():
        raise UsageError(f"there is no file or folder of predictions '{path}'")
    if official is not None:
        benchmark.check_official()
    requests = benchmark.requests()
    outputs = _own_answers(name, path, requests, allow_missing=allow_missing)
    if outputs is None:
        outputs = benchmark.read_predictions(path, requests, allow_missing=allow_missing)
    missing = sum(request.item not in outputs for request in requests)
    if missing == len(requests):
        raise UsageError(f"'{path}' has no prediction for any of the {len(requests)} items")
    judging = Judging(benchmark, len(requests), progress)
    items: list[Item] = []
    judged = judging.items([(request, partial(_output, outputs, request.item)) for request in requests])
    # Drawings without a judge have no value, and neither have those that are missing.
    has_values = any(values and request.item in outputs for request, values in zip(requests, judged, strict=True))
    for request, values in zip(requests, judged, strict=True) if has_values else ():
        items += values if request.item in outputs else [_wrong(benchmark, item) for item in values]
    judging.check(allow_failures=allow_failures)
    if official is not None:
        official.mkdir(parents=True, exist_ok=True)
        benchmark.write_official(official, outputs)
    scores = benchmark.aggregate(items)
    settings: dict[str, Any] = {
        "predictions": _described(path),
        **benchmark.settings(),
        **({"missing_predictions": missing} if missing else {}),
        **({"not_judged": len(judging.failures)} if judging.failures else {}),
        "janiform": __version__,
        "python": platform.python_version(),
    }
    metrics = {name: benchmark.metrics[name] for name in scores}
    examples = examples_of(benchmark, requests, items)
    return Result(scores, metrics, settings, items, benchmark.published(), examples)


def _output(outputs: Mapping[str, str | Image], item: str) -> str | Image:
    """The output for an item, which may be read from a file now; an empty text where it is missing."""
    return outputs.get(item, "")


def _wrong(benchmark: CheckedBenchmark, item: Item) -> Item:
    """The item of a prediction that is missing, from that of an empty text."""
    return evolve(item, value=0.0) if benchmark.metrics[item.metric].direction == "up" else item


def _own_answers(
    name: str, path: Path, requests: Sequence[Request], *, allow_missing: bool
) -> Mapping[str, str | Image] | None:
    """The answers in a file of items that an evaluation wrote, which has a line per metric; None for other files."""
    if path.suffix != ".jsonl" or not path.is_file():
        return None
    answers: dict[str, str | Image] = {}
    drawn = {request.item for request in requests if request.draws}
    for _, value in json_lines(path):
        if value is None or not set(value) >= _ITEM_KEYS:
            return None
        if str(value["metric"]).startswith(LOSS) or value.get("benchmark", name) != name:
            continue
        item, prediction = str(value["item"]), str(value["prediction"])
        if item in drawn:
            raise UsageError(f"'{path}' has the items of drawings, not the pictures: give the folder of the pictures")
        if answers.setdefault(item, prediction) != prediction:
            raise UsageError(f"'{path}' has two answers for the item '{item}': expected one")
    check_joined(path, list(answers), [request.item for request in requests], allow_missing=allow_missing)
    return answers


def _described(path: Path) -> dict[str, Any]:
    """The name of predictions; of a file also its size and digest."""
    if not path.is_file():
        return {"folder": path.name}
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": digest.hexdigest()}
