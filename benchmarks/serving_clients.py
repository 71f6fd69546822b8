"""Clients of ``serving.py``: their requests, honest and hostile, over plain HTTP connections that are kept open.

Every honest request has a number, by which its answer is known beforehand: what the model gives to it alone.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import random
import struct
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import numpy as np
from attrs import define, field, frozen
from janiform import Model
from PIL import Image

QUESTIONS = ("how many squares are there?", "is there a red circle?", "what is above the blue square?")
PROMPTS = ("a red circle above a blue square", "two green crosses", "a small yellow triangle", "three blue circles")
TIMEOUT = 300.0


@frozen
class Honest:
    """A request whose answer is known: a path, a body, and how it is asked of a model alone."""

    kind: str
    path: str
    body: bytes
    alone: Callable[[Model], str]


def picture_of(number: int) -> Image.Image:
    squares = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(squares).resize((64, 64), Image.Resampling.NEAREST)


def honest(number: int) -> Honest:
    """The request of a number. One in five draws; of the others, half are greedy and half sampled, at length."""
    if number % 5 == 4:
        prompt = PROMPTS[number % len(PROMPTS)]
        body = {"prompt": prompt, "seed": number}
        return Honest("picture", "/v1/images/generations", _json(body), lambda model: _digest(_drawn(model, body)))
    sampled = number % 2 == 1
    question, image = QUESTIONS[number % len(QUESTIONS)], picture_of(number)
    data = io.BytesIO()
    image.save(data, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"
    content = [{"type": "text", "text": question}, {"type": "image_url", "image_url": {"url": url}}]
    settings = {"temperature": 4.0, "seed": number, "max_tokens": 16} if sampled else {"max_tokens": 16}
    stream = number % 3 == 0
    chat = {"messages": [{"role": "user", "content": content}], "stream": stream, **settings}

    def alone(model: Model) -> str:
        given = {"max_new_tokens": 16, "temperature": settings.get("temperature"), "seed": settings.get("seed", 0)}
        return model.ask(image, question, **given)  # type: ignore[arg-type]

    return Honest("stream" if stream else "answer", "/v1/chat/completions", _json(chat), alone)


def _drawn(model: Model, body: dict[str, Any]) -> Image.Image:
    return model.generate(body["prompt"], seed=body["seed"])[0]


def _digest(picture: Image.Image) -> str:
    return hashlib.sha256(picture.tobytes()).hexdigest()


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()


@define
class Tally:
    """What clients saw. ``wrong``: answers that are not those of the model alone; ``lost``: requests without answer."""

    seconds: dict[str, list[float]] = field(factory=dict)
    first: list[float] = field(factory=list)
    tokens: int = 0
    refused: int = 0
    lost: list[str] = field(factory=list)
    wrong: list[int] = field(factory=list)
    hostile: int = 0
    unexpected: list[str] = field(factory=list)

    @property
    def answered(self) -> int:
        return sum(map(len, self.seconds.values()))


class Client:
    """One client, which asks one request after the other."""

    def __init__(self, port: int, answers: dict[int, str], tally: Tally) -> None:
        self.port = port
        self.answers = answers
        self.tally = tally
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def ask(self, number: int) -> None:
        """Make the honest request of a number, again where the server says that it is full."""
        request = honest(number)
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._ask(request, number)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            self.tally.lost.append(f"{request.kind} {number}: {type(error).__name__} {error}")
            self.close()

    async def _ask(self, request: Honest, number: int) -> None:
        begun = time.monotonic()
        while True:
            await self.send(post(request.path, request.body))
            status, headers, body, first = await self.response()
            if status != 429:
                break
            self.tally.refused += 1
            await asyncio.sleep(min(float(headers["retry-after"]), 1.0))
        if status != 200:
            raise ValueError(f"status {status}: {body[:200]!r}")
        self.tally.seconds.setdefault(request.kind, []).append(time.monotonic() - begun)
        if request.kind == "stream":
            self.tally.first.append(first - begun)
        text, tokens = read_answer(request.kind, body)
        self.tally.tokens += tokens
        if text != self.answers[number]:
            self.tally.wrong.append(number)

    async def send(self, data: bytes) -> None:
        if self.writer is None or self.writer.is_closing():
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writer.write(data)
        await self.writer.drain()

    async def response(self) -> tuple[int, dict[str, str], bytes, float]:
        """The status, the headers, the body, and when its first byte came."""
        assert self.reader is not None
        line = await self.reader.readline()
        if not line:
            raise EOFError("the connection was closed")
        headers = {}
        while (text := (await self.reader.readline()).decode().strip()) != "":
            name, _, value = text.partition(":")
            headers[name.lower()] = value.strip()
        first = time.monotonic()
        body = b""
        if "content-length" in headers:
            body = await self.reader.readexactly(int(headers["content-length"]))
        else:
            while size := int(await self.reader.readline(), 16):
                body += await self.reader.readexactly(size)
                await self.reader.readline()
            await self.reader.readline()
        if headers.get("connection") == "close":
            self.close()
        return int(line.split()[1]), headers, body, first

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None

    async def annoy(self, number: int) -> None:
        """Do something hostile, and check what comes of it."""
        name, act = HOSTILE[number % len(HOSTILE)]
        self.tally.hostile += 1
        self.close()
        try:
            async with asyncio.timeout(TIMEOUT):
                if (problem := await act(self, number)) is not None:
                    self.tally.unexpected.append(f"{name}: {problem}")
        except (OSError, EOFError, ValueError):
            pass  # the server closed the connection
        self.close()


def read_answer(kind: str, body: bytes) -> tuple[str, int]:
    """The text of a response, or the digest of its picture, and the number of tokens that it tells."""
    if kind == "picture":
        data = base64.b64decode(json.loads(body)["data"][0]["b64_json"])
        return _digest(Image.open(io.BytesIO(data))), 0
    if kind == "answer":
        answer = json.loads(body)
        return answer["choices"][0]["message"]["content"], answer["usage"]["completion_tokens"]
    events = [json.loads(line[6:]) for line in body.splitlines() if line.startswith(b"data: {")]
    if errors := [event["error"] for event in events if "error" in event]:
        raise ValueError(f"an error within the stream: {errors[0]['message']}")
    pieces = [event["choices"][0]["delta"].get("content", "") for event in events]
    return "".join(pieces), 0


def post(path: str, body: bytes, length: int | None = None, kind: str = "application/json") -> bytes:
    size = len(body) if length is None else length
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: {size}\r\n\r\n"
    return head.encode() + body


CHAT = "/v1/chat/completions"


def refused(status: int, path: str, body: bytes, **settings: Any) -> Callable[[Client, int], Awaitable[str | None]]:
    """A request that is refused with a status."""

    async def act(client: Client, number: int) -> str | None:
        await client.send(post(path, body, **settings))
        got, _, answer, _ = await client.response()
        return None if got == status and b'"message"' in answer else f"status {got}"

    return act


def left(path_of: Callable[[int], Honest], seconds: float) -> Callable[[Client, int], Awaitable[str | None]]:
    """A request whose client leaves after some seconds, without reading."""

    async def act(client: Client, number: int) -> str | None:
        request = path_of(number)
        await client.send(post(request.path, request.body))
        await asyncio.sleep(seconds)
        return None

    return act


async def half_a_body(client: Client, number: int) -> str | None:
    body = honest(number).body
    await client.send(post(CHAT, body[: len(body) // 2], len(body)))
    await asyncio.sleep(0.2)
    return None


async def garbage(client: Client, number: int) -> str | None:
    await client.send(random.Random(number).randbytes(200) + b"\r\n\r\n")
    await client.response()
    return None


def _bomb() -> bytes:
    """A chat whose picture has 20 000 × 20 000 pixels in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 10_000_000)) + chunk(b"IEND", b"")
    url = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return _json({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]})


