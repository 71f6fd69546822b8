"""The format of Janus in Hugging Face transformers (``JanusForConditionalGeneration``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from janiform import KeyMap, WeightFiles, weight_files

from ...adapters import weights as adapter
from ...backbones.decoder.weights import transformers_janus
from ...embeddings import weights as table
from ...encoders.weights import SIGLIP_JANUS
from ...heads import weights as head
from ...tokenizers import weights as vq
from ..config import HfConfig
from ..janus.parts import configs, head_in
from ..janus.write import dtype_of, write
from .read import read
from .write import describe

if TYPE_CHECKING:
    from janiform import Export, Plan, Recipe


HEAD = "lm_head.weight"


class HfFormat:
    def __init__(self, config: HfConfig) -> None:
        self.config = config

    def recipe(self, folder: Path) -> Recipe:
        return read(folder, head_in(folder, HEAD))

    def weights(self, folder: Path) -> WeightFiles:
        return weight_files(folder)

    def keys(self, plan: Plan) -> Mapping[str, KeyMap]:
        parts = configs(plan, "hf")
        return {
            "backbone": transformers_janus(parts["backbone"]),
            "understanding.encoder": SIGLIP_JANUS,
            "understanding.adapter": adapter.TRANSFORMERS.below(adapter.TRANSFORMERS_PREFIXES["understanding"]),
            "generation.tokenizer": vq.TRANSFORMERS,
            "generation.embedding": table.TRANSFORMERS,
            "generation.adapter": adapter.TRANSFORMERS.below(adapter.TRANSFORMERS_PREFIXES["generation"]),
            "generation.head": head.TRANSFORMERS,
        }

    def write(self, model: Export, folder: Path, shard_size: int | None = None) -> None:
        parts = configs(model.plan, "hf")
        files = describe(parts, dtype_of(model), model.text)

        def read_back(folder: Path) -> Recipe:
            return read(folder, not parts["backbone"].tied)

        write("hf", model, folder, self.keys(model.plan), files, read_back, shard_size)
