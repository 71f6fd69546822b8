"""The engine that a server needs, and the requests that it runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from attrs import define, field

from ..contracts import OnCodes, OnStep
from ..inference.generate import generate_text, sampler_of

if TYPE_CHECKING:
    from torch import Tensor

    from ..model.unified_model import UnifiedModel
    from ..sequence.spans import Sequence as SpanSequence


@define(eq=False, kw_only=True)
class TextRequest:
    """A prompt to continue. ``result``: the text; ``tokens``: how many it has."""

    prompt: SpanSequence
    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    stop: Sequence[str] = ()
    seed: int = 0
    on_text: Callable[[str], None] | None = None
    result: str | None = None
    tokens: int = 0
    error: Exception | None = None
    done: bool = False


@define(eq=False, kw_only=True)
class PictureRequest:
    """A picture to draw. ``result``: its codes [1, N, d] or latents [1, N, C]."""

    prompt: SpanSequence
    pathway: str
    settings: Mapping[str, Any] = field(factory=dict)
    seed: int = 0
    on_step: OnStep | None = None
    on_codes: OnCodes | None = None
    result: Tensor | None = None
    error: Exception | None = None
    done: bool = False


EngineRequest: TypeAlias = TextRequest | PictureRequest


class RequestEngine(Protocol):
    """Runs requests of one model together. All of its methods are called by one thread."""

    def add(self, request: EngineRequest) -> None:
        """Take a request. Raises ``UsageError`` or ``ResourceError`` before anything is computed."""

    def step(self) -> None:
        """Compute one step of all requests that run; fills ``result`` or ``error`` of those that are done by it."""

    def cancel(self, request: EngineRequest) -> None:
        """Forget a request."""

    @property
    def idle(self) -> bool:
        """Whether no request runs or waits."""

    @property
    def active(self) -> int:
        """The number of requests that run."""

    @property
    def waiting(self) -> int:
        """The number of requests that were added and do not run yet."""


class OneAtATime:
    """Runs one request after the other, each as a whole in one step."""

    def __init__(self, model: UnifiedModel) -> None:
        self.model = model
        self._waiting: deque[EngineRequest] = deque()

    def add(self, request: EngineRequest) -> None:
        self._waiting.append(request)

    def cancel(self, request: EngineRequest) -> None:
        if request in self._waiting:
            self._waiting.remove(request)

    @property
    def idle(self) -> bool:
        return not self._waiting

    @property
    def active(self) -> int:
        return 0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def step(self) -> None:
        request = self._waiting.popleft()
        try:
            if isinstance(request, TextRequest):
                self._write(request)
            else:
                self._draw(request)
        except Exception as error:
            request.error = error
        request.done = True

    def _write(self, request: TextRequest) -> None:
        on_text = request.on_text
        (request.result,) = generate_text(
            self.model,
            [request.prompt],
            max_new_tokens=request.max_new_tokens,
            temperature=request.temperature,
            top_p=request.top_p,
            stop=request.stop,
            seeds=[request.seed],
            on_text=None if on_text is None else lambda _, text: on_text(text),
        )
        request.tokens = len(self.model.processor.text.encode(request.result))

    def _draw(self, request: PictureRequest) -> None:
        request.result = sampler_of(self.model.plan, request.pathway).draw(
            self.model,
            [request.prompt],
            pathway=request.pathway,
            seeds=[request.seed],
            on_step=request.on_step,
            on_codes=request.on_codes,
            **request.settings,
        )
