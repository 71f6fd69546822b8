"""`janiform watch` shows what ``report`` and ``ablate`` would publish, as it grows, and only reads the folders."""

from __future__ import annotations

import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from janiform import UsageError
from janiform.ablation.page import page_html
from janiform.ablation.refresh import refreshed
from janiform.ablation.results_json import read_results
from janiform.ablation.run_place import RunPlace, Status
from janiform.cli import main
from janiform.report.report import report_html
from janiform.train.run.record import read_run
from janiform.watch.live_page import LivePage, Version
from janiform.watch.server import PageServer, is_loopback
from janiform.watch.views import view_of
from run_folder import make_run
from study_folder import make_study


class Client:
    """Asks a server as a browser does."""

    def __init__(self, server: PageServer) -> None:
        self.port = server.server_address[1]

    def ask(self, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, http.client.HTTPMessage, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Client]]:
    """Starts servers of folders, whose pages are made again at every request."""
    servers: list[PageServer] = []

    def start(*folders: Path) -> Client:
        servers.append(PageServer(LivePage(view_of(folders), clock=lambda: 0.0), "127.0.0.1", 0))
        threading.Thread(target=servers[-1].serve_forever, args=(0.01,), daemon=True).start()
        return Client(servers[-1])

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def append(run: Path, text: str) -> None:
    with (run / "log.jsonl").open("a") as file:
        file.write(text)


def next_line(run: Path) -> str:
    last = json.loads((run / "log.jsonl").read_text().splitlines()[-1])
    return json.dumps({**last, "step": last["step"] + 1, "total": last["total"] + 1}) + "\n"


def section_of(page: str) -> str:
    """The part of a page that its renderer made."""
    return page[page.index("<main>") : page.index("</main>")]


def test_the_page_is_the_published_one_and_follows_the_log(tmp_path: Path, serve: Callable[..., Client]) -> None:
    folders = [make_run(tmp_path / name, steps=steps) for name, steps in (("a", 6), ("b", 9))]
    client = serve(*folders)
    status, headers, page = client.ask()
    assert status == 200
    assert section_of(page) == section_of(report_html([read_run(folder) for folder in folders]))
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert client.ask(If_None_Match=headers["ETag"])[0] == 304
    line = next_line(folders[0])
    append(folders[0], line[:40])
    assert section_of(client.ask()[2]) == section_of(page), "an incomplete line is not shown"
    append(folders[0], line[40:])
    status, later, page = client.ask(If_None_Match=headers["ETag"])
    assert (status, later["ETag"] == headers["ETag"]) == (200, False)
    assert "13 steps" in page


def test_a_run_that_has_written_no_line_yet_is_shown(tmp_path: Path, serve: Callable[..., Client]) -> None:
    run = make_run(tmp_path / "a")
    log = (run / "log.jsonl").rename(tmp_path / "log.jsonl")
    client = serve(run)
    assert "<h1>tiny</h1>" in client.ask()[2]
    log.rename(run / "log.jsonl")
    assert ">second</h2>" in client.ask()[2]
    (tmp_path / "a").rename(tmp_path / "b")
    page = client.ask()[2]
    assert ">second</h2>" in page
    assert "The files cannot be read now: there is no folder" in page
    (tmp_path / "b").rename(tmp_path / "a")
    assert "cannot be read" not in client.ask()[2]


def test_nothing_but_the_page_can_be_asked_for(tmp_path: Path, serve: Callable[..., Client]) -> None:
    client = serve(make_run(tmp_path / "a"))
    for path in ("/log.jsonl", "/../a/run.json", "//etc/passwd", "/%2e%2e/", "*"):
        status, _, text = client.ask(path)
        assert (status, text) == (404, "there is one page, at /\n"), path
    assert client.ask(method="POST")[0] == 501
    assert client.ask(method="HEAD")[2] == ""
    port = client.port
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example", ""):
        assert client.ask(Host=host)[0] == 421, host
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}", "127.0.0.1"):
        assert client.ask(Host=host)[0] == 200, host


def test_a_client_that_sends_nothing_holds_up_nobody(tmp_path: Path, serve: Callable[..., Client]) -> None:
    client = serve(make_run(tmp_path / "a"))
    silent = [socket.create_connection(("127.0.0.1", client.port)) for _ in range(20)]
    silent[0].sendall(b"GET / HTTP/1.1\r\nHo")
    silent[1].sendall(bytes(range(256)) * 8)
    assert client.ask()[0] == 200
    for one in silent:
        one.close()


