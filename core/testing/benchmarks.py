"""Conformance tests of benchmarks, which measure a small model with random weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
from PIL import Image

from ..contracts import Item, Request
from ..contracts.factories import make
from ..contracts.showcase import Showcase
from ..errors import ComponentError
from ..evaluate.checked import CheckedBenchmark
from ..evaluate.losses import LOSS_METRICS
from ..evaluate.records import evaluation_json
from ..evaluate.runner import Evaluation, evaluate
from ..inference.api import Model
from ..pictures.read import as_picture
from ..sequence.conversation import Look
from .case import Case, require
from .common import keeps_its_config_through_a_recipe
from .small_model import small_model

_ANSWERS = ("", " ", "yes", "A", "…", "\ud800\x1b[2J\0", "no " * 2000)
_PICTURES = (Image.new("RGB", (1, 1)), Image.new("RGB", (300, 40), (9, 200, 90)), Image.new("RGB", (64, 64), "white"))


def _evaluated(case: Case) -> Evaluation:
    benchmark = make(case.component, case.config)
    try:
        return evaluate(Model(small_model()), benchmark, lambda activity, done, of: None)
    except ComponentError as error:  # a broken contract, in the words that a user would read
        require(False, f"{case.name}: {error}")
        raise


def scores_every_metric(case: Case) -> None:
    """A model is evaluated without an error, every metric that is judged gets a score, and JSON can hold all of it.

    A benchmark may have metrics that few items do not give, such as a precision where nothing is answered with yes.
    """
    evaluation = _evaluated(case)
    judged = dict.fromkeys(item.metric for item in evaluation.items)
    missing = [name for name in judged if name not in evaluation.scores]
    require(not missing, f"{case.name}: `aggregate` gives no score of {', '.join(missing)}, of which there are items")
    own = [name for name in evaluation.scores if name not in LOSS_METRICS]
    require(
        bool(own), f"{case.name}: `aggregate` gives no score of {', '.join(make(case.component, case.config).metrics)}"
    )
    try:
        json.dumps(evaluation_json(evaluation), allow_nan=False)
    except (TypeError, ValueError) as error:
        require(False, f"{case.name}: its settings cannot be written as JSON: {error}")


def repeats_its_requests(case: Case) -> None:
    """The same settings give the same requests in the same order, also where a benchmark is made again."""
    benchmark = make(case.component, case.config)
    first, again, other = (
        [_content(request) for request in given.requests()]
        for given in (benchmark, benchmark, make(case.component, case.config))
    )
    require(first == again == other, f"{case.name}: `requests` gives other requests when it is called again")


def repeats_its_scores(case: Case) -> None:
    """The same settings give the same items and scores."""
    first, again = _evaluated(case), _evaluated(case)
    require(
        first.items == again.items and first.scores == again.scores,
        f"{case.name}: judges or aggregates otherwise when it is run again with its settings",
    )


def judges_any_output(case: Case) -> None:
    """``judge`` gives finite values for empty, long and strange answers, and for pictures of any size."""
    benchmark = CheckedBenchmark(make(case.component, case.config))
    requests = benchmark.requests()
    for draws, outputs in ((False, _ANSWERS), (True, _PICTURES)):
        for request in [request for request in requests if request.draws == draws][:3]:
            for output in outputs:
                try:
                    benchmark.judge(request, output)
                except ComponentError as error:
                    shown = repr(output[:20]) if isinstance(output, str) else f"a picture of {output.size}"
                    require(False, f"{case.name}: cannot judge {shown}: {error}")


def aggregates_a_part(case: Case) -> None:
    """``aggregate`` scores what it is given, such as drawings alone of a model that does not look."""
    benchmark = CheckedBenchmark(make(case.component, case.config))
    items: dict[bool, list[Item]] = {False: [], True: []}
    for request in benchmark.requests():
        items[request.draws] += benchmark.judge(request, _PICTURES[-1] if request.draws else "yes")
    for part in filter(None, items.values()):
        names = {item.metric for item in part}
        try:
            scores = benchmark.aggregate(part)
        except ComponentError as error:
            require(False, f"{case.name}: cannot aggregate the items of {', '.join(sorted(names))} alone: {error}")
        require(bool(scores), f"{case.name}: aggregates the items of {', '.join(sorted(names))} alone to no score")


def shows_examples(case: Case) -> None:
    """``show`` gives a ``Showcase`` with the number of drawings and of answers that was asked for, also none."""
    benchmark = make(case.component, case.config)
    for drawings, answers in ((2, 2), (0, 0)):
        shown = benchmark.show(Model(small_model()), drawings, answers, lambda activity, done, of: None)
        require(isinstance(shown, Showcase), f"{case.name}: `show` gives {type(shown).__name__}, not a Showcase")
        require(
            len(shown.drawn) <= drawings and len(shown.others) <= answers,
            f"{case.name}: `show` gives {len(shown.drawn)} drawings and {len(shown.others)} answers instead of "
            f"{drawings} and {answers}",
        )
        for picture in (*(some.picture for some in shown.drawn), *(some.picture for some in shown.others)):
            require(
                isinstance(picture, Image.Image), f"{case.name}: `show` gives {type(picture).__name__} as a picture"
            )


def _content(request: Request) -> tuple[Any, ...]:
    """Everything in a request, in a form that can be compared."""
    pieces = [
        (
            turn.role,
            (np.asarray(as_picture(piece.picture)).tobytes(), piece.pathway) if isinstance(piece, Look) else piece,
        )
        for turn in request.conversation.turns
        for piece in turn.content
    ]
    picture = None if isinstance(request.reference, str) else request.reference
    reference = request.reference if picture is None else np.asarray(as_picture(picture)).tobytes()
    apart = attrs.filters.exclude(attrs.fields(Request).conversation, attrs.fields(Request).reference)
    plain = attrs.asdict(request, recurse=False, filter=apart)
    return plain, request.conversation.system, pieces, reference


BENCHMARK_CHECKS: tuple[Callable[[Case], None], ...] = (
    scores_every_metric,
    repeats_its_requests,
    repeats_its_scores,
    judges_any_output,
    aggregates_a_part,
    shows_examples,
    keeps_its_config_through_a_recipe,
)
