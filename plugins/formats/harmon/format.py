"""The format of Harmon as it is released (github.com/wusize/Harmon): ``harmon_1.5b.pth`` beside MAR's ``kl16.ckpt``.

Config and tokenizer of its language model are looked for in the folder ``Qwen2.5-1.5B-Instruct``, within the model's or
beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
from janiform import CompositionError, KeyMap, Problem, WeightFiles

from ...adapters.weights import HARMON as ADAPTER
from ...backbones.decoder.weights import harmon
from ...embeddings.weights import MAR
from ...heads.weights import HARMON as HEAD
from ...tokenizers.weights import latent_diffusion
from ..config import HarmonFormatConfig
from ..coupled.parts import codes_pathway
from .read import AUTOENCODER, checkpoint_of, read

if TYPE_CHECKING:
    from janiform import Export, Plan, Recipe

COMPONENTS = {
    "backbone": "qwen2",
    "layout": "harmon",
    "tokenizer": "kl",
    "embedding": "mar",
    "adapter": "mlp",
    "head": "mar",
}

_CLASSES = {"class_emb.weight": "it is of the classes of MAR's pictures, which Harmon does not have"}

ENCODER = attrs.evolve(MAR, prefix="mar.", within=(*MAR.within, "class_emb."), unused=_CLASSES)
"""The names of MAR's encoder in Harmon's files."""

_LOSS = {"loss.{rest}": "it served to train the autoencoder"}


class HarmonFormat:
    def __init__(self, config: HarmonFormatConfig) -> None:
        self.config = config

    def recipe(self, folder: Path) -> Recipe:
        return read(folder, self.weights(folder))

    def weights(self, folder: Path) -> WeightFiles:
        return WeightFiles([checkpoint_of(folder), folder / AUTOENCODER])

    def keys(self, plan: Plan) -> Mapping[str, KeyMap]:
        owner = codes_pathway(plan, "harmon", COMPONENTS)
        return {
            "backbone": harmon(plan.parts["backbone"].use.config),
            f"{owner}.tokenizer": attrs.evolve(
                latent_diffusion(plan.parts[f"{owner}.tokenizer"].use.config), unused=_LOSS
            ),
            f"{owner}.embedding": ENCODER,
            f"{owner}.adapter": ADAPTER,
            f"{owner}.head": HEAD,
        }

    def write(self, model: Export, folder: Path, shard_size: int | None = None) -> None:
        raise CompositionError(Problem("format 'harmon' is read only; write the model in format 'janiform'"))