@pytest.mark.parametrize("kind", ["run", "study"])
def test_files_may_change_while_they_are_read(kind: str, tmp_path: Path, serve: Callable[..., Client],
                                              monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """Another machine's copy arrives in pieces: files are cut, replaced, removed, and come back."""
    monkeypatch.setattr("janiform.ablation.refresh.time.strftime", lambda *_: "the same moment")
    choose = random.Random(0)
    folder = make_run(tmp_path / "a") if kind == "run" else make_study(tmp_path / "a", cells=("base",), seeds=(0,))
    if kind == "study":
        place = RunPlace(folder / "cells" / "base" / "seed-0", "base", 0)
        make_run(place.run)
        place.set(Status("done", stages={"first": "trained"}))
        place.scores.write_text(json.dumps({"scores": {"x": {"value": 0.5}}, "metrics": {"x": {"direction": "up"}}}))
    whole = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    client = serve(folder)
    before = section_of(client.ask()[2])
    for _ in range(80):
        path = choose.choice(list(whole))
        data = whole[path]
        if (fate := choose.random()) < 0.2:
            path.unlink(missing_ok=True)
        elif fate < 0.5:
            path.write_bytes(data[: choose.randrange(len(data) + 1)])
        elif fate < 0.7:
            path.write_bytes(bytes(choose.randrange(256) for _ in range(20)) + data)
        elif fate < 0.8:
            path.write_bytes(choose.choice((b"{}\n", b"[]\n", b'{"stage": "first", "step": 3}\n', b"null\n")))
        else:
            path.write_bytes(data)
        status, _, page = client.ask()
        assert status == 200
        assert page.endswith("</html>\n")
    for path, data in whole.items():
        path.write_bytes(data)
    assert section_of(client.ask()[2]) == before


def test_a_study_is_shown_cell_by_cell_and_only_read(
    tmp_path: Path, serve: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = make_study(tmp_path / "out", cells=("base", "deep"), seeds=(0, 1))
    place = RunPlace(out / "cells" / "deep" / "seed-1", "deep", 1)
    place.path.mkdir(parents=True)
    (place.path / ".lock").touch()
    monkeypatch.setattr("janiform.ablation.run_place._locked", lambda *_, **__: pytest.fail("a lock was taken"))
    monkeypatch.setattr("janiform.ablation.refresh.time.strftime", lambda *_: "the same moment")
    client = serve(out)
    page = client.ask()[2]
    assert "0 of 4 runs are done." in page
    assert page.count(">planned</span>") == 4
    place.set(Status("running", stages={"all": "trained"}, pid=1))
    assert ">all</span>" in client.ask()[2]
    make_run(tmp_path / "other")
    shutil.copytree(tmp_path / "other", place.run)
    (place.run / "log.jsonl").write_text((place.run / "log.jsonl").read_text().replace('"second"', '"all"'))
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    page = client.ask()[2]
    assert ">all 6/8</span>" in page
    published = page_html(refreshed(read_results(out / "study.json"), out, check_processes=False), out)
    assert section_of(page) == section_of(published)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_what_cannot_be_watched_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, study = make_run(tmp_path / "a"), make_study(tmp_path / "out", cells=("base",), seeds=(0,))
    (tmp_path / "empty").mkdir()
    for folders, sentence in (
        ([tmp_path / "none"], "there is no folder"),
        ([tmp_path / "empty"], "is the folder of neither a run nor a study"),
        ([run, run / ".." / "a"], "is given twice"),
        ([study, run], "a study is watched alone"),
    ):
        with pytest.raises(UsageError, match=sentence):
            view_of(folders)
    (study / "study.json").unlink()
    with pytest.raises(UsageError, match=r"has no study\.json"):
        view_of([study])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["watch", str(run), "--port", str(port)]) == 2
        assert f"the port {port} is in use" in capsys.readouterr().err
    for host in ("203.0.113.7", "not a host", "x" * 80):
        assert main(["watch", str(run), "--port", "0", "--host", host]) == 2
        assert "cannot be used" in capsys.readouterr().err


def test_who_can_reach_the_page(tmp_path: Path) -> None:
    page = LivePage(view_of([make_run(tmp_path / "a")]))
    for host, expected in (("localhost", True), ("127.0.0.1", True), ("0.0.0.0", False)):
        with PageServer(page, host, 0) as server:
            assert is_loopback(server) == expected
            assert server.url == f"http://{host}:{server.server_address[1]}/"


def test_ctrl_c_ends_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "janiform", "watch", str(make_run(tmp_path / "a")), "--port", "0"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=os.environ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("The page is http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        try:
            rest, errors = process.communicate(timeout=30)
        finally:
            process.kill()  # or a process that does not end would be waited for
    assert (process.returncode, rest, errors.strip()) == (0, "", "")


@pytest.mark.skipif(shutil.which("chromium") is None, reason="the browser `chromium` is not installed")
def test_a_browser_changes_the_page_in_place(tmp_path: Path, serve: Callable[..., Client]) -> None:
    """The script runs under the page's own policy, and a log that grows changes the page without a reload."""
    run = make_run(tmp_path / "a")
    asked = threading.Event()
    line = next_line(run)

    class Told(LivePage):
        """Lets the log grow after the browser has got its first page."""

        def version(self) -> Version:
            version = super().version()
            if not asked.is_set():
                asked.set()
                append(run, line)
            return version

    with PageServer(Told(view_of([run]), clock=lambda: 0.0), "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
        command = ["chromium", *options, "--virtual-time-budget=9000", "--dump-dom", server.url]
        page = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
        server.shutdown()
    assert "<dd>13</dd>" in page, "the page as it was loaded has 12 steps"
    assert "files changed" in page
