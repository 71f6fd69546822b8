"""The command line as a whole: what it says and how it exits, whatever happens inside a command."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import click
import pytest
from janiform import Origin, Problem, RecipeError, UsageError, __version__, registry
from janiform.cli import main
from janiform.cli.group import COMMANDS, group
from janiform.components import DISABLE

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JANIFORM_DEBUG", raising=False)
    monkeypatch.delenv(DISABLE, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> object:
    """``failing(error)`` makes ``janiform ask`` raise that error."""

    def make(error: BaseException) -> None:
        @click.command()
        def command() -> None:
            raise error

        module = ModuleType("janiform.cli.ask")
        vars(module)["command"] = command
        monkeypatch.setitem(sys.modules, "janiform.cli.ask", module)

    return make


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_in_the_table_exists(name: str) -> None:
    command = group.get_command(click.Context(group), name)
    assert isinstance(command, click.Command)
    assert command.get_short_help_str(), "a command says what it does"


def test_help_lists_every_command_with_its_line(capsys: Capture) -> None:
    assert main(["--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for name, text in COMMANDS.items():
        assert f"{name} {text}" in shown


def test_without_a_command_the_help_is_shown(capsys: Capture) -> None:
    assert main([]) == 2
    assert "Commands:" in "".join(capsys.readouterr())


def test_version(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"janiform {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plugin"], "there is no command 'plugin'\n  did you mean 'plugins'?"),
        (["xyzzy"], "there is no command 'xyzzy'"),
        (["--nope"], "No such option"),
        (["plugins", "--jsn"], "--json"),
        (["plugins", "too-many"], "unexpected extra argument"),
        (["components", "tokenzer"], "did you mean 'tokenizer'?"),
        (["--disable-plugin", "no-such-plugin", "plugins"], "no plugin is called 'no-such-plugin'"),
    ],
)
def test_wrong_use_exits_with_2_and_helps(arguments: list[str], message: str, capsys: Capture) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


def test_one_problem_is_one_sentence_with_its_place_first(failing, capsys: Capture) -> None:
    place = Origin("/long/" + "path/" * 40 + "a.toml", 12)
    failing(RecipeError(Problem("it takes [int], not [red]", "generation.adapter.depth", place, "write 2")))
    assert main(["ask"]) == 1
    assert capsys.readouterr().err == (f"{place}: generation.adapter.depth: it takes [int], not [red]\n  write 2\n"), (
        "neither wrapped, nor taken for markup"
    )


def test_many_problems_are_numbered(failing, capsys: Capture) -> None:
    failing(UsageError([Problem(f"no. {number}", origin=Origin("a.toml", number)) for number in range(1, 12)]))
    assert main(["ask"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["11 problems", " 1. a.toml:1: no. 1"]
    assert lines[-1] == "11. a.toml:11: no. 11"


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (KeyboardInterrupt("go on with --resume"), 130, "go on with --resume"),
        (OSError(errno.ENOSPC, "No space left on device", "runs/a"), 1, "the disk is full; writing 'runs/a' failed"),
        (PermissionError(errno.EACCES, "Permission denied", "runs/a"), 1, "no permission for 'runs/a'"),
        (FileNotFoundError(errno.ENOENT, "No such file", "a.png"), 1, "there is no file or folder 'a.png'"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "a"), 1, "'a' is a folder"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "a"), 1, "'a' is not a folder"),
        (OSError("odd"), 1, "odd"),
        (MemoryError(), 1, "not enough memory"),
        (type("OutOfMemoryError", (RuntimeError,), {})("CUDA"), 1, "not enough memory on the device"),
        (SystemExit(7), 7, ""),
        (SystemExit(), 0, ""),
        (SystemExit("so be it"), 1, "so be it"),
        (click.UsageError("this way"), 2, "this way"),
    ],
)
def test_failures_become_sentences_and_exit_codes(failing, error, code: int, sentence: str, capsys: Capture) -> None:
    failing(error)
    assert main(["ask"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err
    assert "Traceback" not in err


def test_a_bug_is_admitted_and_its_traceback_kept(failing, capsys: Capture, tmp_path: Path) -> None:
    failing(ZeroDivisionError("division by zero"))
    assert main(["ask"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: this is a bug in janiform: ZeroDivisionError: division by zero\n")
    assert "Traceback" not in err
    (kept,) = tmp_path.glob("janiform-traceback-*.txt")
    assert str(kept) in err
    assert "Traceback" in kept.read_text()


def test_a_bug_of_a_plugin_is_the_plugins(install, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    install(
        "crash",
        "@hookimpl\ndef janiform_register(registrar):\n    registrar.component("
        "'encoder', 'crash', config=Config, factory='fake_plugin_crash:crash', summary='It crashes.')\n"
        "def crash():\n    raise ZeroDivisionError",
    )

    @click.command()
    def command() -> None:
        registry().find("encoder", "crash").load()()

    module = ModuleType("janiform.cli.ask")
    vars(module)["command"] = command
    monkeypatch.setitem(sys.modules, "janiform.cli.ask", module)
    assert main(["ask"]) == 1
    assert "this is a bug in plugin 'crash' (janiform-crash 1.0): ZeroDivisionError" in capsys.readouterr().err


def test_a_bug_shows_its_traceback_on_request(failing, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JANIFORM_DEBUG", "1")
    failing(ZeroDivisionError())
    assert main(["ask"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_bug_is_reported_where_nothing_can_be_written(failing, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/folder")
    failing(ZeroDivisionError())
    assert main(["ask"]) == 1
    assert "JANIFORM_DEBUG=1" in capsys.readouterr().err


def test_disable_plugin_holds_for_one_command_and_its_children(install, capsys: Capture) -> None:
    install("one", "raise RuntimeError")
    seen = []

    @click.command()
    def command() -> None:
        seen.append(os.environ[DISABLE])

    with pytest.MonkeyPatch.context() as patch:
        module = ModuleType("janiform.cli.ask")
        vars(module)["command"] = command
        patch.setitem(sys.modules, "janiform.cli.ask", module)
        patch.setenv(DISABLE, "recipes")
        assert main(["--disable-plugin", "one", "--disable-plugin", "heads", "ask"]) == 0
        assert os.environ[DISABLE] == "recipes"
    assert seen == ["recipes,one,heads"]


def test_a_reader_that_leaves_is_no_failure_to_talk_about() -> None:
    program = "import sys; from janiform.cli import main; sys.stdin.read(); sys.exit(main(['components', '--json']))"
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.communicate()[1] == b""


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["nope"], ["plugins"], ["components"], ["components", "encoder"], ["recipes"]],
    ids=" ".join,
)
def test_start_up_is_without_torch(arguments: list[str]) -> None:
    program = (
        f"import sys; from janiform.cli import main; code = main({arguments!r})\n"
        "heavy = {'torch', 'tokenizers', 'transformers', 'safetensors'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "sys.exit(code)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == (2 if arguments == ["nope"] else 0), ran.stderr


def test_the_package_runs_as_a_module() -> None:
    ran = subprocess.run([sys.executable, "-m", "janiform", "--version"], capture_output=True, text=True, check=False)
    assert ran.stdout == f"janiform {__version__}\n"
