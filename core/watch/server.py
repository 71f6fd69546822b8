"""The server of a live page: one address, ``/``, of the standard library's HTTP server.

A request names no file: every other path is refused, and nothing is read from a request's body. A page of another
site cannot read the answers through a name that it controls, since the ``Host`` of a request must be an address.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import time
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ..errors import Problem, UsageError
from .live_page import LivePage, script_digest

SECONDS = 20
"""Time that a client may take to send its request, and each part of the answer to be taken."""

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src '{script_digest()}'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class PageServer(ThreadingHTTPServer):
    """Serves a page at ``url`` until it is shut down. Raises ``UsageError`` where the address cannot be used."""

    daemon_threads = True

    def __init__(self, page: LivePage, host: str, port: int) -> None:
        self.page = page
        self.host = host
        try:
            self.address_family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            super().__init__(address[:2], _Handler)  # type: ignore[arg-type]
        except (OSError, UnicodeError) as error:
            raise UsageError(_refused(error, host, port)) from error

    @property
    def url(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{name}:{self.server_address[1]}/"

    def server_bind(self) -> None:
        """Bind without asking a name server for the name of this machine."""
        if self.allow_reuse_address:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away."""


def is_loopback(server: PageServer) -> bool:
    """Whether only programs of this machine reach the server."""
    return ipaddress.ip_address(str(server.server_address[0]).partition("%")[0]).is_loopback


def _refused(error: Exception, host: str, port: int) -> Problem:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        return Problem(f"the port {port} is in use", hint="choose another --port; 0 takes a free one")
    if number == errno.EACCES:
        return Problem(f"no permission for the port {port}", hint="choose a --port from 1024 on")
    return Problem(f"the address '{host}' cannot be used: {error}", hint="--host takes an address of this machine")


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    timeout = SECONDS
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "janiform", ""

    def do_GET(self) -> None:
        """Send the page, or nothing where the client has it."""
        if not self._is_own_host():
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST, "open this page by the address that `janiform watch` printed")
        elif self.path.partition("?")[0] != "/":
            self._refuse(HTTPStatus.NOT_FOUND, "there is one page, at /")
        else:
            self._send()

    do_HEAD = do_GET  # noqa: N815 - the base class calls it so

    def _send(self) -> None:
        version = self.server.page.version()
        unchanged = self.headers.get("If-None-Match") == version.tag
        self.send_response(HTTPStatus.NOT_MODIFIED if unchanged else HTTPStatus.OK)
        self.send_header("ETag", version.tag)
        if version.changed:
            self.send_header("Last-Modified", formatdate(min(version.changed, time.time()), usegmt=True))
        if unchanged:
            self._end(b"", "")
        else:
            self._end(version.html, "text/html; charset=utf-8")

    def _is_own_host(self) -> bool:
        """Whether the request names the server by an address, as localhost, or by the name given to --host."""
        host = self.headers.get("Host", "").strip().lower()
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        if name in ("localhost", self.server.host.lower()):
            return True
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        self.send_response(status)
        self._end(f"{sentence}\n".encode(), "text/plain; charset=utf-8")

    def _end(self, content: bytes, kind: str) -> None:
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if kind:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""
