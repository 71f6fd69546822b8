"""Conformance tests of formats of model directories."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..compose import compose
from ..contracts.factories import make
from ..errors import CompositionError, JaniformError
from ..recipe import Recipe, dumps
from ..storage.export import Export
from ..storage.open import open_model
from .case import Case, Failure, require
from .common import keeps_its_config_through_a_recipe
from .small_model import small_model


def recognises_its_own_directories_only(case: Case) -> None:
    """``recognises`` is false for what is not a directory of the format, and raises nothing."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for folder in ("empty", "other"):
            (root / folder).mkdir()
        (root / "other" / "notes.txt").write_text("a text")
        (root / "other" / "config.json").write_text("[1, 2")
        (root / "file").write_bytes(b"\xff\x00")
        for folder in ("empty", "other", "file", "missing"):
            try:
                recognised = case.config.recognises(root / folder)
            except Exception as error:  # any code of the plugin
                raise Failure(
                    f"{case.name}: `recognises` raises {type(error).__name__} for a path of kind '{folder}': {error}; "
                    "it must give False"
                ) from error
            require(recognised is False, f"{case.name}: recognises what is not its directory ('{folder}')")


def names_every_tensor(case: Case) -> None:
    """``keys`` has a name for every tensor of a plan, or says in a ``CompositionError`` what the format cannot hold."""
    model = small_model()
    try:
        keys = make(case.component, case.config).keys(model.plan)
    except CompositionError:
        return
    missing = [path for path, module in model.built_parts().items() if module.state_dict() and path not in keys]
    require(not missing, f"{case.name}: `keys` has no names for the tensors of {', '.join(missing)}")
    Export.of(model).entries(keys)  # raises for tensors without a name


def reads_what_it_wrote(case: Case) -> None:
    """A model that is written is recognised, has the same recipe, and is read with the same weights and text."""
    with _written(case) as (folder, form):
        if form is None:
            return
        require(
            case.config.recognises(folder) is True, f"{case.name}: does not recognise the directory that it has written"
        )
        model = small_model()
        recipe = form.recipe(folder)
        require(isinstance(recipe, Recipe), f"{case.name}: `recipe` gives {type(recipe).__name__}, not a Recipe")
        lines = dumps(recipe).splitlines(), dumps(model.plan.recipe).splitlines()
        plan = compose(recipe)
        require(
            {path: (part.use.component.reference, part.use.config) for path, part in plan.parts.items()}
            == {path: (part.use.component.reference, part.use.config) for path, part in model.plan.parts.items()},
            f"{case.name}: the recipe that it reads has other parts than the model that it wrote: "
            f"{sorted(set(lines[0]) ^ set(lines[1]))[:4]}",
        )
        state, read = model.state_dict(), open_model(folder).state_dict()
        wrong = [name for name in state if name not in read or not torch.equal(state[name], read[name])]
        require(not wrong, f"{case.name}: reads other weights than it wrote: {', '.join(wrong[:4])}")
        text = open_model(folder).processor.text
        require(
            text.encode("a red circle") == model.processor.text.encode("a red circle"),
            f"{case.name}: reads another text tokenizer than it wrote",
        )


def explains_a_damaged_directory(case: Case) -> None:
    """A directory with a damaged file is recognised, and an error of janiform says what is wrong."""
    with _written(case) as (folder, form):
        if form is None:
            return
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            content = file.read_bytes()
            file.write_bytes(content[: len(content) // 2])
            try:
                case.config.recognises(folder)
                open_model(folder)
            except JaniformError:
                pass
            except Exception as error:  # any code of the plugin
                raise Failure(
                    f"{case.name}: raises {type(error).__name__} where {file.name} is cut off: {error}; raise "
                    "StorageError or RecipeError with what is wrong"
                ) from error
            file.write_bytes(content)


@contextmanager
def _written(case: Case) -> Iterator[tuple[Path, Any]]:
    """The small model as a directory of the format; the format is None where it cannot hold the model."""
    model, form = small_model(), make(case.component, case.config)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "model"
        try:
            form.keys(model.plan)
        except CompositionError:
            yield folder, None
            return
        form.write(Export.of(model), folder, None)  # as a conversion calls it
        yield folder, form


FORMAT_CHECKS: tuple[Callable[[Case], None], ...] = (
    recognises_its_own_directories_only,
    names_every_tensor,
    reads_what_it_wrote,
    explains_a_damaged_directory,
    keeps_its_config_through_a_recipe,
)
