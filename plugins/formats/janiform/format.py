"""janiform's own layout: the resolved recipe, and tensors that are named by the paths of the parts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from janiform import KeyMap, WeightFiles, read_recipe, save_model

from .config import JaniformConfig

if TYPE_CHECKING:
    from janiform import Plan, Recipe, UnifiedModel


class JaniformFormat:
    def __init__(self, config: JaniformConfig) -> None:
        self.config = config

    def recipe(self, folder: Path) -> Recipe:
        return read_recipe(folder / "recipe.toml")

    def weights(self, folder: Path) -> WeightFiles:
        return WeightFiles([folder / "model.safetensors"])

    def keys(self, plan: Plan) -> Mapping[str, KeyMap]:
        owners = dict.fromkeys(plan.owner(path) for path, part in plan.parts.items() if part.output is not None)
        return {path: KeyMap({"{rest}": "{rest}"}, prefix=f"{path}.") for path in owners}

    def write(self, model: UnifiedModel, folder: Path) -> None:
        save_model(model, folder)
