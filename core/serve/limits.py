"""Limits of what a request may bring along, checked before it is parsed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from .errors import SERVER, ApiError

if TYPE_CHECKING:
    from starlette.datastructures import Headers

    from .settings import ServerSettings

_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_BRACKET = re.compile(rb"[][{}]")

_DISCARD = 2.0
"""Seconds in which the rest of a refused request is read, so that its client gets the response."""


def check_json(body: bytes, settings: ServerSettings) -> None:
    """Raise ``ApiError`` for JSON of which the parsed form would be far larger than its text, or too deep."""
    structure = _TEXT.sub(b"", body)
    if len(structure) > settings.json_structure:
        raise ApiError(
            400,
            f"the JSON has {len(structure):,} bytes outside of its texts; the limit is {settings.json_structure:,}",
            code="json_too_large",
        )
    depth = 0
    for bracket in _BRACKET.findall(structure):
        depth += 1 if bracket in b"[{" else -1
        if depth > settings.json_depth:
            raise ApiError(400, f"the JSON is nested deeper than {settings.json_depth} levels", code="json_too_deep")


class BodyReader:
    """Reads the bodies of requests, each up to its limit and all together up to theirs."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._held = 0

    @contextmanager
    def body(self) -> Iterator[HeldBody]:
        """A body whose bytes count as held until the context ends."""
        held = HeldBody(self, self._settings)
        try:
            yield held
        finally:
            self._held -= held.size

    def hold(self, count: int) -> None:
        """Count further bytes. Raises ``ApiError`` where all bodies together would have too many."""
        if self._held + count > self._settings.bodies:
            raise ApiError(
                503,
                "the server holds as many bytes of requests as it may; try again",
                code="overloaded",
                type=SERVER,
                headers={"retry-after": "5"},
                closes=True,
            )
        self._held += count


class HeldBody:
    """The body of one request. ``whole``: whether all of it was read."""

    def __init__(self, reader: BodyReader, settings: ServerSettings) -> None:
        self._reader = reader
        self._settings = settings
        self.size = 0
        self.whole = False

    async def read(self, receive: Receive, headers: Headers) -> bytes:
        """All bytes. Raises ``ApiError`` for a body that is too large or slow, and ``ClientDisconnect``."""
        announced = headers.get("content-length", "")
        if announced.isdigit() and int(announced) > self._settings.body:
            raise self._too_large()
        chunks: list[bytes] = []
        try:
            async with asyncio.timeout(self._settings.receive):
                while not self.whole:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientDisconnect
                    chunk: bytes = message.get("body", b"")
                    if self.size + len(chunk) > self._settings.body:
                        raise self._too_large()
                    self._reader.hold(len(chunk))
                    self.size += len(chunk)
                    chunks.append(chunk)
                    self.whole = not message.get("more_body", False)
        except TimeoutError:
            seconds = self._settings.receive
            raise ApiError(
                408, f"the request did not arrive within {seconds:g} seconds", code="request_timeout", closes=True
            ) from None
        return b"".join(chunks)

    async def discard(self, receive: Receive) -> None:
        """Read what is left of a request that was refused, for a short time: an early response is lost otherwise."""
        try:
            async with asyncio.timeout(_DISCARD):
                while not self.whole:
                    message = await receive()
                    self.whole = message["type"] == "http.disconnect" or not message.get("more_body", False)
        except TimeoutError:
            return

    def _too_large(self) -> ApiError:
        limit = self._settings.body / (1 << 20)
        return ApiError(413, f"a request may have up to {limit:g} MiB", code="request_too_large", closes=True)
