"""Clients that are slow, wrong, too many or gone: each gets a sentence or loses its connection; others are served."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from attrs import evolve
from janiform import Model
from janiform.serve.settings import MIB, ServerSettings
from serving import PATIENCE, Serving, chat, connected, gated, head_of, posted, received, serving

HASTY = ServerSettings(queue=8, body=1 * MIB, bodies=4 * MIB, receive=0.6, head=0.6, send=0.5, grace=20.0)


@pytest.fixture(scope="module")
def server(small: Model) -> Iterator[Serving]:
    with serving({"small": small}, HASTY) as running:
        yield running


@pytest.fixture(autouse=True)
def _still_serves(server: Serving) -> Iterator[None]:
    yield
    assert posted(server.port, chat(max_tokens=2))[0] == 200
    until(lambda: in_flight(server) == 0)


def in_flight(server: Serving) -> float | None:
    return server.service.metrics.registry.get_sample_value("janiform_requests_in_flight")


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def error(connection: socket.socket) -> tuple[int, str]:
    status, _, body = received(connection)
    return status, json.loads(body)["error"]["message"] if body else ""


def test_a_picture_of_4_gb_that_is_announced_and_not_sent(server: Serving) -> None:
    with connected(server.port) as connection:
        connection.sendall(head_of(b"", **{"content-length": str(4 << 30)}) + b'{"messages":')
        assert error(connection) == (413, "a request may have up to 1 MiB")
        assert connection.recv(1) == b""
    with connected(server.port) as connection:
        connection.sendall(head_of(b"", **{"content-length": str(4 << 30), "expect": "100-continue"}))
        assert error(connection)[0] == 413


def test_a_body_that_is_too_large_is_read_far_enough_to_get_its_answer(server: Serving) -> None:
    body = chat("x" * 3 * MIB)
    assert posted(server.port, body)[0] == 413
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:MIB], body[MIB:])) + b"0\r\n\r\n"
    with connected(server.port) as connection:
        connection.sendall(head_of(b"", **{"content-length": "", "transfer-encoding": "chunked"}) + chunks)
        assert error(connection)[0] == 413


def test_clients_that_send_slowly_or_never(server: Serving) -> None:
    body = chat()
    idle, half_a_head, half_a_body, trickle = (connected(server.port) for _ in range(4))
    with idle, half_a_head, half_a_body, trickle:
        half_a_head.sendall(head_of(body)[:40])
        half_a_body.sendall(head_of(body) + body[:10])
        assert error(half_a_body) == (408, "the request did not arrive within 0.6 seconds")
        for connection in (idle, half_a_head):
            assert ended(connection)
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            send_slowly(trickle, head_of(body) * 100)


def ended(connection: socket.socket) -> bool:
    """Whether the other side ends the connection."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def send_slowly(connection: socket.socket, data: bytes) -> None:
    for byte in data:
        connection.sendall(bytes([byte]))
        time.sleep(0.02)


def test_half_closed_connections_end(server: Serving) -> None:
    with connected(server.port) as connection:
        body = chat(max_tokens=200, temperature=1)
        connection.sendall(head_of(body) + body)
        connection.shutdown(socket.SHUT_WR)
        received(connection)
    with connected(server.port) as connection:
        connection.sendall(head_of(b"12345")[:-2])
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


@pytest.mark.parametrize(
    ("body", "headers", "status", "sentence"),
    [
        (b"{", {}, 400, "the body is not valid JSON: Expecting property name"),
        (b"", {}, 400, "the body is missing"),
        (b"[]", {}, 400, "the body is not valid"),
        (b'"\xff"', {}, 400, "parsing the body"),
        (b'{"messages":' + b"9" * 5000 + b"}", {}, 400, "parsing the body"),
        (b"[" * 200_000, {"content-type": "Application/JSON"}, 400, "nested deeper than 32 levels"),
        (b"{}", {"content-type": "text/plain"}, 415, "must be application/json, not 'text/plain'"),
        (b"{}", {"content-type": ""}, 415, "this request has none"),
        (b"{}", {"path": "/v1/images/edits"}, 415, "must be multipart/form-data"),
        (b"--x\r\n", {"path": "/v1/images/edits", "content-type": "multipart/form-data"}, 400, "boundary"),
        (b"{}", {"path": "/v1/nothing"}, 404, "there is nothing at this address"),
        (b"{}", {"path": "/v1/models"}, 405, "does not serve this method"),
        (chat(model="other"), {}, 404, "there is no model 'other' (known: small)"),
        (chat(), {"host": "example.com"}, 403, "answers requests to localhost only"),
        (chat(), {"origin": "http://example.com"}, 403, "pages from other sites"),
    ],
)
def test_a_request_that_is_wrong_gets_a_sentence(
    server: Serving, body: bytes, headers: dict[str, Any], status: int, sentence: str
) -> None:
    got, answer = posted(server.port, body, **headers)
    assert got == status
    assert sentence in answer["error"]["message"]
    assert set(answer["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("request_line", [b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\r\n\r\n", b"POST / HTTP/9\r\n\r\n"])
def test_what_is_not_http_gets_json_too(server: Serving, request_line: bytes) -> None:
    with connected(server.port) as connection:
        connection.sendall(request_line)
        assert error(connection)[0] == 400


