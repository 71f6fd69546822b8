"""Memory that a model takes while it reads, answers and draws, traced on the meta device."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, cast

import torch
from attrs import frozen
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ..compose.plan import PathwayShape, Plan
from ..model.modules import build_modules
from ..sequence.mask import Mask
from .costs import pixels_of
from .peak import peak
from .pictures import embedding_call, empty_drawn, head_call

_SAMPLING = 64
"""Bytes per entry of a vocabulary: logits in float32, sorted with their indices, softmax, sums."""

_POSITIONS = 64
"""Positions of the traced forward: enough that what does not grow with the length does not matter."""

# Where a part cannot be traced: values per unit of width or per pixel, above those of all parts that ship.
_BACKBONE, _ENCODER, _DECODER = 32, 32, 1024


@frozen
class Needs:
    """Bytes, except ``layers`` and ``pixels``; mappings are keyed by pathway.

    ``number``: bytes of one value. ``cache``: keys and values of one position of one row, over all ``layers``;
    ``state``: what is kept of one row whatever its length.
    ``position``: activations of one position of a prompt. ``answer``, ``code``: activations of one step of one row: of
    one code, or of a whole picture where it is drawn as such.
    ``look``: activations of one picture in a prompt; ``decode``: those of one picture from codes to pixels;
    ``pixels``: the number of values of a decoded picture.
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
    state: int = 0


def without_weights(modules: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """Copies of modules whose tensors are on the meta device, for tracing: no factory runs, no weight is copied.

    Nothing that tracing leaves behind, such as a table that a part builds on first use, reaches the modules themselves;
    hooks are left out, so that what watches the modules does not see the trace.
    """
    memo: dict[int, Any] = {}
    for module in {id(module): module for root in modules.values() for module in root.modules()}.values():
        for tensor in tree_leaves(vars(module)):
            if isinstance(tensor, Tensor) and id(tensor) not in memo:
                empty = torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")  # plain, also of packed weights
                memo[id(tensor)] = nn.Parameter(empty, False) if isinstance(tensor, nn.Parameter) else empty
    copies = copy.deepcopy(dict(modules), memo)
    for root in copies.values():
        for module in root.modules():
            module._forward_hooks.clear()
            module._forward_pre_hooks.clear()
    return copies


def measure_needs(plan: Plan, dtype: torch.dtype, modules: Mapping[str, nn.Module] | None = None) -> Needs:
    """Measure the needs of a plan whose weights have a data type.

    ``modules`` are on the meta device; pathways of which some parts are missing there are left out. They are built
    where they are not given. Raises ``CompositionError`` where a factory fails.
    """
    modules = build_modules(plan, "meta", dtype) if modules is None else modules
    size, hidden = dtype.itemsize, plan.hidden
    tensors = {tensor for module in modules.values() for tensor in (*module.parameters(), *module.buffers())}
    position = _position(modules["backbone"], hidden.width, dtype)
    shapes = {name: shape for name, shape in plan.pathways.items() if _built(plan, name, modules)}
    drawing = {name: shape for name, shape in shapes.items() if shape.mode == "draw" and shape.drawn is not None}
    areas = {name: _area(shape) for name, shape in drawing.items()}
    return Needs(
        weights=sum(tensor.nbytes for tensor in tensors),
        number=size,
        layers=hidden.layers,
        cache=hidden.cached_values * size,
        state=hidden.state * max(size, 4),  # recurrent states are float32
        # Beside the backbone's own: the embeddings, and once more with the pictures' vectors in their places.
        position=position + 2 * hidden.width * size,
        answer=position + _SAMPLING * hidden.vocabulary,
        code={name: _step(plan, name, shape, modules, dtype, position) for name, shape in drawing.items()},
        look={name: _look(plan, name, shape, modules, dtype) for name, shape in shapes.items()},
        decode={name: _decode(plan, name, shape, modules, size, areas[name]) for name, shape in drawing.items()},
        pixels={name: 3 * area for name, area in areas.items()},
    )


def _built(plan: Plan, name: str, modules: Mapping[str, nn.Module]) -> bool:
    return all(plan.owner(path) in modules for role in _ROLES if (path := f"{name}.{role}") in plan.parts)


def _position(backbone: nn.Module, width: int, dtype: torch.dtype) -> int:
    def read() -> Any:
        embeddings = torch.empty(1, _POSITIONS, width, dtype=dtype)
        return backbone(embeddings, torch.zeros(1, _POSITIONS, dtype=torch.int64), Mask.causal())

    traced = peak(read, [backbone])
    return _BACKBONE * width * dtype.itemsize if traced is None else -(-traced // _POSITIONS)


def _step(
    plan: Plan, name: str, shape: PathwayShape, modules: Mapping[str, nn.Module], dtype: torch.dtype, position: int
) -> int:
    """What one step of one row takes: reading a code, a scale or a whole picture, predicting, and sampling."""
    head: Any = modules[plan.owner(f"{name}.head")]
    if shape.process is None:
        places = max(shape.block_lengths, default=1)  # of the largest scale
        states = torch.empty(places, plan.hidden.width, dtype=dtype, device="meta")
        if shape.latents is not None:
            traced = peak(lambda: head(states), [head])
            return position + (0 if traced is None else traced)
        traced = peak(
            lambda: head.sample(states, lambda logits, level: logits.argmax(dim=-1)), [head, modules["backbone"]]
        )
        each = position + _SAMPLING * int(cast(Any, shape.codes).vocabulary)
        return places * each + (0 if traced is None else traced)
    states = torch.empty(1, shape.tokens, plan.hidden.width, dtype=dtype, device="meta")
    drawn = empty_drawn(shape, dtype, "meta")
    traced = peak(head_call(shape, head, states, drawn), list(modules.values()))
    sampled = 0 if shape.codes is None else _SAMPLING * shape.codes.vocabulary * shape.codes.tokens
    return shape.tokens * position + sampled + (0 if traced is None else traced)


def _look(plan: Plan, name: str, shape: PathwayShape, modules: Mapping[str, nn.Module], dtype: torch.dtype) -> int:
    parts = {role: modules[plan.owner(f"{name}.{role}")] for role in _LOOK_ROLES if f"{name}.{role}" in plan.parts}
    height, width = pixels_of(shape)

    def look() -> Any:
        pixels = torch.empty(1, 3, height, width, dtype=dtype)
        if shape.drawn is None:
            return parts["adapter"](parts["encoder"](pixels))
        drawn = cast(Any, parts["tokenizer"]).encode(pixels)
        return parts["adapter"](embedding_call(shape, parts["embedding"], drawn)())

    traced = peak(look, parts.values())
    estimate = _ENCODER * (shape.features.tokens * shape.features.width + height * width)
    return estimate * dtype.itemsize if traced is None else traced


_LOOK_ROLES = ("encoder", "tokenizer", "embedding", "adapter")
_ROLES = (*_LOOK_ROLES, "head")


def _decode(plan: Plan, name: str, shape: PathwayShape, modules: Mapping[str, nn.Module], size: int, area: int) -> int:
    if not shape.decodes:
        return 0
    tokenizer: Any = modules[plan.owner(f"{name}.tokenizer")]
    dtype = next((weight.dtype for weight in tokenizer.parameters()), torch.float32)
    traced = peak(lambda: tokenizer.decode(empty_drawn(shape, dtype)), [tokenizer])
    return _DECODER * area * size if traced is None else traced


def _area(shape: PathwayShape) -> int:
    height, width = pixels_of(shape)
    return height * width
