"""A server on the loopback that answers as an OpenAI-compatible endpoint, or fails as one may."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class JudgeServer:
    """The answers of an endpoint. ``reply(request)`` gives a text; ``faults`` are used up by the first requests.

    A fault is a status, a status with headers, bytes to send as they are, or ``"hang"``, which never answers.
    """

    def __init__(self, reply: Callable[[dict[str, Any]], str], url: str) -> None:
        self.reply, self.url = reply, url
        self.faults: list[Any] = []
        self.requests: list[dict[str, Any]] = []
        self.keys: set[str] = set()
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()

    def settings(self, folder: Any, **more: Any) -> dict[str, Any]:
        """Settings of a benchmark that judge by this server, with a cache in the folder."""
        return {"judge": "judge-1", "judge_url": self.url, "judge_cache": str(folder), **more}


def _handler(server: JudgeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with server.lock:
                server.requests.append(request)
                server.keys.add(self.headers.get("Authorization", ""))
                fault = server.faults.pop(0) if server.faults else None
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
            try:
                self._respond(request, fault)
            finally:
                with server.lock:
                    server.at_once -= 1

        def _respond(self, request: dict[str, Any], fault: Any) -> None:
            if fault == "hang":
                server.closing.wait(5)
                return
            if isinstance(fault, bytes):
                self._send(200, fault, {})
                return
            if fault is not None:
                status, headers = fault if isinstance(fault, tuple) else (fault, {})
                error = {"error": {"message": f"fault {status}", "code": "fault"}}
                self._send(status, json.dumps(error).encode(), headers)
                return
            text = server.reply(request)
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
            usage = {"prompt_tokens": 100, "completion_tokens": 2, "total_tokens": 102}
            body = {"id": "1", "object": "chat.completion", "created": 0, "model": f"{request['model']}-0613"}
            self._send(200, json.dumps({**body, "choices": [choice], "usage": usage}).encode(), {})

        def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@contextmanager
def judge_server(reply: Callable[[dict[str, Any]], str] = lambda request: "1") -> Iterator[JudgeServer]:
    """A server that runs while the block does."""
    server = JudgeServer(reply, "")
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    http.daemon_threads = True
    server.url = f"http://127.0.0.1:{http.server_port}/v1"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        http.shutdown()
        http.server_close()
        thread.join()
