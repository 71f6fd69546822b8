"""``janiform show``: a resolved recipe with the origin of every value, its diagram, or the settings of a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from ..recipe import lines, tables
from ..storage.contents import recipe_of
from .options import overrides_option
from .output import console, echo, json_option, print_json
from .show_picture import is_picture, show_picture

if TYPE_CHECKING:
    from ..recipe import Recipe

_COLUMN = 36
"""Column at which origins begin."""


@click.command()
@click.argument("recipe", metavar="RECIPE|DIR|PICTURE")
@overrides_option
@click.option("--origins/--no-origins", default=True, help="Show the origin of each value (the default).")
@click.option(
    "--diagram",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a diagram of the model instead: .svg for a picture, .mmd or .md for Mermaid.",
)
@json_option
def command(recipe: str, overrides: tuple[str, ...], origins: bool, diagram: Path | None, as_json: bool) -> None:
    """Show RECIPE, a name or file, resolved: with everything that it extends, presets and defaults.

    The output is itself a complete recipe.

    For DIR, a run or a model directory of any format, it is the recipe that its files describe.

    For PICTURE, a PNG that janiform drew, it is the prompt, seed, settings, model and versions.
    """
    if is_picture(recipe):
        if overrides or diagram is not None:
            raise UsageError(f"'{recipe}' is a picture; --set and --diagram need a recipe")
        show_picture(recipe, as_json)
        return
    resolved, _ = recipe_of(recipe, overrides)
    if diagram is not None:
        _draw(resolved, diagram)
    elif as_json:
        print_json(_plain(resolved))
    else:
        _print(resolved, origins)


def _draw(recipe: Recipe, path: Path) -> None:
    from ..compose import compose
    from ..diagram.diagram import write_diagram
    from ..measure.costs import measure

    plan = compose(recipe)
    write_diagram(plan, path, measure(plan))
    echo(f"the diagram is in {path}")


def _print(recipe: Recipe, origins: bool) -> None:
    from rich.text import Text

    text = Text()
    for line in lines(recipe):
        is_header = line.origin is None and line.text.startswith("[")
        text.append(line.text, style="bold cyan" if is_header else "none")
        if origins and line.origin is not None:
            text.append(" " * (_COLUMN - len(line.text)))
            text.append(f"  # {_on_one_line(str(line.origin))}", style="dim")
        text.append("\n")
    for note in recipe.notes:
        text.append(f"\n# {_on_one_line(note)}", style="yellow")
    text.append("\n" if recipe.notes else "")
    console().print(text, soft_wrap=True, end="")


def _on_one_line(text: str) -> str:
    """Origins may contain text from a command line, and must not end their comment."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _plain(recipe: Recipe) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for path, table in tables(recipe).items():
        parent = nested
        for key in path.split(".") if path else ():
            parent = parent.setdefault(key, {})
        parent.update(table)
    origins = {path: {"source": origin.source, "line": origin.line} for path, origin in recipe.origins.items()}
    return {"recipe": nested, "origins": origins, "notes": list(recipe.notes)}
