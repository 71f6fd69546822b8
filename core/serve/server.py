"""The server: its socket, its start, and its end that lets running requests end first."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Callable
from typing import Any

import uvicorn

from ..errors import Problem, UsageError
from .connection import connection_class
from .guard import Guard
from .service import Service

_LATENCY = 0.05
"""Seconds between two looks whether running requests have ended."""


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that is bound to an address, so that a port in use is reported before any model is loaded.

    ``port`` 0 takes a free one. Raises ``UsageError`` where the address cannot be used.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(f"'{host}' is not an address of this machine: {error.strerror or error}") from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                Problem(f"port {port} of {host} is in use", hint="end the other program, or choose another --port")
            ) from None
        raise UsageError(f"the server cannot listen on {host}, port {port}: {error.strerror}") from None
    return bound


class ApiServer:
    """Serves an application until it is stopped."""

    def __init__(self, guard: Guard, service: Service, bound: socket.socket) -> None:
        self._guard = guard
        self._service = service
        self._bound = bound
        self._stopped = asyncio.Event()
        self._forced = asyncio.Event()

    @property
    def address(self) -> str:
        """The URL of the server."""
        host, port = self._bound.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def stop(self) -> None:
        """Refuse new requests, and end once those that run have ended; called again, end at once."""
        if self._service.stopping:
            self._forced.set()
        self._service.stopping = True
        self._stopped.set()

    async def run(self, on_ready: Callable[[], None]) -> int:
        """Serve until ``stop``; returns the number of requests that were cut off."""
        for name in ("uvicorn.error", "uvicorn.access"):  # their messages are responses, or reports of the guard
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        config = uvicorn.Config(
            self._guard,
            http=connection_class(self._service.settings),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        asyncio.get_running_loop().set_exception_handler(self._report)
        server = _QuietServer(config)
        serving = asyncio.create_task(server.serve(sockets=[self._bound]))
        while not server.started and not serving.done():
            await asyncio.sleep(_LATENCY)
        if not serving.done():
            on_ready()
        stopped = asyncio.create_task(self._stopped.wait())
        await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        cut_off = await self._drained()
        server.should_exit = True
        await serving
        return cut_off

    def _report(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Report what no request has met, such as connections that the system refuses."""
        self._guard.on_bug(context.get("exception") or RuntimeError(context["message"]))

    async def _drained(self) -> int:
        """Wait for running requests, as long as the settings say; returns how many had to be cut off."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._service.settings.grace):
                while self._guard.in_flight and not self._forced.is_set():
                    await asyncio.sleep(_LATENCY)
        cut_off = self._guard.in_flight
        self._guard.end()
        return cut_off


class _QuietServer(uvicorn.Server):
    """Leaves signals to the program that runs it."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield
