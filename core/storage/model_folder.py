"""Model folders: weights, the recipe that they belong to, the text tokenizer, and where all of it came from.

recipe.toml          the resolved recipe
model.safetensors    weights, by the paths of the parts
tokenizer.json       the text tokenizer
model.json           provenance, and the digest of the weights
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .. import __version__
from ..components.registry import registry
from ..compose import Plan, compose
from ..errors import Problem, StorageError, UsageError, nearest
from ..model import UnifiedModel
from ..recipe import dumps, read_recipe
from ..sequence.processor import Processor
from .atomic import explained, write_files
from .digest import file_digest
from .tensors import put_back, tensors_of

WEIGHTS = "model.safetensors"

_DIGESTED_BYTES = 256 << 20
"""Larger weights are not read twice to check their digest; their size and header are checked always."""


def save_model(
    model: UnifiedModel, folder: str | Path, dtype: torch.dtype | None = None, facts: Mapping[str, Any] | None = None
) -> Path:
    """Write a model folder; a file that was there before stands until all the new ones are on the disk.

    Args:
        dtype: of the floating-point weights in the file; None keeps the model's.
        facts: what else belongs into ``model.json``: command, seed, data digests, scores.

    Raises:
        StorageError: the disk is full, or the folder may not be written.
    """
    folder = Path(folder)
    tensors = {name: _stored(tensor, dtype) for name, tensor in tensors_of(model).items()}

    def weights(path: Path) -> None:
        save_file(tensors, path, metadata={"format": "janiform", "version": __version__})

    def provenance(path: Path) -> None:
        written = path.parent / WEIGHTS
        about = {
            "janiform": __version__,
            "recipe": model.plan.recipe.name,
            "weights": {"bytes": written.stat().st_size, "sha256": file_digest(written)},
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            **(facts or {}),
        }
        path.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    def recipe(path: Path) -> None:
        path.write_text(dumps(model.plan.recipe), encoding="utf-8")

    def text(path: Path) -> None:
        model.processor.text.save(path.parent)

    writers = {"recipe.toml": recipe, "tokenizer.json": text, WEIGHTS: weights, "model.json": provenance}
    write_files(folder, writers, withdraw="model.json")
    return folder


def open_model(
    name_or_folder: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    parts: Iterable[str] | None = None,
) -> UnifiedModel:
    """A model with its weights: of a recipe that ships with weights, by name, or of a model or run folder.

    Args:
        dtype: of the weights in memory; None is float32.
        parts: only these, by path or first name (``("backbone", "understanding")``); other weights are not read.

    Raises:
        UsageError: there is no such model, or it has no weights.
        StorageError: its files are damaged, or do not belong together; every tensor that does not fit is named.
    """
    folder = model_folder(name_or_folder)
    plan = compose(read_recipe(folder / "recipe.toml"))
    parts = None if parts is None else tuple(parts)
    tensors = _read(folder, plan, parts)
    model = plan.build(device=device, dtype=dtype, parts=parts)
    put_back(model, tensors, str(folder / WEIGHTS))
    model.processor = Processor(plan, folder)
    return model.eval().requires_grad_(False)


def model_folder(name_or_folder: str | Path) -> Path:
    """The folder of a model.

    Raises ``UsageError`` where there is none, or where it has a recipe and no weights, saying how to get them.
    """
    models = registry().models()
    name = str(name_or_folder)
    if name in models:
        return models[name]
    folder = Path(name_or_folder)
    if folder.is_dir():
        if (folder / WEIGHTS).is_file() and (folder / "recipe.toml").is_file():
            return folder
        if (folder / "run.json").exists():
            raise UsageError(
                f"the run in {folder} is not finished; go on with: "
                f"janiform train {folder / 'recipe.toml'} --out {folder} --resume"
            )
        lacking = [file for file in (WEIGHTS, "recipe.toml") if not (folder / file).is_file()]
        raise UsageError(f"{folder} is no model folder: it lacks {' and '.join(lacking)}")
    if name in registry().recipes() or folder.suffix == ".toml":
        out = f"runs/{Path(name).stem}"
        raise UsageError(f"'{name}' has no weights; train it with: janiform train {name} --out {out}")
    raise UsageError(
        Problem(f"there is no model '{name}'", hint=nearest(name, models) or "give a model's name or its folder")
    )


def about(folder: Path) -> dict[str, Any]:
    """What ``model.json`` says; empty where there is none. Raises ``StorageError`` where it is damaged."""
    path = folder / "model.json"
    with explained("read", path):
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise StorageError(f"{path} is damaged: {error}") from error
    if not isinstance(said, dict):
        raise StorageError(f"{path} is damaged: it does not hold a table")
    return said


def _stored(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    convert = dtype is not None and tensor.is_floating_point()
    return tensor.to("cpu", dtype if convert else None).contiguous()


def _read(folder: Path, plan: Plan, parts: tuple[str, ...] | None) -> dict[str, Tensor]:
    """The tensors of the file, or of some parts, after a look at whether it is whole."""
    path = folder / WEIGHTS
    _check_whole(path, about(folder).get("weights"))
    prefixes = None if parts is None else tuple(f"{owner}." for owner in _owners(plan, parts))
    with explained("read", path):
        try:
            with safe_open(path, framework="pt") as file:
                names = [name for name in file.keys() if prefixes is None or name.startswith(prefixes)]  # noqa: SIM118 - no dict
                return {name: file.get_tensor(name) for name in names}
        except SafetensorError as error:
            raise StorageError(f"{path} is damaged or no safetensors file: {error}") from error


def _owners(plan: Plan, parts: tuple[str, ...]) -> set[str]:
    """The owners of the parts that the names choose; an unknown name is left to ``Plan.build``, which explains it."""
    return {plan.owner(path) for path in plan.parts for name in parts if path == name or path.startswith(f"{name}.")}


def _check_whole(path: Path, recorded: Any) -> None:
    if not isinstance(recorded, dict):
        return
    with explained("read", path):
        size = path.stat().st_size
        if size != recorded.get("bytes"):
            raise StorageError(
                f"{path} has {size} bytes where {recorded.get('bytes')} were written: it is truncated or another file"
            )
        if size <= _DIGESTED_BYTES and file_digest(path) != recorded.get("sha256"):
            raise StorageError(f"{path} was altered: its digest is not the one that model.json records")
