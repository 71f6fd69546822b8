"""``janiform serve``: how it starts, refuses to start, and ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, cast

import pytest
from janiform.cli import main
from janiform.inference.batching import BatchingEngine

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--host", "0.0.0.0"], "--host 0.0.0.0 lets other machines in, so that a key is needed"),
        (["--host", "no.such.host.invalid", "--api-key", "k"], "is not an address of this machine"),
        (["--host", "192.0.2.1", "--api-key", "k"], "cannot listen on 192.0.2.1"),
        (["--api-key", " "], "an API key is empty"),
        (["janus-mini"], "would both be served as 'janus-mini'"),
        (["no-such-model"], "no-such-model"),
        (["--queue", "0"], "--queue"),
        (["--sampler", "flow"], "the model 'janus-mini' cannot draw with the sampler 'flow'"),
    ],
)
def test_a_wrong_start_is_a_sentence(arguments: list[str], sentence: str, capsys: Capture) -> None:
    assert main(["serve", "janus-mini", "--port", "0", *arguments]) in (1, 2)
    assert sentence in capsys.readouterr().err


def test_a_port_in_use_is_a_sentence(capsys: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "janus-mini", "--port", str(port)]) == 2
    assert f"port {port} of 127.0.0.1 is in use" in capsys.readouterr().err


def test_without_its_packages_it_says_how_to_install_them(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("janiform.serve")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["serve", "janus-mini"]) == 1
    assert "pip install 'janiform[serve]'" in capsys.readouterr().err


def served(client: Callable[[int], None]) -> int:
    """Run the command in this process while a client, in a thread, uses its port and sends signals."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(client, port)
        code = main(["serve", "janus-mini", "--port", str(port)])
        done.result(60)
    return code


def drawing(port: int) -> tuple[socket.socket, BinaryIO]:
    """A connection on which pictures are drawn: the response has begun."""
    body = json.dumps({"prompt": "a red circle", "n": 4, "stream": True, "partial_images": 3}).encode()
    head = f"POST /v1/images/generations HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n"
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), 60)
            break
        except ConnectionRefusedError:  # the model is loaded
            time.sleep(0.05)
    connection.sendall(head.encode() + b"content-type: application/json\r\n\r\n" + body)
    answer = cast(BinaryIO, connection.makefile("rb"))
    assert answer.readline() == b"HTTP/1.1 200 OK\r\n"
    return connection, answer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_signal_lets_running_requests_end(number: signal.Signals, capsys: Capture) -> None:
    def client(port: int) -> None:
        connection, answer = drawing(port)
        with connection, answer:
            os.kill(os.getpid(), number)
            assert answer.read().count(b"event: image_generation.completed") == 4

    assert served(client) == 0
    printed = capsys.readouterr()
    assert re.fullmatch(r"janus-mini at http://127\.0\.0\.1:\d+\n", printed.out)
    assert printed.err.startswith("note: running requests are ended")


def test_a_second_ctrl_c_ends_at_once(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    step = BatchingEngine.step
    # 64 steps take longer than both signals, however fast the machine is.
    monkeypatch.setattr(BatchingEngine, "step", lambda engine: (time.sleep(0.05), step(engine))[1])

    def client(port: int) -> None:
        connection, answer = drawing(port)
        with connection, answer:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)  # the first one is noticed before the second
            os.kill(os.getpid(), signal.SIGINT)
            rest = answer.read()
            assert rest.count(b"event: image_generation.completed") < 4
            assert not rest.endswith(b"0\r\n\r\n")

    assert served(client) == 1
    assert "requests that were cut off: 1" in capsys.readouterr().err
