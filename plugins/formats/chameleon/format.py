"""The format of Chameleon in Hugging Face transformers (``ChameleonForConditionalGeneration``).

transformers' visual tokenizer only encodes. Where the ``vqgan.ckpt`` of Chameleon's release lies in the directory, the
whole tokenizer is read from it, and the model draws; without it, the model looks only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
from janiform import CompositionError, KeyMap, Problem, WeightFiles, weight_files

from ...backbones.decoder.weights import causal_lm
from ...tokenizers.weights import chameleon, taming
from ..config import ChameleonFormatConfig
from ..coupled.parts import BORROWERS, codes_pathway
from ..janus.parts import head_in
from .read import VQGAN, read

if TYPE_CHECKING:
    from janiform import Export, Plan, Recipe

HEAD = "lm_head.weight"

COMPONENTS = {
    "backbone": "chameleon",
    "layout": "chameleon",
    "tokenizer": "taming",
    "embedding": "shared",
    "adapter": "identity",
    "head": "shared",
}

_UNUSED = {
    "model.vqmodel.{rest}": f"{VQGAN} has it, with the decoder",
    "loss.{rest}": "it served to train the visual tokenizer",
}


class ChameleonFormat:
    def __init__(self, config: ChameleonFormatConfig) -> None:
        self.config = config

    def recipe(self, folder: Path) -> Recipe:
        return read(folder, head_in(folder, HEAD))

    def weights(self, folder: Path) -> WeightFiles:
        files = weight_files(folder)
        vqgan = folder / VQGAN
        return WeightFiles([*files.files, vqgan]) if vqgan.is_file() else files

    def keys(self, plan: Plan) -> Mapping[str, KeyMap]:
        owner = codes_pathway(plan, "chameleon", COMPONENTS)
        vq = plan.parts[f"{owner}.tokenizer"].use.config
        names = chameleon(vq) if owner == "understanding" else attrs.evolve(taming(vq), unused=_UNUSED)
        borrowers = [path for path in BORROWERS if f"{owner}.{path}" in plan.parts]
        return {
            "backbone": causal_lm(plan.parts["backbone"].use.config),
            f"{owner}.tokenizer": names,
            **{f"{owner}.{part}": KeyMap({}) for part in borrowers},
        }

    def lacking(self, folder: Path, mode: str) -> str:
        """What a directory lacks to draw."""
        if mode != "draw" or (folder / VQGAN).is_file():
            return ""
        return (
            f"the directory has no decoder of pictures: put {VQGAN} from the folder 'tokenizer' of Meta's release of "
            f"Chameleon into {folder}"
        )

    def write(self, model: Export, folder: Path, shard_size: int | None = None) -> None:
        raise CompositionError(Problem("format 'chameleon' is read only; write the model in format 'janiform'"))
