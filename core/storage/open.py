"""Opening model folders in every installed format."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import torch

from ..attention.attend import attention_for
from ..components.kernels import DEFAULT
from ..compose import compose
from ..compose.other_sampler import compose_with_sampler
from ..contracts.kernels import AttentionRequest
from ..errors import Problem, UsageError
from ..model.processor import Processor
from ..model.unified_model import UnifiedModel
from .filling import load_parts
from .formats import format_of
from .locate import model_folder
from .model_json import about, check_whole

Mode = Literal["look", "draw"]


def open_model(
    name_or_folder: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    parts: Iterable[str] | None = None,
    only: Mode | None = None,
    quantize: str | None = None,
    attention: str = DEFAULT,
    sampler: str | None = None,
    on_size: Callable[[int], None] | None = None,
) -> UnifiedModel:
    """A model with its weights: by the name of a recipe that ships with weights, or from a directory in any format.

    Weights are mapped and copied part by part, so memory never holds more than the model itself.

    Args:
        dtype: data type of the weights in memory; None is float32.
        parts: parts to load, by path or first name (``("backbone", "understanding")``); None loads all.
        only: ``"look"`` or ``"draw"`` loads only the pathways of this mode; excludes ``parts``.
        quantize: ``"int8"`` or ``"int4"`` for the backbone's linear layers; see ``storage.quantize``.
        attention: the kernel that computes the backbone's attention, or ``"auto"``; see ``kernels.choose``.
        sampler: the component that draws in place of the recipe's, with the settings that both have, such as guidance
            and temperature.
        on_size: called with the size of the weights in memory, in bytes, before it is allocated; may raise.

    Raises:
        UsageError: the model does not exist or has no weights, ``only`` is not a mode or is given with ``parts``, the
            kernel does not support the device, data type or shapes, or a sampler is given and the model draws nothing.
        ComponentError: the kernel or the sampler does not exist.
        CompositionError: the sampler does not draw what the model was trained to predict.
        RecipeError: its recipe has mistakes.
        StorageError: its files are damaged, or do not belong together; every tensor that does not fit is named.
    """
    if only is not None and only not in ("look", "draw"):
        raise UsageError(Problem(f"only must be 'look' or 'draw', got '{only}'"))
    if only is not None and parts is not None:
        raise UsageError(Problem("'parts' and 'only' exclude each other", hint="give one of them"))
    folder = model_folder(name_or_folder)
    layout = format_of(folder).format
    recipe = layout.recipe(folder)
    plan = compose(recipe) if sampler is None else compose_with_sampler(recipe, sampler)
    number = str(dtype or torch.float32).removeprefix("torch.")
    asked = AttentionRequest(device=str(device), dtype=number, head_width=plan.hidden.head_width, cached=True)
    kernel = attention_for(attention, asked)
    keys = layout.keys(plan)
    files = layout.weights(folder)
    check_whole(files, about(folder).get("weights"))
    if only is not None:
        parts = ["backbone", *(name for name, shape in plan.pathways.items() if shape.mode == only)]
    modules = load_parts(plan, keys, files, device=device, dtype=dtype, parts=parts, quantize=quantize, on_size=on_size)
    model = UnifiedModel(plan, modules, Processor(plan, folder))
    model.attention = kernel
    return model.eval().requires_grad_(False)


def weights_in(folder: Path) -> tuple[Path, ...]:
    """The files that hold the weights of a model folder. Raises ``StorageError``."""
    return format_of(folder).format.weights(folder).files
