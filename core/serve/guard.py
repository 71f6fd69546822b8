"""What every request goes through: access, limits, the watch over its client, and the errors of the API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, MutableMapping
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .access import checked_user
from .errors import SERVER, ApiError, api_error
from .limits import BodyReader, HeldBody, check_json
from .service import Service

_GONE = "499"
"""What is counted as the status of a request whose client has left before there was one."""


class Guard:
    """Wraps an application: no request reaches it that is not allowed or not read as a whole.

    What the application does for a request is cancelled where the client leaves. ``on_bug`` is called with exceptions
    that are nobody's error but the server's.
    """

    def __init__(self, app: ASGIApp, service: Service, on_bug: Callable[[Exception], None]) -> None:
        self._app = app
        self._service = service
        self.on_bug = on_bug
        self._bodies = BodyReader(service.settings)
        self._ended: asyncio.Future[None] | None = None
        self.in_flight = 0

    def end(self) -> None:
        """Cancel all requests that are still served."""
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if self._ended is None:
            self._ended = asyncio.get_running_loop().create_future()
        begun, response = time.monotonic(), _Response(send)
        self.in_flight += 1
        self._service.metrics.in_flight.set(self.in_flight)
        try:
            await self._respond(scope, receive, response)
        finally:
            self.in_flight -= 1
            self._service.metrics.in_flight.set(self.in_flight)
            self._count(scope, response, time.monotonic() - begun)

    async def _respond(self, scope: Scope, receive: Receive, response: _Response) -> None:
        with self._bodies.body() as held:
            try:
                await self._serve(scope, receive, response, held)
            except ClientDisconnect:
                return
            except Exception as error:
                refusal = api_error(error)
                if refusal.status == 500:
                    self.on_bug(error)
                if response.status:
                    raise  # the connection is closed: the response was begun, and cannot be completed
                await self._refuse(refusal, scope, receive, response, held)

    async def _refuse(
        self, refusal: ApiError, scope: Scope, receive: Receive, response: _Response, held: HeldBody
    ) -> None:
        if not held.whole:
            if "expect" not in Headers(scope=scope):  # such a client has sent nothing yet
                await held.discard(receive)
            if not held.whole:
                refusal.headers["connection"] = "close"
        await refusal.response(scope, receive, response.send)

    async def _serve(self, scope: Scope, receive: Receive, response: _Response, held: HeldBody) -> None:
        service, headers = self._service, Headers(scope=scope)
        if service.stopping and scope["path"] != "/health":
            raise ApiError(
                503, "the server is stopping", code="stopping", type=SERVER, headers={"retry-after": "30"}, closes=True
            )
        if self.in_flight > service.settings.in_flight:
            raise ApiError(
                503, "the server has too many requests", code="overloaded", type=SERVER, headers={"retry-after": "5"}
            )
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        state["user"] = checked_user(scope, headers, service.settings)
        body = await held.read(receive, headers)
        if "json" in headers.get("content-type", "").lower():
            check_json(body, service.settings)
        await self._beside_client(scope, body, receive, response)

    async def _beside_client(self, scope: Scope, body: bytes, receive: Receive, response: _Response) -> None:
        """Run the application as long as its client is there."""
        assert self._ended is not None

        async def respond() -> None:
            await self._app(scope, _given(body), response.send)

        work = asyncio.create_task(respond())
        gone = asyncio.create_task(_until_gone(receive))
        try:
            await asyncio.wait({work, gone, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and response.complete:
                await asyncio.wait({work})
        finally:
            gone.cancel()
            work.cancel()
        if not work.done():
            await asyncio.wait({work})
        if not work.cancelled():
            work.result()
        elif self._ended.done():
            raise ApiError(503, "the server has stopped", code="stopping", type=SERVER, closes=True)

    def _count(self, scope: Scope, response: _Response, seconds: float) -> None:
        route = str(getattr(scope.get("route"), "path", "other"))
        self._service.metrics.requests.labels(route, str(response.status or _GONE)).inc()
        self._service.metrics.request_seconds.labels(route).observe(seconds)


class _Response:
    """Sends the messages of a response, and keeps its status and whether it is complete."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.complete = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            secure = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]
            message = {**message, "headers": [*message["headers"], *secure]}
        else:
            # Set first: the server reports a complete response to the watch over the client as its end.
            self.complete = not message.get("more_body", False)
        await self._send(message)


def _given(body: bytes) -> Receive:
    """The body, and then nothing: the watch over the client tells when it leaves."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        never: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        return await never

    return receive


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
