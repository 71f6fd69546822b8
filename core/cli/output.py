"""Output of commands: JSON for programs, tables for people. Commands write to standard output through this module only.

What plugins print goes to standard error (``own_stdout``), so that standard output holds what a command says.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

import click

from ..untrusted_text import printable

json_option: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
"""The option ``--json``, passed to commands as ``as_json``."""

_own: list[TextIO] = []
"""The stream of the command that runs, which ``sys.stdout`` was before ``own_stdout``; empty outside of it."""


def stdout() -> TextIO:
    """The stream that the output of the command goes to."""
    return _own[-1] if _own else sys.stdout


@contextlib.contextmanager
def own_stdout() -> Iterator[None]:
    """Keep standard output for ``echo``, ``print_json`` and ``console``; all else that is printed goes to stderr.

    Where ``sys.stdout`` is the process's, this holds for what libraries and child processes write to file descriptor 1.
    """
    stream, copy = sys.stdout, None
    if _descriptor(stream) == 1 and _descriptor(sys.stderr) == 2:
        stream.flush()
        copy = os.dup(1)
        os.dup2(2, 1)
        stream = open(copy, "w", encoding=stream.encoding, errors=stream.errors, closefd=False)  # noqa: SIM115
    _own.append(stream)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _own.pop()
        if copy is not None:
            try:
                stream.flush()
            finally:
                os.dup2(copy, 1)
                os.close(copy)


def _descriptor(stream: object) -> int | None:
    try:
        number: int = stream.fileno()  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        return None
    return number


def echo(text: object = "", *, end: str = "\n", err: bool = False) -> None:
    """Print a text, whose control characters become escapes; line breaks and tabs stay."""
    safe, newline = printable(text, lines=True), end == "\n"
    if err:
        click.echo(safe, nl=newline, err=True)
    else:
        with contextlib.redirect_stdout(stdout()):
            click.echo(safe, nl=newline)


def print_json(value: Any) -> None:
    """Print a value as indented JSON; values of other types, such as paths, as strings."""
    echo(json.dumps(value, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value)
    return value.as_posix() if isinstance(value, Path) else str(value)


def console() -> Console:
    """The console on stdout for tables and coloured text; square brackets are not markup."""
    from ..console import SafeConsole

    return SafeConsole(file=stdout() if _own else None)


def table(*columns: str, title: str | None = None) -> Table:
    """An empty table in the common style."""
    from rich import box
    from rich.table import Table

    result = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for column in columns:
        result.add_column(column, overflow="fold")
    return result
