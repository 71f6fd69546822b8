"""HTTP connections that do not wait for ever: for the head of a request, or for a client to read."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from .errors import ApiError
from .settings import ServerSettings


def connection_class(settings: ServerSettings) -> type[H11Protocol]:
    """The class of a server's connections, with the patience of its settings."""

    class TimedConnection(H11Protocol):
        _head: asyncio.TimerHandle | None = None
        _sending: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._watch_head()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch_head()

        def connection_lost(self, exc: Exception | None) -> None:
            _end(self._head)
            _end(self._sending)
            super().connection_lost(exc)

        def pause_writing(self) -> None:
            self._sending = self._sending or self.loop.call_later(settings.send, self.transport.abort)
            super().pause_writing()

        def resume_writing(self) -> None:
            _end(self._sending)
            self._sending = None
            super().resume_writing()

        def timeout_keep_alive_handler(self) -> None:
            super().timeout_keep_alive_handler()
            # Closing waits until all is sent, which a client that does not read prevents.
            self._sending = self._sending or self.loop.call_later(settings.send, self.transport.abort)

        def send_400_response(self, msg: str) -> None:
            error = ApiError(400, f"this is not a valid HTTP request: {msg}", closes=True).response
            reply = h11.Response(status_code=400, headers=error.raw_headers, reason=b"Bad Request")
            if self.conn.our_state is h11.IDLE or self.conn.our_state is h11.SEND_RESPONSE:
                for event in (reply, h11.Data(data=bytes(error.body)), h11.EndOfMessage()):
                    self.transport.write(self.conn.send(event) or b"")
            self.transport.close()

        def _watch_head(self) -> None:
            """Time the head of a request, from the first moment that it may come."""
            if self.conn.their_state is not h11.IDLE:
                _end(self._head)
                self._head = None
            elif self._head is None:
                self._head = self.loop.call_later(settings.head, self.transport.abort)

    return TimedConnection


def _end(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
