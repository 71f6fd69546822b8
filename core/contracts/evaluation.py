"""Contract of benchmarks, and what an evaluation consists of: requests, items, metrics and scores. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from attrs import field, frozen, validators

from .use import Progress

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..inference.api import Model
    from ..sequence.conversation import Conversation, Picture
    from .showcase import Showcase

__all__ = ["Benchmark", "BenchmarkConfig", "Item", "Metric", "Published", "Request", "Score"]


@frozen(eq=False)
class Request:
    """One question to ask, or one picture to draw.

    ``item``: its id, unique in the benchmark, such as ``"two_objects/12/3"``. ``cluster``: items of one cluster are not
    independent of one another, such as the pictures of one prompt; an item on its own is a cluster of its own. Those of
    a cluster are computed together, and what they share, such as a picture to look at, once.
    ``conversation``: everything up to the answer; where a picture is drawn, one user turn: the pictures that it is
    drawn from, if any, and the prompt.
    ``seed``: of the picture, or of an answer that is sampled. ``reference``: the expected answer, or a picture that
    fits the prompt, from which the held-out loss is computed; None where there is none. ``settings``: how the picture
    is drawn or the answer is sampled, such as ``guidance`` or ``max_new_tokens``; None keeps the model's value.
    ``think``: whether the model writes what it is going to draw before it draws; see ``Model.generate``.
    ``choices``: answers of which the one with the smallest loss is the output, in place of one that is sampled.
    ``choice_loss``: the ``"sum"`` of the losses of the answer's tokens and the end token, or their ``"mean"``.
    """

    item: str
    cluster: str
    conversation: Conversation
    draws: bool = False
    seed: int = 0
    reference: str | Picture | None = field(default=None, repr=False)
    settings: Mapping[str, Any] = field(factory=dict)
    think: bool = False
    choices: Sequence[str] = ()
    choice_loss: Literal["sum", "mean"] = field(default="sum", validator=validators.in_(("sum", "mean")))


@frozen
class Item:
    """The value of one metric for one request. ``prediction``: the answer; of a drawing a verdict or its file."""

    metric: str
    item: str
    cluster: str
    value: float
    prediction: str = ""


@frozen
class Metric:
    """Whether a metric should go ``"up"`` or ``"down"``, and its value for random answers, where that is known.

    One that tells what a model does, such as how often it says yes, has the direction ``"none"`` and is never judged.
    """

    direction: Literal["up", "down", "none"] = field(default="up", validator=validators.in_(("up", "down", "none")))
    chance: float | None = None


@frozen
class Score:
    """A metric over ``count`` items, with the limits of its 95 % interval, or None where the items allow none."""

    value: float
    count: int
    low: float | None = None
    high: float | None = None


@frozen
class Published:
    """A model's score in a paper, in the unit of the metric, and how it was measured in a few words.

    ``protocol``: the evaluator, the split, and whatever else the number depends on. ``source``: the paper or page.
    """

    model: str
    metric: str
    value: float
    protocol: str
    source: str = ""


class BenchmarkConfig(Protocol):
    """Kind ``benchmark``; factory(config) -> Benchmark."""


class Benchmark(Protocol):
    """What to ask and to draw, and how outputs are judged and scored; ``janiform eval`` does everything else.

    The requests, and the judgement of an output, depend on the settings alone. The names of metrics have dots, such as
    ``"drawing.overall"``; those that begin with ``loss.`` belong to the held-out losses, which are measured for every
    request with a reference. Of the metrics of an output, the first tells whether it is right: from 0.5.

    A benchmark may also have ``settings``, a mapping that is recorded with the scores and suffices to reproduce them;
    ``verdict(request, picture) -> str``, a drawing's content in a few words; ``expected(request) -> str``, the expected
    answer for examples, by default the reference; ``published``, a sequence of ``janiform.Published``: the scores of
    papers; ``read_predictions(path, requests)``, a mapping of items to outputs made elsewhere, joined by keys;
    ``write_official(folder, outputs)``, which writes outputs as the official scorer reads them; and ``judged_at_once``,
    the number of outputs that may be judged at a time, from as many threads: more than 1 where ``judge`` waits for
    another program.
    """

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """All metrics that ``judge`` and ``aggregate`` may give, in the order in which they are shown."""

    def requests(self) -> Sequence[Request]:
        """Everything to ask and to draw. Requests that the model cannot serve, such as drawings, are left out.

        Each request is taken several times, one round of them at a time. A sequence that makes its requests when they
        are taken, such as one that opens pictures then, keeps the memory small; it must make the same one every time.
        """

    def judge(self, request: Request, output: str | Image) -> Mapping[str, float]:
        """The values of one or several metrics for an answer or a drawing. It may take its time.

        A prediction made elsewhere that is missing, where it may be, is an empty text, also that of a drawing.
        Where it raises an error, the other outputs are judged before the evaluation fails.
        """

    def aggregate(self, items: Sequence[Item]) -> Mapping[str, Score]:
        """The scores of all that ``judge`` gave, in the order of the requests, for those metrics that have items.

        ``janiform.mean_score`` and ``janiform.mean_of_categories`` give means with their intervals.
        """

    def show(self, model: Model, drawings: int, answers: int, progress: Progress) -> Showcase:
        """Examples: ``drawings`` pictures, drawn and judged, and ``answers`` questions with their answers.

        ``progress(activity, done, total)`` is called meanwhile.
        """
