"""The thread that runs the engine of a model, and the queue of the requests that it takes."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import JaniformError
from .errors import BUSY, ApiError, api_error
from .exchange import Exchange, PartDone
from .fair_queue import FairQueue, QueueFullError

if TYPE_CHECKING:
    from ..inference.batching import BatchingEngine, EngineRequest
    from .metrics import ModelMetrics

AHEAD = 16
"""The most requests that the engine is given before it has room for them: enough to be read together."""

_LONGEST_RETRY = 60
"""The most seconds that a client is told to wait; OpenAI's clients do not wait for longer."""


class ModelRunner:
    """Runs the requests of one model in a thread of its own.

    Args:
        make_engine: gives a new engine; also after one has failed.
        limit: the most requests that wait.
        on_bug: called with an exception of the engine that is not due to a request.
    """

    def __init__(
        self,
        name: str,
        make_engine: Callable[[], BatchingEngine],
        limit: int,
        metrics: ModelMetrics,
        on_bug: Callable[[Exception], None],
    ) -> None:
        self._make_engine = make_engine
        self._engine = make_engine()
        self._metrics = metrics
        self._on_bug = on_bug
        self._queue: FairQueue[Exchange] = FairQueue(limit)
        self._changed = threading.Condition()
        self._running: dict[int, tuple[Exchange, int, EngineRequest]] = {}
        self._cancelled: list[Exchange] = []
        self._stopping = False
        self._pace = 1.0  # seconds of the engine per request that is done, as of late
        self._busy = 0.0  # seconds of the engine since the last of them
        self._thread = threading.Thread(target=self._run, name=f"model {name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the step that it computes."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    @property
    def waiting(self) -> int:
        """The number of clients' requests of which nothing was given to the engine."""
        with self._changed:
            return self._queue.waiting

    @property
    def begun(self) -> int:
        """The number of requests that the engine was given and has not done."""
        return len(self._running)

    @contextmanager
    def exchange(self, user: str, seconds: float) -> Iterator[Exchange]:
        """A place in the queue, for requests that are then given by ``submit``; what is left of them is cancelled.

        Raises ``ApiError`` where the queue is full.
        """
        exchange = Exchange(user, seconds)
        with self._changed:
            try:
                displaced = self._queue.join(exchange)
            except QueueFullError:
                self._metrics.refused.inc()
                raise self._full("the server's queue is full") from None
            self._count()
        if displaced is not None:
            self._metrics.refused.inc()
            displaced.deliver(self._full("another client's request took the place in the server's full queue"))
        try:
            yield exchange
        finally:
            self._cancel(exchange)

    def submit(self, exchange: Exchange, requests: list[EngineRequest]) -> None:
        """Give the requests of an exchange, whose turn may come from now on."""
        with self._changed:
            exchange.requests = requests
            self._changed.notify()

    def _cancel(self, exchange: Exchange) -> None:
        with self._changed:
            self._queue.remove(exchange)
            self._cancelled.append(exchange)
            self._count()
            self._changed.notify()

    def _full(self, what: str) -> ApiError:
        seconds = min(_LONGEST_RETRY, max(1, math.ceil(self._pace * self._queue.limit / 2)))  # half of it is served
        return ApiError(
            429,
            f"{what} ({self._queue.limit} requests); try again in {seconds} s",
            code="rate_limit_exceeded",
            type=BUSY,
            headers={"retry-after": str(seconds)},
        )

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work)
                if self._stopping:
                    return
                cancelled, self._cancelled = self._cancelled, []
            for exchange in cancelled:
                self._forget(exchange)
            self._feed()
            if not self._engine.idle:
                self._step()

    def _has_work(self) -> bool:
        return self._stopping or bool(self._cancelled) or self._queue.ready or not self._engine.idle

    def _forget(self, exchange: Exchange) -> None:
        for key, (owner, _, request) in list(self._running.items()):
            if owner is exchange:
                del self._running[key]
                self._engine.cancel(request)

    def _feed(self) -> None:
        """Give the engine requests as long as it has room for them."""
        while self._engine.waiting < AHEAD:
            with self._changed:
                taken = self._queue.take()
                self._count()
            if taken is None:
                return
            exchange, index = taken
            if index == 0:
                self._metrics.queued.observe(exchange.waited)
            request = exchange.requests[index]
            try:
                self._engine.add(request)
            except Exception as error:
                self._failed(exchange, error)
                continue
            self._running[id(request)] = exchange, index, request

    def _step(self) -> None:
        begun, rows = time.monotonic(), self._engine.rows
        try:
            self._engine.step()
        except Exception as error:
            self._on_bug(error)
            running, self._running = self._running, {}
            self._engine = self._make_engine()
            for exchange, _, _ in running.values():
                exchange.deliver(api_error(error))
            return
        seconds = time.monotonic() - begun
        done = [key for key, (_, _, request) in self._running.items() if request.done]
        for key in done:
            exchange, index, request = self._running.pop(key)
            if request.error is None:
                exchange.deliver(PartDone(index, request))
            else:
                self._failed(exchange, request.error)
        self._metrics.stepped(rows, self._engine.rows, self._engine.most_rows, seconds)
        self._busy += seconds
        if done:
            self._pace += 0.1 * (self._busy / len(done) - self._pace)
            self._busy = 0.0

    def _failed(self, exchange: Exchange, error: Exception) -> None:
        if not isinstance(error, JaniformError):
            self._on_bug(error)
        exchange.deliver(api_error(error))

    def _count(self) -> None:
        self._metrics.waiting.set(self._queue.waiting)
