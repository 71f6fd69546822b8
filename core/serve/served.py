"""A model that a server serves: what the requests of clients become, and what comes of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..inference.answering import DEFAULT_NEW_TOKENS, AnswerSettings
from ..inference.batching import EngineRequest, PictureRequest, TextRequest
from ..inference.drawing import decoded_pictures, unfinished_pictures
from ..inference.generate.context import check_context_length
from ..inference.generate.images import check_decodes
from ..inference.generate.sampler import check_settings, sampler_use
from ..inference.prompts import drawing_prompt_of, prompt_of
from ..measure.costs import pixels_of
from ..pictures.provenance import attach, png_bytes
from ..sequence.conversation import Conversation, Look, Turn
from .exchange import Exchange, ExchangeEvent, TextPiece, UnfinishedPicture

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from ..inference.api import Model
    from .metrics import ModelMetrics
    from .pool import WorkPool
    from .runner import ModelRunner

Prepare = Callable[[Exchange], list[EngineRequest]]
"""Makes the requests of an exchange, whose callbacks deliver to it."""


class ServedModel:
    """A model with its name, its runner and its metrics.

    ``pool``: the threads in which prompts are prepared and pictures decoded, beside the one of the engine.
    """

    def __init__(
        self, name: str, model: Model, runner: ModelRunner, metrics: ModelMetrics, pool: WorkPool, deadline: float
    ) -> None:
        self.name = name
        self.model = model
        self.runner = runner
        self.metrics = metrics
        self.pool = pool
        self.deadline = deadline

    async def events(self, user: str, prepare: Prepare) -> AsyncGenerator[ExchangeEvent, None]:
        """What happens to the requests that ``prepare`` makes, in a thread of the pool, until all of them are done.

        They are cancelled where the generator is closed. Raises what ``prepare`` and the engine raise, and ``ApiError``
        for a full queue or a missed deadline.
        """
        with self.runner.exchange(user, self.deadline) as exchange:
            requests = await exchange.before_deadline(self.pool.run(prepare, exchange))
            self.runner.submit(exchange, requests)
            async with aclosing(exchange.events()) as events:
                async for event in events:
                    yield event

    def can(self, mode: str) -> bool:
        """Whether the model has a pathway of this mode, ``"look"`` or ``"draw"``."""
        return any(shape.mode == mode for shape in self.model.model.plan.pathways.values())

    @cached_property
    def size(self) -> str:
        """Width and height of the pictures that it draws, as ``512x384``; empty where it draws none."""
        if not self.can("draw"):
            return ""
        height, width = pixels_of(self.model.model.plan.pathways[self.model.pathway("draw")])
        return f"{width}x{height}"

    def answers(
        self,
        exchange: Exchange,
        conversation: Conversation,
        seeds: Sequence[int],
        settings: AnswerSettings,
        *,
        stream: bool,
    ) -> list[EngineRequest]:
        """Requests for one answer per seed; with ``stream``, their text is delivered as it is generated."""
        unified = self.model.model
        prompt = prompt_of(unified, conversation)
        limit = settings.get("max_new_tokens")
        if limit is None:
            limit = max(1, min(DEFAULT_NEW_TOKENS, unified.plan.hidden.context - len(prompt)))
        check_context_length(unified, [prompt], [limit], "new tokens", fewer=True)

        def on_text(index: int) -> Callable[[str], None]:
            return lambda text: exchange.deliver(TextPiece(index, text))

        return [
            TextRequest(
                prompt=prompt,
                max_new_tokens=limit,
                temperature=settings.get("temperature") or 0.0,
                top_p=settings.get("top_p") or 1.0,
                stop=tuple(settings.get("stop") or ()),
                seed=seed,
                on_text=on_text(index) if stream else None,
            )
            for index, seed in enumerate(seeds)
        ]

    def drawings(
        self,
        exchange: Exchange,
        prompt: str | Conversation,
        seeds: Sequence[int],
        settings: Mapping[str, Any],
        *,
        previews: int = 0,
    ) -> list[EngineRequest]:
        """Requests for one picture per seed, of each of which ``previews`` are delivered while it is drawn."""
        unified, pathway = self.model.model, self.model.pathway("draw")
        check_decodes(unified.plan, pathway)
        overrides = check_settings(sampler_use(unified.plan, pathway), settings)
        row = drawing_prompt_of(unified, prompt, pathway)
        check_context_length(unified, [row], unified.plan.pathways[pathway].tokens, "codes of a picture")
        requests: list[EngineRequest] = []
        for index, seed in enumerate(seeds):
            watched = _Previews(exchange, index, previews) if previews else None
            on_step, on_codes = (watched.on_step, watched.on_codes) if watched else (None, None)
            request = PictureRequest(
                prompt=row, pathway=pathway, settings=overrides, seed=seed, on_step=on_step, on_codes=on_codes
            )
            requests.append(request)
        return requests

    def asked(self, prompt: str, sources: Sequence[Image]) -> str | Conversation:
        """A prompt with the pictures that are to be drawn from, as the model's layout expects them."""
        if not sources:
            return prompt
        looks = next(iter(self.model.model.processor.draws_from), "")
        return Conversation((Turn("user", (*(Look(source, looks) for source in sources), prompt)),))

    def png(self, request: PictureRequest, prompt: str | Conversation) -> bytes:
        """The picture of a request that is done, as a PNG that holds how it was drawn."""
        assert request.result is not None
        (picture,) = decoded_pictures(self.model.model, request.result, request.pathway)
        record = self.model.provenance(prompt, request.seed, request.settings, pathway=request.pathway)
        return png_bytes(attach(picture, record))

    def preview(self, codes: Tensor) -> bytes:
        """An unfinished picture as a PNG."""
        (picture,) = unfinished_pictures(self.model.model, codes, self.model.pathway("draw"))
        return png_bytes(picture)


class _Previews:
    """Delivers a picture ``count`` times while it is drawn, after equal shares of its steps."""

    def __init__(self, exchange: Exchange, index: int, count: int) -> None:
        self._exchange = exchange
        self._index = index
        self._count = count
        self._given = 0
        self._share = 0.0

    def on_step(self, done: int, of: int) -> None:
        self._share = done / of

    def on_codes(self, codes: Tensor) -> None:
        if self._given < self._count and (self._given + 1) / (self._count + 1) <= self._share < 1:
            self._exchange.deliver(UnfinishedPicture(self._index, self._given, codes.clone()))
            self._given += 1
