"""Output of commands: JSON for programs, tables for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console
    from rich.table import Table

import click

json_option: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
"""The option ``--json`` of every command that shows something; the command gets it as ``as_json``."""


def print_json(value: Any) -> None:
    """Print a value as indented JSON; values of other types, such as paths, as text."""
    click.echo(json.dumps(value, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value)
    return value.as_posix() if isinstance(value, Path) else str(value)


def console() -> Console:
    """Stdout for tables and coloured text; square brackets are not markup."""
    from rich.console import Console

    return Console(highlight=False, markup=False)


def table(*columns: str, title: str | None = None) -> Table:
    """An empty table in the style of all commands."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    return made
