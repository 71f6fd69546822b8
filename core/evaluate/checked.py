"""A benchmark whose methods are called with checks: whatever it does wrong is an error that names it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ..arguments import MAX_SEED, shown
from ..contracts import Benchmark, Item, Metric, Published, Request, Score
from ..errors import ComponentError, JaniformError, Problem, UsageError, nearest
from ..sequence.conversation import Conversation
from ..untrusted_text import text_of
from .joining import check_joined

if TYPE_CHECKING:
    from PIL.Image import Image

LOSS = "loss."
"""Prefix of the names of held-out losses, which no metric of a benchmark may have."""


class JudgeError(ComponentError):
    """The benchmark could not judge one output; it may be able to judge others."""


class CheckedBenchmark:
    """The methods of a benchmark. Each raises ``ComponentError`` where the benchmark fails or breaks its contract."""

    def __init__(self, benchmark: Benchmark) -> None:
        self._benchmark = benchmark
        kind = type(benchmark)
        self.name = f"{kind.__module__}.{kind.__qualname__}"
        self._subject = f"the benchmark {self.name}"
        self.metrics = self._checked_metrics(self._call("metrics", lambda: benchmark.metrics))

    @property
    def judged_at_once(self) -> int:
        """How many outputs may be judged at a time, from as many threads."""
        number = self._call("judged_at_once", lambda: getattr(self._benchmark, "judged_at_once", 1))
        if type(number) is not int or number < 1:
            self._fail(f"has {shown(number)} as judged_at_once, expected a whole number from 1")
        return number

    def requests(self) -> Sequence[Request]:
        """Everything to ask and to draw: at least one request, with ids that do not repeat.

        A sequence is kept as it is, since it may make its requests when they are taken from it.
        """
        given: Sequence[Request] = self._call("requests", lambda: _sequence(self._benchmark.requests()))
        if not given:
            self._fail("gives no requests")
        ids: set[str] = set()
        for request in self._each(given):
            if not isinstance(request, Request):
                self._fail(f"gives {type(request).__name__} as a request, expected a janiform.Request")
            if fault := _request_fault(request):
                self._fail(f"gives the request {shown(request.item)}, {fault}")
            if request.item in ids:
                self._fail(f"gives two requests with the id {shown(request.item)}")
            ids.add(request.item)
        return given

    def judge(self, request: Request, output: str | Image) -> list[Item]:
        """The items of an output, one per metric; a prediction is the answer, or of a drawing the verdict.

        ``request`` is the benchmark's own. Raises ``JudgeError`` where the benchmark fails.
        """
        where = f"of {shown(request.item)}"
        values = self._judging(f"judge {where}", lambda: self._benchmark.judge(request, output))
        if not isinstance(values, Mapping):
            self._fail(f"judges the output {where} by {type(values).__name__}, expected a mapping of metric to value")
        prediction = output if isinstance(output, str) else self._verdict(request, output)
        items = []
        for name, value in values.items():
            metric, number = self._known(name, "judge"), self._number(name, value, where)
            items.append(Item(metric, request.item, request.cluster, number, prediction))
        return items

    def aggregate(self, items: Sequence[Item]) -> dict[str, Score]:
        """The scores of all items, in the order of the metrics."""
        scores = self._call("aggregate", lambda: self._benchmark.aggregate(items))
        if not isinstance(scores, Mapping):
            self._fail(f"aggregates to {type(scores).__name__}, expected a mapping of metric to janiform.Score")
        for name, score in scores.items():
            self._known(name, "aggregate")
            self._check_score(name, score)
        return {name: scores[name] for name in self.metrics if name in scores}

    def settings(self) -> dict[str, Any]:
        """The settings that the benchmark records, if it has any."""
        settings = self._call("settings", lambda: getattr(self._benchmark, "settings", {}))
        if not isinstance(settings, Mapping) or not all(isinstance(name, str) for name in settings):
            self._fail("has settings that are not a mapping of names to values")
        for name, value in settings.items():
            if not _plain(value):
                self._fail(f"has the setting {shown(name)} of type {type(value).__name__}, which JSON cannot hold")
        return dict(settings)

    def published(self) -> tuple[Published, ...]:
        """The scores of papers that the benchmark has, for its own metrics."""
        rows: tuple[Published, ...] = self._call("published", lambda: tuple(getattr(self._benchmark, "published", ())))
        for row in rows:
            if not isinstance(row, Published):
                self._fail(f"publishes {type(row).__name__}, expected a janiform.Published")
        return tuple(row for row in rows if row.metric in self.metrics)  # which may depend on the settings

    def expected(self, request: Request) -> str:
        """The expected answer of one of the benchmark's own requests; empty where it is not known."""
        expected: Callable[..., Any] | None = getattr(self._benchmark, "expected", None)
        if expected is None:
            return request.reference if isinstance(request.reference, str) else ""
        return text_of(self._call(f"expected of {shown(request.item)}", lambda: expected(request)))

    def read_predictions(
        self, path: Path, requests: Sequence[Request], *, allow_missing: bool
    ) -> Mapping[str, str | Image]:
        """Outputs made elsewhere, by the items of their requests, of which some may be missing where that is allowed.

        Raises ``UsageError`` where the benchmark reads none, and for unknown and missing items.
        """
        read: Callable[..., Any] | None = getattr(self._benchmark, "read_predictions", None)
        if read is None:
            raise UsageError(f"{self._subject} cannot read predictions: it has no method 'read_predictions'")
        outputs = self._call("read_predictions", lambda: read(path, requests))
        if not isinstance(outputs, Mapping):
            self._fail(f"reads predictions as {type(outputs).__name__}, expected a mapping of items to outputs")
        check_joined(path, list(outputs), [request.item for request in requests], allow_missing=allow_missing)
        return outputs

    def check_official(self) -> None:
        """Raise ``UsageError`` where the benchmark has no format that an official scorer reads."""
        if getattr(self._benchmark, "write_official", None) is None:
            raise UsageError(f"{self._subject} has no official format: it has no method 'write_official'")

    def write_official(self, folder: Path, outputs: Mapping[str, str | Image]) -> None:
        """Write outputs as the official scorer reads them."""
        self.check_official()
        write: Callable[..., Any] = getattr(self._benchmark, "write_official")  # noqa: B009 - it is optional
        self._call("write_official", lambda: write(folder, outputs))

    def _verdict(self, request: Request, picture: Image) -> str:
        verdict: Callable[..., Any] | None = getattr(self._benchmark, "verdict", None)
        return "" if verdict is None else text_of(self._judging("verdict", lambda: verdict(request, picture)))

    def _checked_metrics(self, metrics: Any) -> dict[str, Metric]:
        if not isinstance(metrics, Mapping) or not metrics:
            self._fail("has no metrics: expected a mapping of name to janiform.Metric")
        for name, metric in metrics.items():
            if not isinstance(name, str) or not isinstance(metric, Metric):
                self._fail(f"has the metric {shown(name)} as {type(metric).__name__}, expected a janiform.Metric")
            if name.startswith(LOSS):
                self._fail(f"has the metric '{name}', but names that begin with '{LOSS}' belong to held-out losses")
        return dict(metrics)

    def _check_score(self, name: str, score: Any) -> None:
        if not isinstance(score, Score):
            self._fail(f"aggregates '{name}' to {type(score).__name__}, expected a janiform.Score")
        if not isinstance(score.count, int) or score.count < 1:
            self._fail(f"gives '{name}' the count {shown(score.count)}, expected the number of its items")
        for value in (score.value, score.low, score.high):
            if value is not None or value is score.value:
                self._number(name, value, "as a score")
        low, high = (score.value if limit is None else limit for limit in (score.low, score.high))
        if (score.low is None) != (score.high is None) or not low <= score.value <= high:
            interval = f"the interval from {score.low} to {score.high}"
            self._fail(f"gives '{name}' = {score.value} {interval}, which does not contain it")

    def _known(self, name: Any, method: str) -> str:
        if name not in self.metrics:
            hint = nearest(name, self.metrics) if isinstance(name, str) else ""
            self._fail(f"gives {shown(name)} in `{method}`, which is not one of its metrics", hint)
        known: str = name
        return known

    def _number(self, name: str, value: Any, where: str) -> float:
        value = value.item() if hasattr(value, "item") and not getattr(value, "ndim", 0) else value
        if not isinstance(value, Real) or not math.isfinite(value):
            self._fail(f"gives '{name}' the value {shown(value)} {where}, expected a finite number")
        return float(value)

    def _each(self, requests: Sequence[Request]) -> Iterator[Request]:
        given = iter(requests)
        end = object()
        while (request := self._call("requests", lambda: next(given, end))) is not end:
            yield request

    def _judging(self, what: str, call: Callable[[], Any]) -> Any:
        try:
            return self._call(what, call)
        except JaniformError as error:
            raise JudgeError(error.problems) from error

    def _call(self, what: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except JaniformError:
            raise
        except Exception as error:  # a plugin may fail in any way, and the error must name it
            message = f"{self._subject} failed in {what}: {type(error).__name__}: {text_of(error)}"
            raise ComponentError(Problem(message, hint="change its settings or fix the plugin")) from error

    def _fail(self, sentence: str, hint: str = "") -> NoReturn:
        raise ComponentError(Problem(f"{self._subject} {sentence}", hint=hint or "fix the plugin"))


def _sequence(requests: Iterable[Request]) -> Sequence[Request]:
    return requests if isinstance(requests, Sequence) else list(requests)


def _request_fault(request: Request) -> str:
    """Why a request is not valid, as the end of a sentence; empty where it is."""
    if not isinstance(request.item, str) or not request.item or not isinstance(request.cluster, str):
        return "whose id or cluster is not a text"
    if not isinstance(request.conversation, Conversation) or request.conversation.turns[-1].role != "user":
        return "whose conversation does not end with the user's turn"
    if type(request.seed) is not int or not 0 <= request.seed <= MAX_SEED:
        return f"whose seed is {shown(request.seed)}, expected a whole number from 0 to 2^63 - 1"
    if not isinstance(request.settings, Mapping):
        return "whose settings are not a mapping"
    if request.choices and not _are_choices(request):
        return "whose choices are not at least two different texts for a question"
    if not request.draws:
        fits = request.reference is None or (isinstance(request.reference, str) and request.reference.strip())
        return "" if fits else "whose reference is not a text, as that of a question must be"
    if not request.conversation.turns[-1].text.strip():
        return "whose conversation does not end with a text, as a prompt to draw must"
    return "whose reference is not a picture" if isinstance(request.reference, str) else ""


def _are_choices(request: Request) -> bool:
    choices = request.choices
    texts = isinstance(choices, list | tuple) and all(isinstance(text, str) and text.strip() for text in choices)
    return texts and len(set(choices)) == len(choices) > 1 and not request.draws


def _plain(value: Any) -> bool:
    """Whether JSON can hold the value."""
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _plain(member) for key, member in value.items())
    if isinstance(value, list | tuple):
        return all(map(_plain, value))
    return value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))
