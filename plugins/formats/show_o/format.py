"""The format of Show-o as it is released (github.com/showlab/Show-o), with Phi 1.5 and MAGVIT-v2 in their own folders.

The folders ``phi-1_5``, with the config and the tokenizer of the language model, and ``magvitv2``, with the visual
tokenizer, are looked for within the model's folder or beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from janiform import CompositionError, KeyMap, Problem, WeightFiles, weight_files

from ...backbones.phi.weights import show_o as phi
from ...tokenizers.weights import show_o as magvit2
from ..config import ShowOFormatConfig
from ..coupled.parts import BORROWERS, codes_pathway
from .read import MAGVIT, folder_beside, read

if TYPE_CHECKING:
    from janiform import Export, Plan, Recipe

COMPONENTS = {
    "backbone": "phi",
    "layout": "show-o",
    "tokenizer": "magvit2",
    "embedding": "shared",
    "adapter": "identity",
    "head": "shared",
}


class ShowOFormat:
    def __init__(self, config: ShowOFormatConfig) -> None:
        self.config = config

    def recipe(self, folder: Path) -> Recipe:
        return read(folder)

    def weights(self, folder: Path) -> WeightFiles:
        return WeightFiles([*weight_files(folder).files, *weight_files(folder_beside(folder, MAGVIT)).files])

    def keys(self, plan: Plan) -> Mapping[str, KeyMap]:
        owner = codes_pathway(plan, "show-o", COMPONENTS)
        return {
            "backbone": phi(plan.parts["backbone"].use.config),
            f"{owner}.tokenizer": magvit2(plan.parts[f"{owner}.tokenizer"].use.config),
            **{f"{owner}.{part}": KeyMap({}) for part in BORROWERS},
        }

    def write(self, model: Export, folder: Path, shard_size: int | None = None) -> None:
        raise CompositionError(Problem("format 'show-o' is read only; write the model in format 'janiform'"))
