"""Continuous batching: requests join the rows that are decoded as others end, whatever they ask for.

A request's result depends on its own prompt, settings and seed, not on the requests beside it. Texts and pictures that
are drawn place by place share the forward of a step. Pictures that are drawn as wholes take a step of their own in
turn with them, and a sampler without ``steps`` draws its picture in one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
from attrs import define, field
from torch import Tensor

from ..contracts import OnCodes, OnStep
from ..errors import ResourceError
from ..units import size
from .free_memory import free_memory
from .generate.engine import generating
from .generate.prefix_store import PrefixStore
from .generate.running import RunningBatch, RunningGeneration
from .generate.sampler import check_settings, guidance_of, sampler_of, sampler_use
from .generate.steps import Steps
from .generate.text import text_steps
from .memory import MemoryPlan, memory_for_answers, memory_for_drawing, memory_needs

if TYPE_CHECKING:
    from ..model.unified_model import UnifiedModel
    from ..sequence.spans import Sequence as SpanSequence

MOST_ROWS = 128
"""The most rows of a step: with more, a step takes longer and no more are done per second."""

_SHARE = 0.9
"""The share of the free memory that requests may take by default."""

_STORED = 4
"""Prompts that were read take at most the memory divided by this, and give it back to requests that need it."""


@define(eq=False, kw_only=True)
class TextRequest:
    """A prompt to continue, greedily at temperature 0; see ``janiform.generate_text``.

    ``on_text``: called with the pieces of the text as soon as they are certain. Once ``done``, there is the ``result``,
    which has ``tokens`` tokens and was ``cut_off`` where it reached ``max_new_tokens``, or the ``error``. ``reused`` of
    the prompt's positions were not read again, since a prompt before it began in the same way.
    """

    prompt: SpanSequence
    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    stop: Sequence[str] = ()
    seed: int = 0
    on_text: Callable[[str], None] | None = None
    result: str | None = field(default=None, init=False)
    tokens: int = field(default=0, init=False)
    cut_off: bool = field(default=False, init=False)
    reused: int = field(default=0, init=False)
    error: Exception | None = field(default=None, init=False)
    done: bool = field(default=False, init=False)


@define(eq=False, kw_only=True)
class PictureRequest:
    """A picture to draw by the sampler of a pathway, whose settings ``settings`` replace.

    ``on_step`` and ``on_codes``: see ``janiform.contracts.Sampler``. Once ``done``, there is the ``result``, codes
    int64 [1, N, d] or latents float32 [1, N, C], or the ``error``.
    """

    prompt: SpanSequence
    pathway: str = "generation"
    settings: Mapping[str, Any] = field(factory=dict)
    seed: int = 0
    on_step: OnStep | None = None
    on_codes: OnCodes | None = None
    result: Tensor | None = field(default=None, init=False)
    error: Exception | None = field(default=None, init=False)
    done: bool = field(default=False, init=False)


EngineRequest: TypeAlias = TextRequest | PictureRequest


class BatchingEngine:
    """Runs requests of one model together. All of its methods are called by one thread.

    Args:
        memory: the bytes that all requests may take beside the weights, with the keys and values of prompts that were
            read, which later prompts begin with; by default most of those that are free now.
        most_rows: the most rows that are decoded together; a picture with guidance has two or more.
    """

    def __init__(self, model: UnifiedModel, *, memory: int | None = None, most_rows: int = MOST_ROWS) -> None:
        self.model = model
        self._needs = memory_needs(model)
        free = free_memory(model.device, self._needs.weights)
        self.memory = int(_SHARE * free) if memory is None else memory
        self.most_rows = most_rows
        self._modules = tuple(model.modules())
        self._stored = PrefixStore(model, self.memory // _STORED)
        self._batch = RunningBatch(model, self._stored)
        self._waiting: deque[tuple[EngineRequest, Steps[Any], int, int]] = deque()
        self._active: list[tuple[EngineRequest, RunningGeneration[Any], int, int]] = []

    @property
    def idle(self) -> bool:
        """Whether no request runs or waits."""
        return not self._active and not self._waiting

    @property
    def active(self) -> int:
        """The number of requests that run."""
        return len(self._active)

    @property
    def waiting(self) -> int:
        """The number of requests that were added and do not run yet."""
        return len(self._waiting)

    @property
    def rows(self) -> int:
        """The number of rows that the next step reads."""
        return self._batch.rows

    def add(self, request: EngineRequest) -> None:
        """Take a request, which runs as soon as there is room for it.

        Raises:
            UsageError: a setting is out of range, or the prompt too long.
            ResourceError: it takes more memory than all requests may take.
        """
        rows, needed = self._costs(request)
        steps: Steps[Any] = (
            _text(self.model, request) if isinstance(request, TextRequest) else _picture(self.model, request)
        )
        if needed > self.memory:
            raise ResourceError(
                f"the request takes {size(needed)} of memory, and all requests together may take {size(self.memory)}: "
                "shorten the prompt, ask for less, or give the server more memory"
            )
        self._waiting.append((request, steps, rows, needed))

    def cancel(self, request: EngineRequest) -> None:
        """Forget a request; its rows are free at once."""
        self._waiting = deque(each for each in self._waiting if each[0] is not request)
        for each, running, *_ in self._active:
            if each is request:
                self._batch.end(running)
        self._active = [each for each in self._active if each[0] is not request]

    def step(self) -> None:
        """Begin waiting requests for which there is room, and take all that run one step further.

        Fills ``result`` or ``error`` of those that are done. A request that fails does not affect the others.
        """
        with generating(self._modules):
            self._begin()
            self._batch.step()
        for request, running, *_ in self._active:
            if running.done:
                if isinstance(request, TextRequest):
                    request.reused = running.reused
                request.result, request.error, request.done = running.result, running.error, True
        self._active = [each for each in self._active if not each[1].done]

    def _begin(self) -> None:
        rows = sum(each[2] for each in self._active)
        memory = sum(each[3] for each in self._active)
        while self._waiting:
            request, steps, more_rows, more_memory = self._waiting[0]
            if self._active and (rows + more_rows > self.most_rows or memory + more_memory > self.memory):
                return
            self._waiting.popleft()
            self._stored.trim(self.memory - memory - more_memory)
            (running,) = self._batch.start([steps])
            self._active.append((request, running, more_rows, more_memory))
            rows, memory = rows + more_rows, memory + more_memory

    def _costs(self, request: EngineRequest) -> tuple[int, int]:
        """The rows of a request, and the bytes that it takes while it runs."""
        if isinstance(request, TextRequest):
            return 1, _peak(memory_for_answers(self.model, [request.prompt], request.max_new_tokens, needs=self._needs))
        use = sampler_use(self.model.plan, request.pathway)
        looks = {span.pathway for span in request.prompt.spans if span.kind == "look" and span.pathway}
        settings = attrs.asdict(use.config) | check_settings(use, request.settings)
        guidance = guidance_of(self.model.plan, use, settings, looks)
        plan = memory_for_drawing(self.model, [request.prompt], request.pathway, guidance, needs=self._needs)
        return len(guidance), _peak(plan)


def _peak(plan: MemoryPlan) -> int:
    """Bytes of one request: its keys and values exist twice when its rows join others, or are moved."""
    return 2 * plan.cache + plan.work


def _text(model: UnifiedModel, request: TextRequest) -> Steps[str]:
    on_text = request.on_text

    def on_ids(_: int, count: int, cut_off: bool) -> None:
        request.tokens, request.cut_off = count, cut_off

    steps = text_steps(
        model,
        [request.prompt],
        max_new_tokens=request.max_new_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        stop=request.stop,
        seeds=[request.seed],
        on_text=None if on_text is None else lambda _, text: on_text(text),
        on_ids=on_ids,
    )
    return _only(steps)


def _only(steps: Steps[list[str]]) -> Steps[str]:
    (text,) = yield from steps
    return text


def _picture(model: UnifiedModel, request: PictureRequest) -> Steps[Tensor]:
    sampler: Any = sampler_of(model.plan, request.pathway)
    arguments = {
        "pathway": request.pathway,
        "seeds": [request.seed],
        "on_step": request.on_step,
        "on_codes": request.on_codes,
        **check_settings(sampler_use(model.plan, request.pathway), request.settings),
    }
    if hasattr(sampler, "steps"):
        steps: Steps[Tensor] = sampler.steps(model, [request.prompt], **arguments)
        return steps
    return _whole(lambda: sampler.draw(model, [request.prompt], **arguments))


def _whole(draw: Callable[[], Tensor]) -> Steps[Tensor]:
    """The picture of a sampler that has no steps."""
    yield None
    return draw()
