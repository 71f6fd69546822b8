"""janiform's own layout: the resolved recipe, and tensors that are named by the paths of the parts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from janiform import KeyMap, Problem, UsageError, WeightFiles, own_keys, read_recipe, write_model

from .config import JaniformConfig

if TYPE_CHECKING:
    from janiform import Export, Plan, Recipe


class JaniformFormat:
    def __init__(self, config: JaniformConfig) -> None:
        self.config = config

    def recipe(self, folder: Path) -> Recipe:
        return read_recipe(folder / "recipe.toml")

    def weights(self, folder: Path) -> WeightFiles:
        return WeightFiles([folder / "model.safetensors"])

    def keys(self, plan: Plan) -> Mapping[str, KeyMap]:
        return own_keys(plan)

    def write(self, model: Export, folder: Path, shard_size: int | None = None) -> None:
        if shard_size is not None:
            raise UsageError(Problem("janiform's own layout has one file of weights", hint="leave --shard-size out"))
        write_model(model, folder)
