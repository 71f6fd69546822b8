"""The keys of a run's stages: they name what every stage reads, down to the first weights."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import torch
from attrs import frozen
from torch import nn

from ..compose import Plan, compose
from ..contracts import Contents
from ..errors import Problem, StorageError
from ..model.modules import build_modules
from ..recipe import Recipe
from ..storage.digest import file_digest
from ..train.data.contents import contents_of
from ..train.data.sources import open_sources
from ..train.loop.precision import arithmetic
from ..train.run.start_checks import compared
from .keys import Inputs, StageKey, digest_of, stage_keys
from .prepare import PreparedStudy
from .study import Cell
from .text import FILE


@frozen(eq=False, slots=False)
class RunKeys:
    """The keys of a cell's stages, for any seed."""

    recipe: Recipe
    tokenizer: str
    device: torch.device

    def of_seed(self, seed: int) -> dict[str, StageKey]:
        """The keys of the run with a seed, by stage."""
        inputs = Inputs(
            seed=seed,
            data_seed=seed,
            tokenizer=self.tokenizer,
            contents=self.contents,
            started=self._started,
            precisions={name: str(arithmetic(self.recipe.stages[name].precision, self.device)) for name in self.stages},
        )
        return stage_keys(self.plan, self.stages, self._parameters, inputs)

    @property
    def stages(self) -> tuple[str, ...]:
        return self.recipe.training.stages or tuple(self.recipe.stages)

    @cached_property
    def plan(self) -> Plan:
        return compose(self.recipe)

    @cached_property
    def contents(self) -> Mapping[str, Contents]:
        names = [name for stage in self.stages for name in self.recipe.stages[stage].sources]
        return contents_of(open_sources(self.recipe, names))

    @cached_property
    def _parameters(self) -> list[str]:
        return [f"{path}.{name}" for path, module in self._modules.items() for name, _ in module.named_parameters()]

    @cached_property
    def _modules(self) -> Mapping[str, nn.Module]:
        return build_modules(self.plan, device="meta")

    @cached_property
    def _started(self) -> Mapping[str, str]:
        if not self.recipe.start:
            return {}
        placed, _ = compared(self.plan, self._modules, self.recipe.start)
        files = {path: part.files.files for path, part in placed.items()}
        return {path: digest_of({file.name: file_digest(file) for file in own}) for path, own in files.items()}


def keys_of_run(prepared: PreparedStudy, cell: Cell, device: torch.device) -> RunKeys:
    """The keys of a cell of a prepared study."""
    folder = prepared.tokenizers.get(cell.name)
    path = None if folder is None else folder / FILE
    if path is None and "text" in cell.recipe.start:
        path = Path(cell.recipe.start["text"]) / FILE
    if path is not None and not path.is_file():
        origin = cell.recipe.origins.get("start.text")
        raise StorageError(Problem(f"there is no file {path}", "start.text", origin))
    return RunKeys(cell.recipe, "" if path is None else file_digest(path), device)
