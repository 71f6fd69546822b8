"""``janiform recipes``: the recipes of plugins, by name."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import click

from ..components.registry import registry
from ..errors import StorageError
from ..recipe.files import MAX_BYTES
from ..storage.json_files import read_bounded
from .output import console, json_option, print_json, table


@click.command()
@json_option
def command(as_json: bool) -> None:
    """List the recipes of plugins. Other commands take their names."""
    plugins = registry()
    models = plugins.models()
    recipes = [
        {"name": name, "path": path, "model": models.get(name), **_read(path)}
        for name, path in plugins.recipes().items()
    ]
    if as_json:
        print_json({"recipes": recipes})
    else:
        _show(recipes)


def _read(path: Path) -> dict[str, Any]:
    """The description alone, without checking the recipe."""
    try:
        tables = tomllib.loads(read_bounded(path, MAX_BYTES).decode("utf-8-sig"))
    except (OSError, StorageError, ValueError, RecursionError) as error:
        return {"description": "", "error": str(error)}
    return {"description": str(tables.get("description", "")), "error": None}


def _show(recipes: list[dict[str, Any]]) -> None:
    from rich.text import Text

    out = console()
    if not recipes:
        out.print("No plugin has a recipe.")
        return
    rows = table("Recipe", "Weights", "Description")
    for recipe in recipes:
        rows.add_row(
            Text(recipe["name"], style="bold"),
            Text("shipped" if recipe["model"] else "—", style="green" if recipe["model"] else "dim"),
            Text(f"cannot be read: {recipe['error']}", style="red") if recipe["error"] else Text(recipe["description"]),
        )
    out.print(rows)
    out.print("'janiform show NAME' shows a recipe with the origin of every value.", style="dim")
