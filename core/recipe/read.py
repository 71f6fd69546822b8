"""Reading a recipe: files, what they extend, overrides, presets and defaults, to one checked object."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..arguments import members, shown, text
from ..components.registry import Registry
from ..components.registry import registry as process_registry
from ..errors import JaniformError, UsageError
from . import files
from .assemble import assemble
from .extends import Extends
from .merge import Merger
from .overrides import apply_overrides
from .part_reader import PartReader
from .problems import ProblemList
from .recipe import Recipe
from .tree import Table


def read_recipe(name_or_path: str | Path, overrides: Sequence[str] = (), registry: Registry | None = None) -> Recipe:
    """The recipe of a name that a plugin registers, or of a file.

    Args:
        name_or_path: ``"janus-pro-1b"``, or ``"my/recipe.toml"``.
        overrides: lines of TOML that change a value, ``"generation.adapter.depth = 3"``, in order.
        registry: registry of components and recipes; the process's by default.

    Raises:
        UsageError: there is no such recipe.
        RecipeError: the recipe has problems; all of them are listed, by file and line.
    """
    if not isinstance(name_or_path, str | Path):
        raise UsageError(f"a recipe must be a name or a path, not {shown(name_or_path)}")
    overrides = [text("an override", line) for line in members("overrides", overrides, "lines of TOML in a list")]
    registry = registry or process_registry()
    file = files.locate(name_or_path, registry)
    problems = ProblemList()
    try:
        tree = files.read(file)
    except JaniformError as error:
        problems.unreadable(error.problems)
        problems.raise_if_any()
        raise
    return resolve(tree, overrides, registry, (file,), file.path.stem)


def read_recipe_text(
    text: str,
    source: str = "<text>",
    overrides: Sequence[str] = (),
    registry: Registry | None = None,
    name: str = "recipe",
) -> Recipe:
    """The recipe of a text. ``source`` is its name in errors and origins, ``name`` the recipe's default name.

    Raises ``RecipeError``. Relative paths that it extends start at the working directory.
    """
    if not isinstance(text, str):
        raise UsageError(f"the text of a recipe must be a string, not {shown(text)}")
    return resolve(files.parse(text, source), overrides, registry or process_registry(), (), name)


def resolve(
    tree: Table, lines: Sequence[str], registry: Registry, chain: tuple[files.RecipeFile, ...], fallback_name: str
) -> Recipe:
    """A tree, with everything that it extends and its overrides, to a recipe. All ways of reading a recipe end here."""
    problems = ProblemList()
    whole, merger = with_extended(tree, registry, chain, problems)
    whole = apply_overrides(whole, lines, merger, problems)
    return assemble(whole, PartReader(registry, problems), problems, fallback_name=fallback_name, notes=merger.notes)


def with_extended(
    tree: Table, registry: Registry, chain: tuple[files.RecipeFile, ...], problems: ProblemList
) -> tuple[Table, Merger]:
    """A tree laid over everything that it extends, and the merger that further layers go through."""

    def canonical(kind: str, reference: str) -> str:
        try:
            return registry.find(kind, reference).reference
        except JaniformError:  # added where the part is read
            return reference

    merger = Merger(canonical)
    whole = Table({}, tree.origin)
    for layer in Extends(registry, problems).layers(tree, chain):
        whole = merger.merge(whole, layer)
    return whole, merger
