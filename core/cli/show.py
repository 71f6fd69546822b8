"""``janiform show``: a recipe resolved, with the origin of every value, or its diagram; or how a picture was drawn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from ..recipe import lines, tables
from ..storage.contents import recipe_of
from .options import overrides_option
from .output import console, json_option, print_json
from .show_picture import is_picture, show_picture

if TYPE_CHECKING:
    from ..recipe import Recipe

_COLUMN = 36
"""Where origins begin, behind values that are shorter."""


@click.command()
@click.argument("recipe", metavar="RECIPE|DIR|PICTURE")
@overrides_option
@click.option("--origins/--no-origins", default=True, help="Say behind each value where it comes from (the default).")
@click.option(
    "--diagram",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Draw the composed model instead: .svg for a picture, .mmd or .md for Mermaid.",
)
@json_option
def command(recipe: str, overrides: tuple[str, ...], origins: bool, diagram: Path | None, as_json: bool) -> None:
    """RECIPE, a recipe's name or file, with everything that it extends, all presets and all defaults written out.

    What is printed is a recipe itself: without a line that it does not need, and without anything left to look up.

    Of DIR, a directory with a model of any layout or a run, it is the recipe that its files describe.

    Of PICTURE, a PNG that janiform drew, it prints the prompt, the seed, the settings, the model and the versions.
    """
    if is_picture(recipe):
        if overrides or diagram is not None:
            raise UsageError(f"'{recipe}' is a picture; --set and --diagram are for recipes")
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
    click.echo(f"the diagram is in {path}")


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
    """Origins can hold what was typed on a command line, and must not end their comment."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _plain(recipe: Recipe) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for path, table in tables(recipe).items():
        place = nested
        for step in path.split(".") if path else ():
            place = place.setdefault(step, {})
        place.update(table)
    origins = {path: {"source": origin.source, "line": origin.line} for path, origin in recipe.origins.items()}
    return {"recipe": nested, "origins": origins, "notes": list(recipe.notes)}
