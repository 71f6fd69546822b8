"""The layout of Janus in Hugging Face transformers (``JanusForConditionalGeneration``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from janiform import KeyMap, WeightFiles, weight_files

from ...adapters.mlp import weights as adapter
from ...backbones.llama import weights as llama
from ...embeddings.table import weights as table
from ...encoders.siglip import weights as siglip
from ...heads.mlp import weights as head
from ...tokenizers.vq import weights as vq
from ..janus.parts import configs
from ..janus.writing import dtype_of, write
from .config import HfConfig
from .configs import describe
from .recipe import read

if TYPE_CHECKING:
    from janiform import Export, Plan, Recipe


HEAD = "lm_head.weight"


class HfFormat:
    def __init__(self, config: HfConfig) -> None:
        self.config = config

    def recipe(self, folder: Path) -> Recipe:
        return read(folder, HEAD in self.weights(folder).tensors)

    def weights(self, folder: Path) -> WeightFiles:
        return weight_files(folder)

    def keys(self, plan: Plan) -> Mapping[str, KeyMap]:
        found = configs(plan, "hf")
        return {
            "backbone": llama.transformers(found["backbone"]),
            "understanding.encoder": siglip.TRANSFORMERS,
            "understanding.adapter": adapter.TRANSFORMERS.below(adapter.TRANSFORMERS_PREFIXES["understanding"]),
            "generation.tokenizer": vq.TRANSFORMERS,
            "generation.embedding": table.TRANSFORMERS,
            "generation.adapter": adapter.TRANSFORMERS.below(adapter.TRANSFORMERS_PREFIXES["generation"]),
            "generation.head": head.TRANSFORMERS,
        }

    def write(self, model: Export, folder: Path, shard_size: int | None = None) -> None:
        found = configs(model.plan, "hf")
        said = describe(found, dtype_of(model), model.text)

        def back(folder: Path) -> Recipe:
            return read(folder, not found["backbone"].tied)

        write("hf", model, folder, self.keys(model.plan), said, back, shard_size)
