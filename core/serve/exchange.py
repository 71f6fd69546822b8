"""A request of a client while it is served: the requests to the engine that it consists of, and what comes of them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from attrs import frozen

from .errors import NO_RETRY, SERVER, ApiError

if TYPE_CHECKING:
    from torch import Tensor

    from ..inference.batching import EngineRequest

T = TypeVar("T")


@frozen
class TextPiece:
    """A piece of the text of the part ``index``."""

    index: int
    text: str


@frozen(eq=False)
class UnfinishedPicture:
    """What is drawn so far of the part ``index``; ``number`` counts the previews of a part from 0."""

    index: int
    number: int
    codes: Tensor


@frozen(eq=False)
class PartDone:
    """The part ``index`` is done; ``request`` holds its result."""

    index: int
    request: EngineRequest


ExchangeEvent: TypeAlias = TextPiece | UnfinishedPicture | PartDone


class Exchange:
    """Requests to the engine that one client waits for.

    ``deliver`` may be called by any thread; ``events`` belongs to the event loop in which the exchange was created.
    ``seconds``: how long the client waits at most.
    """

    def __init__(self, user: str, seconds: float) -> None:
        self.user = user
        self.requests: list[EngineRequest] = []
        self.taken = 0
        self._loop = asyncio.get_running_loop()
        self.created = time.monotonic()
        self._seconds = seconds
        self._events: asyncio.Queue[ExchangeEvent | Exception] = asyncio.Queue()

    @property
    def waited(self) -> float:
        """Seconds since the exchange was created."""
        return time.monotonic() - self.created

    @property
    def parts(self) -> int:
        return len(self.requests)

    def deliver(self, event: ExchangeEvent | Exception) -> None:
        """Give an event to the client, or the error that ends the exchange."""
        with contextlib.suppress(RuntimeError):  # the loop was closed: the server has ended
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)

    async def events(self) -> AsyncGenerator[ExchangeEvent, None]:
        """What happens to the exchange's requests, until all of them are done.

        Raises the error that ended the exchange, and ``ApiError`` at its deadline.
        """
        left = len(self.requests)
        while left:
            event = await self.before_deadline(self._events.get())
            if isinstance(event, Exception):
                raise event
            left -= isinstance(event, PartDone)
            yield event

    async def before_deadline(self, work: Awaitable[T]) -> T:
        """Await some work. Raises ``ApiError`` where it is not done at the exchange's deadline."""
        try:
            async with asyncio.timeout(self._seconds - self.waited):
                return await work
        except TimeoutError:
            raise ApiError(
                504,
                f"the request was not done within {self._seconds:g} seconds, the server's deadline",
                code="deadline_exceeded",
                type=SERVER,
                headers=NO_RETRY,
            ) from None
