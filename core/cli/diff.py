"""``janiform diff``: the differences between two recipes, by path, with the origins of values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from ..recipe import Difference, Side, diff
from ..recipe.values import toml_value
from ..storage.contents import recipe_of
from .output import console, echo, json_option, print_json

if TYPE_CHECKING:
    from rich.text import Text


_STEPS = re.compile(r"stage\.[^.]+\.steps")
"""A setting that every stage has."""


@click.command()
@click.argument("left")
@click.argument("right")
@json_option
def command(left: str, right: str, as_json: bool) -> None:
    """Show the differences between the resolved recipes LEFT and RIGHT: names, files or model directories.

    The exit code is 0 whether they differ or not.
    """
    differences = diff(recipe_of(left)[0], recipe_of(right)[0])
    if as_json:
        print_json({"left": left, "right": right, "differences": [_plain(difference) for difference in differences]})
    elif not differences:
        echo(f"{left} and {right} are the same: every part, setting and stage.")
    else:
        console().print(_text(left, right, differences), soft_wrap=True, end="")


def _text(left: str, right: str, differences: list[Difference]) -> Text:
    """Each path with its two values below it, as in a patch.

    A part that only one recipe has is shown without its settings, and such a stage with its steps alone.
    """
    from rich.text import Text

    text = Text.assemble((f"- {left}\n", "red"), (f"+ {right}\n", "green"))
    alone = [difference.path for difference in differences if None in (difference.left, difference.right)]
    one_sided = {path.removesuffix("steps"): "steps" for path in alone if _STEPS.fullmatch(path)}
    one_sided |= {
        path.removesuffix("use"): "use"
        for path in alone
        if path.endswith(".use") and not any(path.startswith(stage) for stage in one_sided)
    }
    for difference in differences:
        part = next((part for part in one_sided if difference.path.startswith(part)), None)
        if part is not None and difference.path != f"{part}{one_sided[part]}":
            continue
        path = difference.path if part is None or one_sided[part] == "steps" else part.rstrip(".")
        text.append(f"\n{path}\n", style="bold")
        for sign, side, style in (("-", difference.left, "red"), ("+", difference.right, "green")):
            if side is not None:
                text.append(f"  {sign} {toml_value(side.value)}", style=style)
                text.append(f"  # {side.origin}\n" if side.origin else "\n", style="dim")
    return text


def _plain(difference: Difference) -> dict[str, Any]:
    return {"path": difference.path, "left": _plain_side(difference.left), "right": _plain_side(difference.right)}


def _plain_side(side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    origin = None if side.origin is None else {"source": side.origin.source, "line": side.origin.line}
    return {"value": side.value, "origin": origin}
