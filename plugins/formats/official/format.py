"""The official layout of Janus and Janus-Pro (github.com/deepseek-ai/Janus)."""

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
from .config import OfficialConfig
from .configs import describe
from .recipe import read

if TYPE_CHECKING:
    from janiform import Export, Plan, Recipe


class OfficialFormat:
    def __init__(self, config: OfficialConfig) -> None:
        self.config = config

    def recipe(self, folder: Path) -> Recipe:
        return read(folder)

    def weights(self, folder: Path) -> WeightFiles:
        return weight_files(folder)

    def keys(self, plan: Plan) -> Mapping[str, KeyMap]:
        found = configs(plan, "official")
        return {
            "backbone": llama.official(found["backbone"]),
            "understanding.encoder": siglip.OFFICIAL,
            "understanding.adapter": adapter.OFFICIAL.below(adapter.OFFICIAL_PREFIXES["understanding"]),
            "generation.tokenizer": vq.OFFICIAL,
            "generation.embedding": table.OFFICIAL,
            "generation.adapter": adapter.OFFICIAL.below(adapter.OFFICIAL_PREFIXES["generation"]),
            "generation.head": head.OFFICIAL,
        }

    def write(self, model: Export, folder: Path, shard_size: int | None = None) -> None:
        found = configs(model.plan, "official")
        said = describe(found, dtype_of(model))
        write("official", model, folder, self.keys(model.plan), said, read, shard_size)
