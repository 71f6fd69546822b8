"""The format of JanusFlow as it is released (github.com/deepseek-ai/Janus, ``janus/janusflow``).

The autoencoder of SDXL, through whose latents it draws, is not in its files: it is looked for in the folder
``sdxl-vae``, within the model's or beside it. Without it the model looks only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
from janiform import CompositionError, KeyMap, Problem, WeightFiles, weight_files

from ...adapters.weights import JANUSFLOW as ALIGNER
from ...backbones.decoder.weights import official_janus
from ...embeddings.weights import JANUSFLOW as EMBEDDING
from ...encoders.weights import SIGLIP_OFFICIAL
from ...heads.weights import JANUSFLOW as HEAD
from ...tokenizers.weights import diffusers
from ..config import JanusFlowFormatConfig
from ..janus.parts import head_in
from .read import VAE, read, vae_file, vae_folder

if TYPE_CHECKING:
    from janiform import Export, Plan, Recipe

TEXT_HEAD = "language_model.lm_head.weight"

PARTS = {
    "backbone": "llama",
    "layout": "janus",
    "understanding.encoder": "siglip",
    "understanding.adapter": "linear",
}
DRAWING = {
    "generation.tokenizer": "kl",
    "generation.embedding": "uvit",
    "generation.adapter": "identity",
    "generation.head": "uvit",
}
"""Path of each part -> its component; those that draw are left out without an autoencoder."""

_ATTENTION = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}
"""Names in files of diffusers before 0.18 -> those since."""


class JanusFlowFormat:
    def __init__(self, config: JanusFlowFormatConfig) -> None:
        self.config = config

    def recipe(self, folder: Path) -> Recipe:
        return read(folder, head_in(folder, TEXT_HEAD))

    def weights(self, folder: Path) -> WeightFiles:
        files = weight_files(folder)
        vae = vae_folder(folder)
        return files if vae is None else WeightFiles([*files.files, vae_file(vae)], rename=_since)

    def keys(self, plan: Plan) -> Mapping[str, KeyMap]:
        draws = "generation" in plan.pathways
        _check(plan, PARTS | DRAWING if draws else PARTS)
        why = f"it serves to draw, and the directory has no folder {VAE} with the autoencoder"
        keys = {
            "backbone": official_janus(plan.parts["backbone"].use.config),
            "understanding.encoder": SIGLIP_OFFICIAL.below("vision_und_enc_model.vision_tower."),
            "understanding.adapter": ALIGNER
            if draws
            else attrs.evolve(ALIGNER, unused={f"vision_gen_{part}_{{rest}}": why for part in ("enc", "dec")}),
        }
        if draws:
            keys |= {
                "generation.tokenizer": diffusers(plan.parts["generation.tokenizer"].use.config),
                "generation.embedding": EMBEDDING,
                "generation.adapter": KeyMap({}),
                "generation.head": HEAD,
            }
        return keys

    def lacking(self, folder: Path, mode: str) -> str:
        """What a directory lacks to draw."""
        if mode != "draw" or vae_folder(folder) is not None:
            return ""
        return (
            f"the directory has no autoencoder: put stabilityai/{VAE} into {folder / VAE}, or into a folder of that "
            "name beside it"
        )

    def write(self, model: Export, folder: Path, shard_size: int | None = None) -> None:
        raise CompositionError(Problem("format 'janusflow' is read only; write the model in format 'janiform'"))


def _since(name: str) -> str:
    """The name of the autoencoder's tensor in files of diffusers since 0.18."""
    for before, after in _ATTENTION.items():
        if ".attentions." in name and before in name:
            return name.replace(before, after)
    return name


def _check(plan: Plan, components: Mapping[str, str]) -> None:
    """Raise ``CompositionError`` with all differences between a plan and a JanusFlow."""
    problems = []
    for path, component in components.items():
        part = plan.parts.get(path)
        if part is None:
            problems.append(Problem("format 'janusflow' needs this part, but the recipe has none", path))
        elif part.owner is not None:
            problems.append(Problem(f"format 'janusflow' cannot share parts, but this is {part.owner}", path))
        elif part.use.component.name != component:
            name = part.use.component.name
            problems.append(Problem(f"format 'janusflow' has '{component}' here, but the recipe has '{name}'", path))
    others = plan.pathways.keys() - {"understanding", "generation"}
    problems += [Problem("format 'janusflow' does not have this pathway", name) for name in sorted(others)]
    if problems:
        raise CompositionError(problems)
