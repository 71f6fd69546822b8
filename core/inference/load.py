"""``janiform.load``: a model of any installed format, ready to draw and to answer."""

from __future__ import annotations

import os
from typing import Any, Literal, cast

import torch

from ..arguments import choice, shown, text
from ..components.kernels import DEFAULT
from ..errors import Problem, UsageError, nearest
from ..garbage import no_collection
from ..measure.device import usable_device
from ..storage.locate import model_folder
from ..storage.model_json import about
from ..storage.open import open_model
from ..storage.quantize import SCHEMES
from .api import Model
from .free_memory import free_memory
from .generate.static_step import GraphEngine
from .memory import check_weights
from .packed import pack_weights

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@no_collection()
def load(
    model: str | os.PathLike[str],
    *,
    device: str | torch.device = "cpu",
    dtype: str | torch.dtype | None = None,
    quantize: str | None = None,
    only: Literal["look", "draw"] | None = None,
    attention: str = DEFAULT,
    sampler: str | None = None,
    graphs: bool = False,
    mapped: bool = True,
) -> Model:
    """Load a model that draws and answers.

    Args:
        model: the name of a recipe with shipped weights, or the folder of a finished run or of a model in any
            installed format, such as Janus, Chameleon or Emu3 as they are published.
        device: where to compute: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, …
        dtype: data type of the weights in memory; None is float32.
        quantize: ``"int8"`` or ``"int4"`` keeps the linear layers of the backbone in 8 or 4 bits; they are widened to
            ``dtype`` where they are multiplied.
        only: ``"look"`` or ``"draw"`` loads only the parts that this needs.
        attention: the kernel that computes the language model's attention: ``"sdpa"``, ``"flex"``, … (``janiform
            components kernel`` lists them), or ``"auto"`` for the best one, which ``model.attention`` names.
        sampler: draws in place of the recipe's sampler, with the settings that both have: ``"jacobi"``, for instance.
        graphs: record the steps of decoding as CUDA graphs, for a CUDA device; ``model.model.engine.reason`` says why
            where it was not possible.
        mapped: on the CPU, leave large weights in the files that have them in ``dtype``, and read them when they are
            first used. Replacing the files is safe meanwhile; cutting them off or overwriting them in place is not.
            False copies all weights at once.

    Raises:
        UsageError: the model, the device, the data type or the quantisation does not exist, the kernel does not
            serve it, the device records no graphs, or a sampler is given to a model that draws nothing.
        ComponentError: no such kernel or sampler is installed.
        CompositionError: the sampler does not draw what the model was trained to predict.
        StorageError: the model's files are damaged or do not belong together.
        ResourceError: the weights do not fit into the free memory.
    """
    if not isinstance(model, str | os.PathLike) or not isinstance(name := os.fspath(model), str):
        raise UsageError(f"a model must be a name or the path of a folder, not {shown(model)}")
    torch_device, torch_dtype = usable_device(device), _dtype(dtype)
    text("attention", attention)
    if sampler is not None:
        text("sampler", sampler)
    if only is not None:
        choice("only", only, ("look", "draw"))
    if graphs and torch_device.type != "cuda":
        raise UsageError(f"graphs need a CUDA device, and the device is '{torch_device.type}'")
    folder = model_folder(name)
    if quantize is not None and (not isinstance(quantize, str) or quantize not in SCHEMES):
        hint = nearest(str(quantize), SCHEMES)
        raise UsageError(Problem(f"{shown(quantize)} is not a valid quantisation", hint=hint))
    free = free_memory(torch_device)

    def check(needed: int) -> None:
        check_weights(needed, torch_dtype or torch.float32, free, torch_device.type, f"'{name}'", quantize)

    opened = open_model(
        folder,
        device=torch_device,
        dtype=torch_dtype,
        only=only,
        quantize=quantize,
        attention=attention,
        sampler=sampler,
        on_size=check,
        mapped=mapped,
    )
    pack_weights(opened)
    if graphs:
        opened.engine = GraphEngine(opened)
    return Model(opened, name=name, facts=about(folder), quantize=quantize, folder=folder)


def _dtype(dtype: Any) -> torch.dtype | None:
    if dtype is None or dtype in (*_DTYPES.values(), torch.float64):
        return cast("torch.dtype | None", dtype)
    name = str(dtype)
    if not isinstance(dtype, str) or name not in _DTYPES:
        raise UsageError(f"'{name}' is not a valid dtype ({nearest(name, _DTYPES)})")
    return _DTYPES[name]
