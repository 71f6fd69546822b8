"""The format of Emu3 in Hugging Face transformers (``Emu3ForConditionalGeneration``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from janiform import CompositionError, JaniformError, KeyMap, Problem, WeightFiles, weight_files

from ...backbones.decoder.weights import transformers_emu3
from ...tokenizers.weights import emu3_transformers
from ..config import Emu3FormatConfig
from ..coupled.parts import BORROWERS, codes_pathway
from .read import read

if TYPE_CHECKING:
    from janiform import Export, Plan, Recipe

HEAD = "text_model.lm_head.weight"

COMPONENTS = {
    "backbone": "llama",
    "layout": "emu3",
    "tokenizer": "movq",
    "embedding": "shared",
    "adapter": "identity",
    "head": "shared",
}


class Emu3Format:
    def __init__(self, config: Emu3FormatConfig) -> None:
        self.config = config

    def recipe(self, folder: Path) -> Recipe:
        try:
            has_head = HEAD in self.weights(folder).tensors
        except JaniformError:  # opening the weights reports why; the recipe can be read without them
            return read(folder, None)
        return read(folder, has_head)

    def weights(self, folder: Path) -> WeightFiles:
        return weight_files(folder, rename=published)

    def keys(self, plan: Plan) -> Mapping[str, KeyMap]:
        owner = codes_pathway(plan, "emu3", COMPONENTS)
        return {
            "backbone": transformers_emu3(plan.parts["backbone"].use.config),
            f"{owner}.tokenizer": emu3_transformers(plan.parts[f"{owner}.tokenizer"].use.config).below("vqmodel."),
            **{f"{owner}.{part}": KeyMap({}) for part in BORROWERS},
        }

    def write(self, model: Export, folder: Path, shard_size: int | None = None) -> None:
        raise CompositionError(Problem("format 'emu3' is read only; write the model in format 'janiform'"))


def published(name: str) -> str:
    """The name of a tensor in the published files, from that of any version of transformers.

    Versions from 4.52 on have the names of the modules: ``model.text_model``, ``model.vqmodel`` and ``lm_head``.
    """
    if name.startswith("model.text_model."):
        return "text_model.model." + name.removeprefix("model.text_model.")
    if name.startswith("model.vqmodel."):
        return name.removeprefix("model.")
    return HEAD if name == "lm_head.weight" else name
