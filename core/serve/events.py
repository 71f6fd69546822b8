"""Server-sent events: responses that are sent piece by piece."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .errors import ApiError, api_error, json_text

DONE = b"data: [DONE]\n\n"
"""The last event of a stream of chat completions."""


def sent_event(content: Any, name: str = "") -> bytes:
    """The bytes of one event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json_text(content)}\n\n".encode("ascii")


class EventStream(Response):
    """A response of events. An error that ends them is their last event."""

    media_type = "text/event-stream"

    def __init__(self, first: bytes, following: AsyncGenerator[bytes, None]) -> None:
        super().__init__(headers={"cache-control": "no-cache", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._first = first
        self._following = following

    @classmethod
    async def of(cls, events: AsyncGenerator[bytes, None]) -> EventStream:
        """A response that begins once there is a first event. What is raised before it can be a response of its own."""
        return cls(await anext(events), events)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_body(data: bytes, more: bool = True) -> None:
            await send({"type": "http.response.body", "body": data, "more_body": more})

        async with aclosing(self._following) as following:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send_body(self._first)
            try:
                async for event in following:
                    await send_body(event)
            except Exception as error:
                await send_body(sent_event(api_error(error).body, "error"), more=False)
                if not isinstance(error, ApiError):
                    raise  # for the log
            else:
                await send_body(b"", more=False)
