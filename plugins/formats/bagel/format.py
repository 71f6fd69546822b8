"""The format of BAGEL's release: ``ema.safetensors``, ``ae.safetensors``, ``llm_config.json`` and ``vit_config.json``.

The position vectors of latents and features, which the files have as tables, are computed when they are read or
written. The release keeps the
encoder's patch embedding as a matrix over row, column and channel of a patch; here it is a convolution.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
from janiform import CompositionError, KeyMap, Problem, WeightFiles, weight_files, write_files
from torch import Tensor

from ...backbones.decoder.weights import bagel
from ...encoders.weights import SIGLIP_TOWER
from ...tokenizers.weights import latent_diffusion
from ..config import BagelFormatConfig
from ..janus.write import check, config_writers, dtype_of
from .read import ROUTE, read
from .write import DESCRIBED, TOKENIZER, as_released, describe, grids_of, save_text

if TYPE_CHECKING:
    from janiform import Export, Plan, Recipe

AUTOENCODER = "ae.safetensors"

TOWER = "vit_model.vision_model."
PATCHES = TOWER + "embeddings.patch_embedding.weight"

PARTS = {
    "backbone": "qwen2",
    "layout": "bagel",
    "understanding.encoder": "siglip",
    "understanding.adapter": "mlp",
    "generation.tokenizer": "kl",
    "generation.embedding": "patches",
    "generation.adapter": "identity",
    "generation.head": "values",
}
"""Path of each part -> its component."""

EMBEDDING = KeyMap(
    {
        "project.{rest}": "vae2llm.{rest}",
        "time.into.{rest}": "time_embedder.mlp.0.{rest}",
        "time.out.{rest}": "time_embedder.mlp.2.{rest}",
    },
    within=("vae2llm.", "time_embedder."),
    unused={"latent_pos_embed.pos_embed": "these positions are sines and cosines, which are computed"},
)

HEAD = KeyMap({"layers.0.{rest}": "llm2vae.{rest}"}, within=("llm2vae.",))

CONNECTOR = KeyMap(
    {"layers.0.{rest}": "connector.fc1.{rest}", "layers.2.{rest}": "connector.fc2.{rest}"},
    within=("connector.",),
    unused={"vit_pos_embed.pos_embed": "these positions are sines and cosines, which are computed"},
)


class BagelFiles(WeightFiles):
    """The tensors of BAGEL, whose patch embedding has the shape of a convolution."""

    def __init__(self, files: list[Path]) -> None:
        super().__init__(files)
        self._side = 0
        stored = self.tensors.get(PATCHES)
        if stored is not None and len(stored.shape) == 2 and 3 * isqrt(stored.shape[1] // 3) ** 2 == stored.shape[1]:
            self._side = isqrt(stored.shape[1] // 3)
            self.tensors[PATCHES] = attrs.evolve(stored, shape=(stored.shape[0], 3, self._side, self._side))

    def rows(self, name: str) -> Iterator[tuple[slice, Tensor]]:
        for rows, values in super().rows(name):
            if name == PATCHES and self._side:
                yield rows, values.unflatten(1, (self._side, self._side, 3)).permute(0, 3, 1, 2)
            else:
                yield rows, values

    def mapped(self, name: str) -> Tensor | None:
        return None if name == PATCHES and self._side else self._mapped(name)


class BagelFormat:
    def __init__(self, config: BagelFormatConfig) -> None:
        self.config = config

    def recipe(self, folder: Path) -> Recipe:
        return read(folder)

    def weights(self, folder: Path) -> WeightFiles:
        return BagelFiles([*weight_files(folder, ("ema", "model")).files, folder / AUTOENCODER])

    def keys(self, plan: Plan) -> dict[str, KeyMap]:
        problems = []
        for path, component in PARTS.items():
            part = plan.parts.get(path)
            if part is None:
                problems.append(Problem("format 'bagel' needs this part, but the recipe has none", path))
            elif part.use.component.name != component:
                other = part.use.component.name
                problems.append(Problem(f"format 'bagel' has '{component}' here, but the recipe has '{other}'", path))
        if not problems and plan.hidden.routes != (ROUTE,):
            problems.append(Problem(f"format 'bagel' has one further set of weights, '{ROUTE}'", "backbone.routes"))
        if problems:
            raise CompositionError(problems)
        configs = {path: plan.parts[path].use.config for path in PARTS}
        last = f"encoder.layers.{configs['understanding.encoder'].layers}.{{rest}}"
        unused = {**SIGLIP_TOWER.unused, last: "the release leaves out the encoder's last layer"}
        return {
            "backbone": bagel(configs["backbone"], ROUTE),
            "understanding.encoder": attrs.evolve(SIGLIP_TOWER, prefix=TOWER, unused=unused),
            "understanding.adapter": CONNECTOR,
            "generation.tokenizer": latent_diffusion(configs["generation.tokenizer"]),
            "generation.embedding": EMBEDDING,
            "generation.adapter": KeyMap({}),
            "generation.head": HEAD,
        }

    def write(self, model: Export, folder: Path, shard_size: int | None = None) -> None:
        keys = self.keys(model.plan)
        configs = {path: part.use.config for path, part in model.plan.parts.items() if path in (*PARTS, "layout")}
        files = describe(configs, dtype_of(model))
        check("bagel", model, files, read, DESCRIBED, save_text, [])
        tokenizer = {TOKENIZER: keys.pop(TOKENIZER)}
        tables = partial(as_released, grids=grids_of(configs), patches=PATCHES)
        weights = model.writers(keys, {"format": "pt"}, shard_size, "ema", tables)
        autoencoder = model.writers(tokenizer, {"format": "pt"}, stem=Path(AUTOENCODER).stem)
        write_files(folder, {**weights, **autoencoder, **config_writers(model, files, save_text)})
