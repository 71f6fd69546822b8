"""Contents of a model directory, by the headers of its files: its recipe, and how its tensors fit the recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from ..components.registry import registry
from ..errors import UsageError
from ..recipe import Recipe, dumps, read_recipe, read_recipe_text
from ..recipe.paths import hub_name, is_folder
from .formats import format_of, recognise
from .hub import snapshot_in
from .locate import WEIGHTS, model_folder, unusable

if TYPE_CHECKING:
    from torch import nn

    from ..compose import Plan


@frozen
class ModelContents:
    """The tensors of a model directory. Each belongs to a part of its recipe, or has a reason why it is left out.

    ``layout``: the format, ``official@1``. ``files``: the files of weights. ``tensors``: their number.
    ``stored``: bytes by data type, as transformers names it (``bfloat16``). ``left_out``: name of a tensor that is not
    read -> the reason.
    """

    layout: str
    files: tuple[Path, ...]
    tensors: int
    stored: Mapping[str, int]
    left_out: Mapping[str, str]


def recipe_of(name_or_folder: str, overrides: Sequence[str] = ()) -> tuple[Recipe, Path | None]:
    """A recipe by name or file, or that of a model or run in a directory; and the directory, where it has weights.

    Raises what ``read_recipe`` raises, ``UsageError`` for a directory in no installed format, and ``StorageError``
    where its files do not describe a model.
    """
    folder = Path(name_or_folder)
    if name_or_folder in registry().recipes():
        return read_recipe(name_or_folder, overrides), None
    if not is_folder(folder):
        is_model = folder.suffix in WEIGHTS or (hub_name(name_or_folder) and not _exists(folder))
        if not is_model:
            return read_recipe(name_or_folder, overrides), None
        folder = model_folder(name_or_folder)
    folder = snapshot_in(folder)
    if recognise(folder) is None:
        if (folder / "recipe.toml").is_file():  # a run that is not finished
            return read_recipe(folder / "recipe.toml", overrides), None
        raise UsageError(unusable(folder))
    recipe = format_of(folder).format.recipe(folder)
    return _overridden(recipe, overrides, str(folder)) if overrides else recipe, folder


def contents(folder: Path, plan: Plan, modules: Mapping[str, nn.Module]) -> ModelContents:
    """Compare the tensors in a directory with those of a plan's modules, by their headers.

    Raises ``StorageError`` with every tensor that is missing, surplus or has another shape, by part.
    """
    from .matching import match

    chosen = format_of(folder)
    files = chosen.format.weights(folder)
    matched = match(modules, chosen.format.keys(plan), files)
    stored: dict[str, int] = {}
    for tensor in files.tensors.values():
        stored[tensor.type_name] = stored.get(tensor.type_name, 0) + tensor.nbytes
    return ModelContents(chosen.component.reference, files.files, len(files.tensors), stored, dict(matched.unused))


def left_out(name_or_folder: str | Path) -> dict[str, str]:
    """The tensors of a model's files that are left out on purpose, each with the reason; only headers are read.

    Raises what ``open_model`` raises, except for errors in values.
    """
    from ..compose import compose
    from ..model.modules import build_modules

    folder = model_folder(name_or_folder)
    plan = compose(format_of(folder).format.recipe(folder))
    return dict(contents(folder, plan, build_modules(plan, device="meta")).left_out)


def _overridden(recipe: Recipe, overrides: Sequence[str], label: str) -> Recipe:
    """The recipe with overrides applied; values that do not change keep their origins."""
    changed = read_recipe_text(dumps(recipe), label, overrides, name=recipe.name)
    kept = {path: recipe.origins.get(path, o) if o.source == label else o for path, o in changed.origins.items()}
    return evolve(changed, origins=kept)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # not a valid file name
        return False
