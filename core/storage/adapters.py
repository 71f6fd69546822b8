"""Low-rank adapters in a directory of their own, with the file names, tensor names and settings of peft.

adapter_model.safetensors    base_model.model.LAYER.lora_A.weight [r, n] and .lora_B.weight [m, r], for every layer
adapter_config.json          rank, alpha and the layers

LAYER is the layer's path in the model: ``backbone.layers.0.mlp.down_proj``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from attrs import evolve
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..errors import Problem, StorageError, nearest
from ..model.lora import Learned
from ..recipe import Lora
from .adapter_layers import layers_of
from .atomic import explained, write_files
from .export import Export
from .json_files import json_writer, read_json
from .locate import ADAPTER_CONFIG
from .stored import fault_of, type_name

WEIGHTS, CONFIG = "adapter_model.safetensors", ADAPTER_CONFIG

_MOST_HINTS = 3
"""Adapters without a layer for which the most similar layer is searched, which takes long."""

_PREFIX = "base_model.model."
_MATRICES = ("lora_A.weight", "lora_B.weight")
_OTHERWISE = ("use_rslora", "use_dora", "rank_pattern", "alpha_pattern", "fan_in_fan_out", "modules_to_save")
"""peft's settings that change the meaning of the two matrices, or add other weights."""


def save_adapters(learned: Mapping[str, Learned], lora: Lora, base: str, folder: Path) -> Path:
    """Write the adapters that ``merge`` returned. ``base``: folder of the weights that they belong to, or empty.

    Raises ``StorageError`` where the folder cannot be written.
    """
    config = {
        "peft_type": "LORA",
        "r": lora.rank,
        "lora_alpha": lora.alpha,
        "lora_dropout": lora.dropout,
        "target_modules": list(learned),
        "bias": "none",
        "task_type": None,
        "inference_mode": True,
        "base_model_name_or_path": base,
    }
    tensors = {
        f"{_PREFIX}{path}.{name}": matrix.cpu().contiguous()
        for path, adapter in learned.items()
        for name, matrix in zip(_MATRICES, (adapter.a, adapter.b), strict=True)
    }
    write_files(
        folder,
        {
            CONFIG: json_writer(config),
            WEIGHTS: lambda part: save_file(tensors, part, {"format": "pt"}),
        },
    )
    return folder


def read_adapters(folder: Path) -> dict[str, Learned]:
    """The adapters in a directory, by the paths of their layers.

    Raises ``StorageError`` where files are missing or damaged, or hold another type of adapter.
    """
    if missing := [name for name in (WEIGHTS, CONFIG) if not (folder / name).is_file()]:
        raise StorageError(Problem(f"{folder} has no {missing[0]}", hint="a run writes adapters to adapters/STAGE"))
    config = read_json(folder / CONFIG)
    alpha: Any = config.get("lora_alpha")
    unsupported = [name for name in _OTHERWISE if config.get(name)]
    if config.get("peft_type") != "LORA" or unsupported or not isinstance(alpha, int | float):
        kind = ", ".join([f"'{config.get('peft_type')}'", *unsupported])
        raise StorageError(f"{folder / CONFIG}: only plain adapters of type 'LORA' are supported, got {kind}")
    with explained("read", folder / WEIGHTS):
        try:
            tensors = load_file(folder / WEIGHTS)
        except SafetensorError as error:
            raise StorageError(f"{folder / WEIGHTS} is damaged: {error}") from error
    matrices: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        matrix = next((matrix for matrix in _MATRICES if name.endswith(f".{matrix}")), "")
        if not matrix or not name.startswith(_PREFIX) or tensor.ndim != 2:
            raise StorageError(
                f"{folder / WEIGHTS}: {name} {list(tensor.shape)} is not a matrix of a linear layer's adapter"
            )
        if fault := fault_of(tensor) or (
            "" if tensor.is_floating_point() else f"has the data type {type_name(tensor.dtype)}"
        ):
            raise StorageError(f"{folder / WEIGHTS}: {name} {fault}")
        tensor = tensor.float() if tensor.element_size() == 1 else tensor  # nothing is computed in float8
        matrices.setdefault(name.removeprefix(_PREFIX).removesuffix(f".{matrix}"), {})[matrix] = tensor
    a, b = _MATRICES
    for path, pair in matrices.items():
        if len(pair) != 2 or len(pair[a]) != pair[b].shape[1]:
            raise StorageError(f"{folder / WEIGHTS}: the two matrices of {path} do not fit each other")
    return {path: Learned(pair[a], pair[b], float(alpha)) for path, pair in matrices.items()}


def with_adapters(model: Export, learned: Mapping[str, Learned]) -> Export:
    """The model with adapters merged into its weights, a few rows at a time.

    Layers have the model's own names, or those of an installed format, as adapters have that peft trained on a model
    of that format. Raises ``StorageError`` with every adapter that does not fit a layer of the model.
    """
    targets = layers_of(model, learned)
    problems: list[Problem] = []
    updates: dict[tuple[str, str], list[tuple[int, Learned]]] = {}
    for layer, adapter in learned.items():
        target = targets.get(layer)
        wanted = [len(adapter.b), adapter.a.shape[1]]
        if target is None:
            hint = nearest(layer, list(targets)) if len(problems) < _MOST_HINTS else ""
            problems.append(Problem("the model has no layer for this adapter", layer, hint=hint))
        elif list(target.shape) != wanted:
            message = f"the adapter needs a weight of shape {wanted}, got {list(target.shape)}"
            problems.append(Problem(message, layer))
        else:
            updates.setdefault((target.path, target.name), []).append((target.first, adapter))
    if problems:
        raise StorageError(problems)

    def rows(path: str, name: str, wanted: slice | None) -> Iterator[Tensor]:
        first = 0 if wanted is None else wanted.start
        for values in model.rows(path, name, wanted):
            for start, adapter in updates.get((path, name), ()):
                values = _added(values, first, start, adapter)
            first += len(values) if values.dim() else 1
            yield values

    return evolve(model, rows=rows)


def _added(values: Tensor, first: int, start: int, adapter: Learned) -> Tensor:
    """Rows of a weight, from ``first`` on, with what an adapter of the rows from ``start`` on adds to them."""
    begin, end = max(first, start), min(first + len(values), start + len(adapter.b))
    if begin >= end:
        return values
    part = evolve(adapter, b=adapter.b[begin - start : end - start])
    added = values.to(torch.promote_types(values.dtype, torch.float32))
    added = added.clone() if added is values else added
    added[begin - first : end - first] += part.update
    return added.to(values.dtype)
