"""janiform's own format: the resolved recipe, and tensors named by the paths of the parts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from janiform import KeyMap, WeightFiles, own_keys, read_recipe, weight_files, write_model

from .config import SHARD_SIZE, JaniformConfig

if TYPE_CHECKING:
    from janiform import Export, Plan, Recipe


class JaniformFormat:
    def __init__(self, config: JaniformConfig) -> None:
        self.config = config

    def recipe(self, folder: Path) -> Recipe:
        return read_recipe(folder / "recipe.toml")

    def weights(self, folder: Path) -> WeightFiles:
        return weight_files(folder, ("model",))

    def keys(self, plan: Plan) -> Mapping[str, KeyMap]:
        return own_keys(plan)

    def write(self, model: Export, folder: Path, shard_size: int | None = None) -> None:
        write_model(model, folder, model.facts, shard_size or SHARD_SIZE)
