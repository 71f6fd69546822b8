"""The official format of Janus and Janus-Pro (github.com/deepseek-ai/Janus)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from janiform import KeyMap, WeightFiles, weight_files

from ...adapters import weights as adapter
from ...backbones.decoder.weights import official_janus
from ...embeddings import weights as table
from ...encoders.weights import SIGLIP_OFFICIAL
from ...heads import weights as head
from ...tokenizers import weights as vq
from ..config import OfficialConfig
from ..janus.parts import configs, head_in
from ..janus.write import dtype_of, write
from .read import read
from .write import describe

if TYPE_CHECKING:
    from janiform import Export, Plan, Recipe


HEAD = "language_model.lm_head.weight"


class OfficialFormat:
    def __init__(self, config: OfficialConfig) -> None:
        self.config = config

    def recipe(self, folder: Path) -> Recipe:
        return read(folder, head_in(folder, HEAD))

    def weights(self, folder: Path) -> WeightFiles:
        return weight_files(folder)

    def keys(self, plan: Plan) -> Mapping[str, KeyMap]:
        parts = configs(plan, "official")
        return {
            "backbone": official_janus(parts["backbone"]),
            "understanding.encoder": SIGLIP_OFFICIAL,
            "understanding.adapter": adapter.OFFICIAL.below(adapter.OFFICIAL_PREFIXES["understanding"]),
            "generation.tokenizer": vq.OFFICIAL,
            "generation.embedding": table.OFFICIAL,
            "generation.adapter": adapter.OFFICIAL.below(adapter.OFFICIAL_PREFIXES["generation"]),
            "generation.head": head.OFFICIAL,
        }

    def write(self, model: Export, folder: Path, shard_size: int | None = None) -> None:
        parts = configs(model.plan, "official")
        files = describe(parts, dtype_of(model))

        def read_back(folder: Path) -> Recipe:
            return read(folder, not parts["backbone"].tied)

        write("official", model, folder, self.keys(model.plan), files, read_back, shard_size)