def form(*parts: tuple[str, str, bytes]) -> bytes:
    """A form of (name, file name, content); no file name for a text."""
    lines = b""
    for name, file, content in parts:
        file = f'; filename="{file}"' if file else ""
        lines += f'--x\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + content + b"\r\n"
    return lines + b"--x--\r\n"


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ([("prompt", "", b"a square")], "'image' is missing"),
        ([("image", "a.png", b"no picture"), ("prompt", "", b"a square")], "picture 1 is not a picture"),
        ([("image", "", b"/etc/hostname"), ("prompt", "", b"a square")], "'image' must be a file"),
        ([("image", "a.png", b"x")], "'prompt' is missing"),
        ([("image", "a.png", b"x"), ("prompt", "", b"a"), ("prompt", "", b"b")], "'prompt' is given twice"),
        ([("image", "a.png", b"x"), ("prompt", "", b"a"), ("mask", "m.png", b"x")], "'mask' is not supported"),
        ([("image", "a.png", b"x"), ("prompt", "", b"a"), ("n", "", b"many")], "'n': input should be a valid integer"),
        ([("image", "a.png", b"x")] * 17, "Too many files"),
        ([(f"f{index}", "", b"x") for index in range(200)], "Too many fields"),
    ],
)
def test_a_form_that_is_wrong_gets_a_sentence(server: Serving, parts: Any, sentence: str) -> None:
    kind = {"content-type": "multipart/form-data; boundary=x"}
    status, answer = posted(server.port, form(*parts), "/v1/images/edits", **kind)
    assert status == 400
    assert sentence in answer["error"]["message"]


def test_500_requests_at_once_on_a_queue_of_8(small: Model) -> None:
    gate, answers, lock = threading.Event(), [], threading.Lock()

    def ask(number: int) -> None:
        with connected(running.port) as connection:
            body = chat(max_tokens=1)
            connection.sendall(head_of(body) + body)
            status, headers, answer = received(connection)
        with lock:
            answers.append((status, headers, json.loads(answer)))

    with serving({"small": small}, evolve(HASTY, receive=60.0, head=60.0), gated(gate)) as running:
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(500)]
        for thread in threads:
            thread.start()
        until(lambda: len(answers) >= 500 - 8 - 4)
        gate.set()
        for thread in threads:
            thread.join(PATIENCE)
    statuses = Counter(status for status, _, _ in answers)
    assert set(statuses) == {200, 429}
    assert 8 <= statuses[200] <= 12
    for status, headers, answer in answers:
        if status == 429:
            assert 1 <= int(headers["retry-after"]) <= 60
            assert answer["error"]["code"] == "rate_limit_exceeded"
            assert "queue is full (8 requests)" in answer["error"]["message"]


def test_what_a_client_left_behind_is_not_computed(small: Model) -> None:
    gate = threading.Event()
    with serving({"small": small}, HASTY, gated(gate)) as running:
        runner = running.service.models["small"].runner
        connections = [connected(running.port) for _ in range(HASTY.queue)]
        for number, connection in enumerate(connections):
            body = chat(max_tokens=1, stream=bool(number % 2))
            connection.sendall(head_of(body) + body)
        until(lambda: runner.begun + runner.waiting == HASTY.queue)
        for connection in connections[1:]:
            connection.close()
        until(lambda: runner.waiting == 0)
        gate.set()
        assert received(connections[0])[0] == 200
        connections[0].close()
        until(lambda: runner.begun == 0)
        steps = running.service.metrics.registry.get_sample_value("janiform_step_rows_total", {"model": "small"})
        assert steps is not None
        assert steps <= 2  # the first, and one that may have begun before its client left


def test_a_client_that_does_not_read_is_disconnected(server: Serving) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server.port))
        body = json.dumps({"prompt": "a square", "n": 8, "stream": True, "partial_images": 3}).encode()
        connection.sendall(head_of(body, "/v1/images/generations") + body)
        until(lambda: in_flight(server) == 1)
        until(lambda: in_flight(server) == 0)
        sent = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        assert sent.startswith(b"HTTP/1.1 200")
        assert not sent.endswith(b"0\r\n\r\n")


def test_a_request_ends_at_its_deadline(small: Model) -> None:
    gate = threading.Event()
    with serving({"small": small}, evolve(HASTY, deadline=0.3), gated(gate)) as running:
        for stream in (False, True):
            status, answer = posted(running.port, chat(stream=stream))
            assert status == 504
            assert answer["error"]["message"] == "the request was not done within 0.3 seconds, the server's deadline"
        gate.set()


def test_running_requests_end_and_new_ones_are_refused_when_the_server_stops(small: Model) -> None:
    gate = threading.Event()
    with (
        serving({"small": small}, HASTY, gated(gate)) as running,
        connected(running.port) as first,
        connected(running.port) as second,
        connected(running.port) as third,
    ):
        body = chat(max_tokens=3)
        first.sendall(head_of(body) + body)
        until(lambda: running.service.models["small"].runner.begun == 1)
        running.stop()
        until(lambda: running.service.stopping)
        second.sendall(head_of(body) + body)
        assert error(second) == (503, "the server is stopping")
        third.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert received(third)[0] == 503
        gate.set()
        status, _, answer = received(first)
        assert status == 200
        alone = small.ask(None, "how many?", max_new_tokens=3)
        assert json.loads(answer)["choices"][0]["message"]["content"] == alone


def test_a_key_is_needed_where_there_is_one(small: Model) -> None:
    with serving({"small": small}, evolve(HASTY, api_keys=("one", "two"), loopback=False)) as running:
        for key in ("", "Bearer three", "Basic one", "Bearer ", "Bearer \xff"):
            status, answer = posted(running.port, chat(max_tokens=1), authorization=key)
            assert status == 401
            assert answer["error"]["code"] == "invalid_api_key"
        for key in ("Bearer one", "bearer two"):
            assert posted(running.port, chat(max_tokens=1), host="example.com", authorization=key)[0] == 200
        for path, status in {
            "/": 200,
            "/health": 200,
            "/metrics": 401,
            "/v1/models": 401,
            "/openapi.json": 401,
        }.items():
            with connected(running.port) as connection:
                connection.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
                assert received(connection)[0] == status
