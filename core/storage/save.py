"""Writing model folders in janiform's own layout.

recipe.toml          the resolved recipe
model.safetensors    weights, by the paths of the parts; or shards, and model.safetensors.index.json
tokenizer.json       the text tokenizer
model.json           provenance, and the digest of the weights
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from .. import __version__
from ..model.unified_model import UnifiedModel
from ..recipe import dumps
from ..weights import KeyMap
from .atomic import write_files
from .export import Export
from .model_json import recorded
from .weight_files import SAFETENSORS

if TYPE_CHECKING:
    from ..compose import Plan


def save_model(
    model: UnifiedModel, folder: str | Path, dtype: torch.dtype | None = None, facts: Mapping[str, Any] | None = None
) -> Path:
    """Write a model folder; a file that was there before stands until all the new ones are on the disk.

    Args:
        dtype: of the floating-point weights in the file, but for tokenizers', which keep theirs; None keeps all.
        facts: what else belongs into ``model.json``: command, seed, data digests, scores.

    Raises:
        StorageError: the disk is full, or the folder may not be written.
    """
    return write_model(Export.of(model, dtype), folder, facts)


def write_model(
    model: Export, folder: str | Path, facts: Mapping[str, Any] | None = None, shard_size: int | None = None
) -> Path:
    """``save_model`` of a model that need not be in memory. ``shard_size``: bytes that a file of weights has at most.

    A folder that is given shards must not hold ``model.safetensors``, which would be read instead.
    """
    folder = Path(folder)

    def provenance(path: Path) -> None:
        about = {
            "janiform": __version__,
            "recipe": model.plan.recipe.name,
            "weights": recorded([path.parent / name for name in weights if name.endswith(SAFETENSORS)]),
            "parameters": sum(parameter.numel() for part in model.modules.values() for parameter in part.parameters()),
            **(facts or {}),
        }
        path.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    def recipe(path: Path) -> None:
        path.write_text(dumps(model.plan.recipe), encoding="utf-8")

    def text(path: Path) -> None:
        model.text.save(path.parent)

    metadata = {"format": "janiform", "version": __version__}
    weights = model.writers(own_keys(model.plan), metadata, shard_size)
    writers = {"recipe.toml": recipe, "tokenizer.json": text, **weights, "model.json": provenance}
    write_files(folder, writers, withdraw="model.json")
    return folder


def own_keys(plan: Plan) -> dict[str, KeyMap]:
    """The names in janiform's own files: the paths of the parts, and the parts' names in them."""
    owners = dict.fromkeys(plan.owner(path) for path, part in plan.parts.items() if part.output is not None)
    return {path: KeyMap({"{rest}": "{rest}"}, prefix=f"{path}.") for path in owners}
