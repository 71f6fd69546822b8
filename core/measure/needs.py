"""What a model takes of memory while it reads, answers and draws, read off the meta device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from attrs import frozen
from torch import nn

from ..compose.plan import PathwayShape, Plan
from ..model.modules import build_modules
from ..sequence.mask import Mask
from .costs import pixels_of
from .peak import peak

_CHOOSING = 64
"""Bytes for each entry of a vocabulary: logits in float32, sorted with their indices, softmax, sums."""

_POSITIONS = 64
"""Long enough to be told from what does not grow with the length."""

# Where a part cannot be traced: values for each unit of width or pixel, above those of all parts that ship.
_BACKBONE, _ENCODER, _DECODER = 32, 32, 1024


@frozen
class Needs:
    """Bytes, but for ``layers`` and ``pixels``. Those that are mappings are keyed by pathway.

    ``number``: of one value. ``cache``: keys and values of one position of one row, over all ``layers``. ``position``:
    activations of one position of a prompt. ``answer``, ``code``: of one step of one row. ``look``: of one picture in a
    prompt; ``decode``: of one picture from codes to pixels, which are so many values.
    """

    weights: int
    number: int
    layers: int
    cache: int
    position: int
    answer: int
    code: Mapping[str, int]
    look: Mapping[str, int]
    decode: Mapping[str, int]
    pixels: Mapping[str, int]


def measure_needs(plan: Plan, dtype: torch.dtype, modules: Mapping[str, nn.Module] | None = None) -> Needs:
    """The needs of a plan whose weights are of a dtype; ``modules`` on the meta device are built where not given.

    Raises ``CompositionError`` where a factory fails.
    """
    modules = build_modules(plan, "meta", dtype) if modules is None else modules
    size, hidden = dtype.itemsize, plan.hidden
    tensors = {tensor for module in modules.values() for tensor in (*module.parameters(), *module.buffers())}
    position = _position(modules["backbone"], hidden.width, dtype)
    shapes = plan.pathways
    drawing = {name: shape for name, shape in shapes.items() if shape.mode == "draw" and shape.codes is not None}
    areas = {name: _area(shape) for name, shape in drawing.items()}
    return Needs(
        weights=sum(tensor.nbytes for tensor in tensors),
        number=size,
        layers=hidden.layers,
        cache=2 * hidden.layers * hidden.kv_heads * hidden.head_width * size,
        # Beside the backbone's own: the embeddings, and once more with the pictures' vectors put into them.
        position=position + 2 * hidden.width * size,
        answer=position + _CHOOSING * hidden.vocabulary,
        code={name: position + _code(plan, name, shape, modules, dtype) for name, shape in drawing.items()},
        look={name: _look(plan, name, shape, modules, dtype) for name, shape in shapes.items()},
        decode={name: _decode(plan, name, shape, modules, size, areas[name]) for name, shape in drawing.items()},
        pixels={name: 3 * area for name, area in areas.items()},
    )


def _position(backbone: nn.Module, width: int, dtype: torch.dtype) -> int:
    def read() -> Any:
        embeddings = torch.empty(1, _POSITIONS, width, dtype=dtype)
        return backbone(embeddings, torch.zeros(1, _POSITIONS, dtype=torch.int64), Mask.causal())

    traced = peak(read, [backbone])
    return _BACKBONE * width * dtype.itemsize if traced is None else -(-traced // _POSITIONS)


def _code(plan: Plan, name: str, shape: PathwayShape, modules: Mapping[str, nn.Module], dtype: torch.dtype) -> int:
    """What the head holds while it predicts all levels of a code, and what choosing one of them takes."""
    head, chosen = modules[plan.owner(f"{name}.head")], cast(Any, shape.codes)

    def sample() -> Any:
        states = torch.empty(1, plan.hidden.width, dtype=dtype)
        return cast(Any, head).sample(states, lambda logits, level: logits.argmax(dim=-1))

    traced = peak(sample, [head, modules["backbone"]])
    return _CHOOSING * int(chosen.vocabulary) + (0 if traced is None else traced)


def _look(plan: Plan, name: str, shape: PathwayShape, modules: Mapping[str, nn.Module], dtype: torch.dtype) -> int:
    parts = {role: modules[plan.owner(f"{name}.{role}")] for role in _ROLES if f"{name}.{role}" in plan.parts}
    height, width = pixels_of(shape)

    def look() -> Any:
        pixels = torch.empty(1, 3, height, width, dtype=dtype)
        if shape.codes is None:
            return parts["adapter"](parts["encoder"](pixels))
        codes = cast(Any, parts["tokenizer"]).encode(pixels)
        return parts["adapter"](parts["embedding"](codes))

    traced = peak(look, parts.values())
    guessed = _ENCODER * (shape.features.tokens * shape.features.width + height * width)
    return guessed * dtype.itemsize if traced is None else traced


_ROLES = ("encoder", "tokenizer", "embedding", "adapter")


def _decode(plan: Plan, name: str, shape: PathwayShape, modules: Mapping[str, nn.Module], size: int, area: int) -> int:
    tokenizer, codes = modules[plan.owner(f"{name}.tokenizer")], shape.codes
    if codes is None:
        return 0
    traced = peak(
        lambda: cast(Any, tokenizer).decode(torch.zeros(1, codes.tokens, codes.depth, dtype=torch.int64)), [tokenizer]
    )
    return _DECODER * area * size if traced is None else traced


def _area(shape: PathwayShape) -> int:
    height, width = pixels_of(shape)
    return height * width
