"""A server in a thread of the tests, and raw connections to it."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define, field
from janiform.inference.batching import BatchingEngine
from janiform.serve.app import guarded_app
from janiform.serve.server import ApiServer, listening_socket
from janiform.serve.settings import ServerSettings
from janiform.serve.start import running_service
from PIL import Image

if TYPE_CHECKING:
    from janiform import Model
    from janiform.serve.service import Service

PATIENCE = 60.0
"""Seconds after which a test that waits has failed."""


@define
class Serving:
    """A server that runs. ``bugs``: the exceptions that it would have logged."""

    address: str
    service: Service
    server: ApiServer
    loop: asyncio.AbstractEventLoop
    bugs: list[Exception] = field(factory=list)

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def stop(self) -> None:
        with suppress(RuntimeError):  # it has stopped
            self.loop.call_soon_threadsafe(self.server.stop)


@contextmanager
def serving(
    models: Mapping[str, Model], settings: ServerSettings | None = None, make_engine: Any = BatchingEngine
) -> Iterator[Serving]:
    """Serve models until the context ends; fails where the server had a bug or cut off a request."""
    settings = settings or ServerSettings()
    ready, running, cut_off = threading.Event(), [], []

    async def main() -> None:
        bugs: list[Exception] = []
        with (
            closing(listening_socket("127.0.0.1", 0)) as bound,
            running_service(models, settings, bugs.append, make_engine) as service,
        ):
            bound.setsockopt(
                socket.SOL_SOCKET, socket.SO_SNDBUF, 4096
            )  # so that a client that does not read is noticed
            server = ApiServer(guarded_app(service, bugs.append), service, bound)
            running.append(Serving(server.address, service, server, asyncio.get_running_loop(), bugs))
            cut_off.append(await server.run(ready.set))

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield running[0]
    finally:
        running[0].stop()
        thread.join(PATIENCE)
    assert not thread.is_alive()
    assert not running[0].bugs
    assert cut_off == [0]


def picture(seed: int, size: tuple[int, int] = (40, 30)) -> Image.Image:
    """A picture of noise in large squares."""
    width, height = size
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.NEAREST)


def png(picture: Image.Image) -> bytes:
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), PATIENCE)


def head_of(body: bytes, path: str = "/v1/chat/completions", **headers: str) -> bytes:
    """The head of a POST of JSON; headers replace the usual ones."""
    usual = {"host": "localhost", "content-type": "application/json", "content-length": str(len(body))}
    lines = [f"POST {path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in (usual | headers).items() if value]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def received(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """The status, the headers and the body of a response; the status 0 where the connection ends without any."""
    file = connection.makefile("rb")
    line = file.readline()
    if not line:
        return 0, {}, b""
    headers: dict[str, str] = {}
    while (text := file.readline().decode().strip()) != "":
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    length = headers.get("content-length")
    return int(line.split()[1]), headers, file.read() if length is None else file.read(int(length))


def posted(port: int, body: bytes, path: str = "/v1/chat/completions", **headers: str) -> tuple[int, Any]:
    """The status and the JSON of the response to a POST."""
    with connected(port) as connection:
        connection.sendall(head_of(body, path, **headers) + body)
        status, _, answer = received(connection)
    return status, json.loads(answer)


def chat(text: str = "how many?", **fields: Any) -> bytes:
    """The body of a request for a chat completion."""
    return json.dumps({"messages": [{"role": "user", "content": text}], **fields}).encode()


class GatedEngine(BatchingEngine):
    """An engine that computes nothing before its gate opens."""

    def __init__(self, model: Any, gate: threading.Event) -> None:
        super().__init__(model)
        self._gate = gate

    def step(self) -> None:
        assert self._gate.wait(PATIENCE)
        super().step()


def gated(gate: threading.Event) -> Callable[[Any], GatedEngine]:
    return lambda model: GatedEngine(model, gate)
