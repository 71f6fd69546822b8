"""Finding and reading recipe files: a tree with the line of every value, or a problem."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from ..components.registry import Registry
from ..errors import Origin, Problem, RecipeError, UsageError
from ..untrusted_text import text_fault
from . import positions
from .tree import Table, grow

MAX_BYTES = 1 << 20
MAX_LEVELS = 32

# tomllib takes quadratic time for a dotted key of thousands of parts, so such keys are refused before parsing.
_SEGMENT = r"""(?:[\w-]{1,99}|"(?:[^"\\\n]|\\.){0,99}"|'[^'\n]{0,99}')[ \t]*\.[ \t]*"""
_ENDLESS_KEY = re.compile(r"(?<![\w-])(?:" + _SEGMENT + r"){" + str(MAX_LEVELS) + "}")
_POSITION = re.compile(r" \(at line (\d+), column (\d+)\)$")


@frozen
class RecipeFile:
    """The path of a recipe, and its name in messages."""

    path: Path
    label: str


def locate(reference: str | Path, registry: Registry, beside: Path | None = None) -> RecipeFile:
    """The file of a name or path; a relative path starts at the folder ``beside``.

    Raises ``UsageError`` where there is no such file.
    """
    if isinstance(reference, str) and not reference.strip():
        raise UsageError(Problem("the name of a recipe is empty", hint="`janiform recipes` lists them"))
    recipes = registry.recipes()
    if isinstance(reference, str) and reference in recipes:
        return RecipeFile(recipes[reference], _label(recipes[reference]))
    path = (beside or Path()) / reference
    try:
        is_folder, is_file, exists = path.is_dir(), path.is_file(), path.exists()
    except (OSError, ValueError):  # an impossible file name: too long, or with a NUL
        is_folder = is_file = exists = False
    if is_file:
        return RecipeFile(path, _label(path))
    if is_folder:
        inside = path / "recipe.toml"
        hint = f"did you mean '{inside}'?" if inside.is_file() else "a recipe is a .toml file"
        raise UsageError(Problem(f"'{reference}' is a directory, not a recipe", hint=hint))
    if exists:
        raise UsageError(Problem(f"'{reference}' is not an ordinary file"))
    if looks_like_path(reference):
        raise UsageError(Problem(f"there is no file '{reference}'", hint=_similar(str(reference), path, recipes)))
    file = registry.recipe(str(reference))  # raises where no plugin, or more than one, registers it
    return RecipeFile(file, _label(file))


def looks_like_path(reference: str | Path) -> bool:
    return isinstance(reference, Path) or reference.endswith(".toml") or "/" in reference or "\\" in reference


def read(file: RecipeFile) -> Table:
    """The tree of a file. Raises ``RecipeError`` where it cannot be read, is too large, or is not UTF-8 or TOML."""
    try:
        size = file.path.stat().st_size
        if size > MAX_BYTES:
            message = f"has {size:,} bytes, more than the {MAX_BYTES >> 20} MiB of a recipe"
            raise RecipeError(Problem(message, origin=Origin(file.label)))
        data = file.path.read_bytes()
    except OSError as error:
        raise RecipeError(Problem(f"cannot be read: {error.strerror}", origin=Origin(file.label))) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"is not UTF-8: byte {error.start} is 0x{data[error.start]:02x}"
        hint = "save the file as UTF-8"
        raise RecipeError(Problem(message, origin=Origin(file.label, line), hint=hint)) from error
    return parse(text, file.label, file.path.parent)


def parse(text: str, label: str, folder: Path | None = None) -> Table:
    """The tree of a text, with origins ``label:line``. Raises ``RecipeError`` where it is not TOML."""
    values = load(text, lambda line: Origin(label, line))
    lines = positions.key_lines(text)
    tree = grow(values, lambda path: Origin(label, lines.get(path, 1), folder))
    assert isinstance(tree, Table)
    return tree


def load(text: str, origin: Callable[[int | None], Origin]) -> dict[str, Any]:
    """The values of a TOML text, checked first for what ``tomllib`` itself cannot process."""
    if fault := text_fault(text):
        raise RecipeError(Problem(fault, origin=origin(None), hint="write it in UTF-8"))
    if match := _ENDLESS_KEY.search(text):
        line = text.count("\n", 0, match.start()) + 1
        raise RecipeError(Problem(f"a key has more than {MAX_LEVELS} parts", origin=origin(line)))
    try:
        values = tomllib.loads(text)
    except RecursionError:
        raise RecipeError(Problem(f"is nested more than {MAX_LEVELS} levels deep", origin=origin(None))) from None
    except tomllib.TOMLDecodeError as error:
        position = _POSITION.search(str(error))
        column = f" at column {position.group(2)}" if position else ""
        message = "is not TOML: " + _POSITION.sub("", str(error)) + column
        raise RecipeError(Problem(message, origin=origin(int(position.group(1)) if position else None))) from error
    except ValueError as error:  # a number of thousands of digits
        raise RecipeError(Problem(f"is not TOML: {error}", origin=origin(None))) from error
    if refusal := refusal_of(values):
        raise RecipeError(Problem(refusal, origin=origin(None)))
    return values


def refusal_of(values: Any) -> str:
    """Why values are not valid in a recipe: nesting too deep, or a number beyond 64 bits. Not recursive."""
    layer = [values]
    for _ in range(MAX_LEVELS + 1):
        if any(isinstance(item, int) and not -(1 << 63) <= item < 1 << 63 for item in layer):
            return "contains a whole number of more than 64 bits"
        nested = [item for item in layer if isinstance(item, Mapping | list | tuple)]
        layer = [item for value in nested for item in (value.values() if isinstance(value, Mapping) else value)]
        if not layer:
            return ""
    return f"is nested more than {MAX_LEVELS} levels deep"


def _label(path: Path) -> str:
    """The shortest clear form of a path: relative to the working directory, or with its package's folder alone."""
    if not path.is_absolute():
        return str(path)
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        packaged = (path.parent / "__init__.py").exists()
        return f"{path.parent.name}/{path.name}" if packaged else str(path)


def _similar(reference: str, path: Path, recipes: Mapping[str, Path]) -> str:
    """The nearest recipe by name, or the nearest file in the same folder."""
    try:
        candidates = {other.stem: str(Path(reference).with_name(other.name)) for other in path.parent.glob("*.toml")}
    except (OSError, ValueError):
        candidates = {}
    candidates |= {name: name for name in recipes}
    close = difflib.get_close_matches(Path(reference).stem, candidates, n=1)
    return f"did you mean '{candidates[close[0]]}'?" if close else "`janiform recipes` lists the recipes"
