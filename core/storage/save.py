"""Writing model folders in janiform's own format.

recipe.toml          the resolved recipe
model.safetensors    weights, by the paths of the parts; or shards, and model.safetensors.index.json
tokenizer.json       the text tokenizer
model.json           provenance, and the digest of the weights
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from .. import __version__
from ..model.unified_model import UnifiedModel
from ..recipe import dumps
from ..weights import KeyMap
from .atomic import text_writer, write_files
from .export import Export
from .json_files import json_writer
from .model_json import recorded
from .weight_files import SAFETENSORS

if TYPE_CHECKING:
    from ..compose import Plan


def save_model(
    model: UnifiedModel, folder: str | Path, dtype: torch.dtype | None = None, facts: Mapping[str, Any] | None = None
) -> Path:
    """Write a model folder; older files are replaced once all new ones are on the disk.

    Args:
        dtype: data type of the floating-point weights in the file, except tokenizers'; None keeps the model's.
        facts: further entries of ``model.json``: command, seed, digests of data, scores.

    Raises:
        StorageError: the disk is full, or the folder may not be written.
    """
    return write_model(Export.of(model, dtype), folder, facts)


def write_model(
    model: Export, folder: str | Path, facts: Mapping[str, Any] | None = None, shard_size: int | None = None
) -> Path:
    """Write a model folder as ``save_model`` does, of a model that need not be in memory.

    ``shard_size``: largest size of a file of weights in bytes. A folder that gets shards must not contain
    ``model.safetensors``, which would be read instead.
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
        json_writer(about)(path)

    def text(path: Path) -> None:
        model.text.save(path.parent)

    metadata = {"format": "janiform", "version": __version__}
    weights = model.writers(own_keys(model.plan), metadata, shard_size)
    writers = {
        "recipe.toml": text_writer(dumps(model.plan.recipe)),
        "tokenizer.json": text,
        **weights,
        "model.json": provenance,
    }
    write_files(folder, writers, withdraw="model.json")
    return folder


def own_keys(plan: Plan) -> dict[str, KeyMap]:
    """The names of tensors in janiform's own files: path of the part, then name in the part."""
    owners = dict.fromkeys(plan.owner(path) for path, part in plan.parts.items() if part.output is not None)
    return {path: KeyMap({"{rest}": "{rest}"}, prefix=f"{path}.") for path in owners}