def _of_kind(kind: str) -> Callable[[int], Honest]:
    def find(number: int) -> Honest:
        return next(one for one in _following(number) if one.kind == kind)

    return find


def _following(number: int) -> Iterator[Honest]:
    return (honest(number + more) for more in range(1, 100))


HOSTILE = (
    ("a client that leaves while it is answered", left(_of_kind("stream"), 0.05)),
    ("a client that leaves while a picture is drawn", left(_of_kind("picture"), 0.1)),
    ("a client that leaves at once", left(_of_kind("answer"), 0.0)),
    ("half a body", half_a_body),
    ("bytes that are not HTTP", garbage),
    ("JSON that is not valid", refused(400, CHAT, b'{"messages": [')),
    ("JSON of many levels", refused(400, CHAT, b"[" * 100_000)),
    ("JSON of many values", refused(400, CHAT, b"[0" + b",[]" * 300_000 + b"]")),
    ("a decompression bomb", refused(400, CHAT, _bomb())),
    ("4 GB announced", refused(413, CHAT, b"{", length=4 << 30)),
    ("another content type", refused(415, CHAT, b"{}", kind="text/plain")),
    ("a file of the server", refused(400, CHAT, _json({"messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "file:///etc/hostname"}}]}]}))),
    ("an unknown model", refused(404, CHAT, _json({"model": "x", "messages": [{"role": "user", "content": "x"}]}))),
    ("a prompt that is too long", refused(400, CHAT, _json({"messages": [{"role": "user", "content": "how " * 999}]}))),
)  # fmt: skip
"""What a hostile client does: a name, and a function that returns what was unexpected, or None."""
