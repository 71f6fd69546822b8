"""Standard output and error: closed, full or read-only; and nothing but a command's own output on standard output."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import janiform
import pytest
from janiform.cli import main

CORE = Path(janiform.__file__).parent


def shell(command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command line in a shell, in which ``janiform`` is this one."""
    line = f'janiform() {{ "{sys.executable}" -m janiform "$@"; }}\n{command}'
    environment = {**os.environ, "TERM": "dumb", **variables}
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, env=environment, timeout=120)


@pytest.mark.parametrize("command", ["--version", "recipes", "check janus-mini", "components --json"])
def test_a_closed_standard_output_is_no_failure(command: str) -> None:
    result = shell(f"janiform {command} >&-")
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("command", "code", "error"),
    [
        ("janiform recipes >/dev/full", 1, "the disk is full"),
        ("janiform --help >/dev/full", 1, "the disk is full"),
        ("janiform recipes 1</dev/null", 1, "standard output cannot be written"),
        ("janiform recipes 2>&- >/dev/null", 0, ""),
        ("janiform check nowhere 2>&-", 2, ""),
        ("janiform check nowhere 2>/dev/full", 1, ""),
        ("janiform recipes <&- >&- 2>&-", 0, ""),
    ],
)
def test_streams_that_cannot_be_written_end_without_a_traceback(command: str, code: int, error: str) -> None:
    result = shell(command)
    assert result.returncode == code
    assert error in result.stderr
    assert "Traceback" not in result.stderr
    assert "Exception ignored" not in result.stderr


def test_what_plugins_print_goes_to_standard_error(tmp_path: Path) -> None:
    noise = (
        "import atexit, os, subprocess, sys\n"
        "print('NOISE 1')\nos.write(1, b'NOISE 2\\n')\nsys.__stdout__.write('NOISE 3\\n')\nsys.__stdout__.flush()\n"
        "subprocess.run(['echo', 'NOISE 4'])\natexit.register(lambda: print('NOISE 5'))\n"
    )
    install(tmp_path, "noisy", noise)
    result = shell("janiform plugins --json", PYTHONPATH=f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    names = [plugin["name"] for plugin in json.loads(result.stdout)["plugins"]]
    assert "noisy" in names
    assert [f"NOISE {number}" in result.stderr for number in range(1, 6)] == [True] * 5


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        ("class Odd(BaseException): pass\nraise Odd('x')", "Odd: x"),
        ("class Odd(BaseException):\n def __str__(self): raise ValueError\nraise Odd", "Odd: <Odd>"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("raise BaseExceptionGroup('two', [KeyError('a'), SystemExit(3)])", "KeyError: 'a'; SystemExit: 3"),
        ("raise RuntimeError('\\x1b[2J')", r"\x1b[2J"),
    ],
)
def test_a_plugin_may_raise_anything(raised: str, error: str, tmp_path: Path) -> None:
    install(tmp_path, "broken", raised)
    result = shell("janiform plugins", PYTHONPATH=f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    assert result.returncode == 0
    assert error in result.stdout
    assert "\x1b" not in result.stdout + result.stderr


def install(folder: Path, name: str, code: str) -> None:
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[janiform]\n{name} = {name}\n")
    (folder / f"{name}.py").write_text(code)


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "\x1b[2Jx.toml"],
        ["\x1b[2J"],
        ["check", "--\x1b[2J"],
        ["check", "janus-mini", "--set", 'description="\x1b[2J"'],
        ["check", "janus-mini", "--set", 'description="\\u001b[2J\\u009b"'],
        ["show", "janus-mini", "--set", 'description="\\u001b[2J\\u009b"'],
        ["check", "janus-mini", "--set", "name='\udcff'"],
        ["diff", "janus-mini", "\x1b[2J"],
        ["report", "\x1b[2J"],
        ["ask", "janus-mini", "\x1b[2J.png", "what?"],
        ["generate", "\x1b[2J", "x"],
        ["train", "janus-mini", "--out", "x", "--stages", "\x1b[2J"],
    ],
)
def test_names_and_settings_cannot_control_the_terminal(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    main(arguments)
    streams = capsys.readouterr()
    shown = streams.out + streams.err
    assert shown
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", shown)
    assert "this is a bug" not in shown


def test_all_output_goes_through_the_safe_functions() -> None:
    own = {CORE / "cli" / "output.py", CORE / "console.py", CORE / "components" / "loading.py"}
    unsafe = re.compile(r"click\.echo\(|(?<![\w.])print\(|(?<!Safe)Console\(|print_exception\(|err\.print\(")
    for file in sorted(CORE.rglob("*.py")):
        if file not in own and file.parts[-2] not in ("testing", "kit"):
            code = re.sub(r'""".*?"""', "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
            assert not unsafe.search(code), f"{file}: print through janiform.cli.output or janiform.console"


@pytest.mark.parametrize("encoding", ["idna", "undefined"])
def test_an_encoding_that_cannot_read_every_line_is_replaced(encoding: str) -> None:
    result = shell("echo /nothing | janiform chat janus-mini --device cpu", PYTHONIOENCODING=encoding)
    assert result.returncode == 0
    assert "/nothing" in result.stderr
    assert "a bug" not in result.stderr
