"""``janiform plugins``: the installed plugins, their components, loading times and errors."""

from __future__ import annotations

import os
import traceback
from collections import Counter
from typing import Any

import click

from ..components import PluginRecord, Registry
from ..components.registry import registry
from .output import console, json_option, print_json, table
from .report import DEBUG


@click.command()
@json_option
def command(as_json: bool) -> None:
    """List the installed plugins, their components and their errors.

    JANIFORM_DEBUG=1 adds the traceback of a broken plugin.
    """
    registered = registry()
    if as_json:
        print_json({"plugins": [_plain(record) for record in registered.plugins], "conflicts": _conflicts(registered)})
    else:
        _show(registered)


def _plain(record: PluginRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "distribution": record.distribution,
        "version": record.version,
        "components": [
            {"kind": component.kind, "name": component.name, "version": component.version}
            for component in record.components
        ],
        "recipe_folders": list(record.recipe_folders),
        "seconds": round(record.seconds, 6),
        "error": record.error or None,
        "disabled": record.disabled,
    }


def _conflicts(registered: Registry) -> list[str]:
    return [problem.message for problem in registered.conflicts()]


def _show(registered: Registry) -> None:
    from rich.text import Text

    out = console()
    if not registered.plugins:
        out.print("No plugin is installed, not even janiform's own; reinstall janiform.")
        return
    rows = table("Plugin", "Distribution", "Provides", "Loading")
    rows.columns[-1].justify = "right"
    for record in registered.plugins:
        style = "red" if record.error else "dim" if record.disabled else ""
        rows.add_row(
            Text(record.name, style=style or "bold"),
            Text(f"{record.distribution} {record.version}".strip() or "—"),
            Text(_provides(record), style=style),
            Text(f"{record.seconds * 1000:.1f} ms", style="yellow" if record.burden else "")
            if not record.disabled
            else "",
        )
    out.print(rows)
    for record in registered.plugins:
        if record.error:
            error = record.error.replace("\n", "\n  ")
            out.print(Text.assemble((f"{record.provider} is broken", "bold red"), "\n  ", error), soft_wrap=True)
        if record.cause is not None and os.environ.get(DEBUG):
            out.print("".join(traceback.format_exception(record.cause)), style="dim", soft_wrap=True)
    for problem in registered.conflicts():
        out.print(Text.assemble((problem.message, "red"), (f"\n  {problem.hint}", "dim")), soft_wrap=True)


def _provides(record: PluginRecord) -> str:
    if record.disabled:
        return "disabled"
    if record.error:
        return "broken"
    counts = Counter(component.kind for component in record.components)
    if record.recipe_folders:
        counts["recipe"] = sum(1 for folder in record.recipe_folders for _ in folder.glob("*.toml"))
    return ", ".join(f"{count} {kind if count == 1 else _plural(kind)}" for kind, count in counts.items()) or "nothing"


def _plural(kind: str) -> str:
    return kind if kind == "text" else f"{kind}s"
