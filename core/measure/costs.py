"""Costs of a composed model without its weights: parameters, memory and FLOPs, measured on the meta device."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from attrs import asdict, frozen
from PIL import Image
from torch import nn

from ..compose.plan import PathwayShape, Plan
from ..model.modules import build_modules
from ..ports import Features
from . import flops
from .pictures import embedding_call, empty_corrupted, empty_drawn, head_call, place_call

BYTES = {"bf16": 2, "fp32": 4}
"""Bytes of one value by the short name of its data type."""


@frozen
class PartCosts:
    """Sizes of one part, in values. ``buffers`` are saved with the weights but not trained.

    ``active``: the parameters that compute one position, where a part has others, as a mixture of experts does.
    """

    parameters: int
    trainable: int
    buffers: int
    active: int | None = None


@frozen
class PathwayCosts:
    """Costs of one picture in a pathway, in FLOPs, without attention to earlier positions.

    ``tokens``: positions of one tile in the sequence; a picture has at most ``tiles``. ``pixels``: height and width of
    the pathway's input. ``look``: encoder (or tokenizer), adapter and backbone for one tile, where the pathway looks.
    ``code``: backbone, head, embedding and adapter for one code of one row (guidance takes two rows), or ``step``: the
    same for one step of a picture that is drawn as a whole; and ``decode``: codes or latents to pixels, where it draws.
    """

    tokens: int
    pixels: tuple[int, int]
    look: int | None = None
    code: int | None = None
    step: int | None = None
    decode: int | None = None
    tiles: int = 1


@frozen
class Costs:
    """The costs of a plan. Parts are keyed by the path of their owner, so a shared part counts once.

    ``text_token``: FLOPs of one text token with its logits; ``attention``: FLOPs per earlier position.
    """

    parts: Mapping[str, PartCosts]
    pathways: Mapping[str, PathwayCosts]
    parameters: int
    buffers: int
    context: int
    kv_values: int
    state_values: int
    text_token: int
    attention: int

    def weight_bytes(self, dtype: str = "bf16") -> int:
        """Bytes of all parameters and buffers as ``bf16`` or ``fp32``."""
        return (self.parameters + self.buffers) * BYTES[dtype]

    def kv_bytes(self, positions: int | None = None, dtype: str = "bf16") -> int:
        """Bytes of the keys and values of one sequence, and of its states; over the whole context by default."""
        return (self.context if positions is None else positions) * self.kv_values * BYTES[dtype] + self.state_bytes

    @property
    def state_bytes(self) -> int:
        """Bytes of what is kept of one sequence whatever its length, in float32."""
        return self.state_values * BYTES["fp32"]

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data, for JSON."""
        return {
            **asdict(self),
            "weight_bytes": {dtype: self.weight_bytes(dtype) for dtype in BYTES},
            "kv_bytes_per_token": {dtype: self.kv_values * BYTES[dtype] for dtype in BYTES},
            "kv_bytes_per_sequence": {dtype: self.kv_bytes(dtype=dtype) for dtype in BYTES},
        }


def measure(plan: Plan, modules: Mapping[str, nn.Module] | None = None) -> Costs:
    """Costs of a plan, from its modules on the meta device; they are built where not given.

    Raises ``CompositionError`` where a factory fails.
    """
    modules = build_modules(plan, device="meta") if modules is None else modules
    parts = {path: _sizes(module) for path, module in modules.items()}
    hidden = plan.hidden
    backbone = modules["backbone"]
    position, attention = flops.of_backbone(backbone, hidden.width, hidden.layers)
    return Costs(
        parts=parts,
        pathways={name: _pathway(plan, name, shape, modules, position) for name, shape in plan.pathways.items()},
        parameters=sum(part.parameters for part in parts.values()),
        buffers=sum(part.buffers for part in parts.values()),
        context=hidden.context,
        kv_values=hidden.cached_values,
        state_values=hidden.state,
        text_token=position + flops.of_logits(backbone, hidden.width, hidden.vocabulary),
        attention=attention,
    )


def _sizes(module: nn.Module) -> PartCosts:
    parameters = list(module.parameters())
    saved = module.state_dict()
    total = sum(p.numel() for p in parameters)
    trainable = sum(p.numel() for p in parameters if p.requires_grad)
    named = dict(module.named_parameters(remove_duplicate=False))
    buffers = sum(value.numel() for name, value in saved.items() if name not in named)
    return PartCosts(total, trainable, buffers, active_parameters(module))


def active_parameters(module: nn.Module) -> int | None:
    """What a part says of the parameters that compute one position (``active_parameters()``); None means all."""
    count: Any = getattr(module, "active_parameters", None)
    return int(count()) if callable(count) else None


@frozen
class PictureFlops:
    """Forward FLOPs of one picture in each part of a pathway; 0 for parts that it does not have.

    ``see``: the encoder, or the tokenizer from pixels to codes or latents. ``predict``: the head, over all places.
    ``decode``: the tokenizer back to pixels, 0 where it has no decoder.
    """

    see: int
    embed: int
    adapt: int
    predict: int = 0
    decode: int = 0


def picture_flops(plan: Plan, name: str, modules: Mapping[str, nn.Module]) -> PictureFlops:
    """FLOPs of a picture in the parts of a pathway, from modules on the meta device."""
    shape = plan.pathways[name]

    def module(role: str) -> Any:
        return modules[plan.owner(f"{name}.{role}")]

    pixels = (1, 3, *pixels_of(shape))
    source = cast(Features, plan.parts[f"{name}.adapter"].inputs["source"])
    adapt = flops.of_call(module("adapter"), module("adapter"), (1, source.tokens, source.width), source.tokens)
    if shape.drawn is None:
        encoder = module("encoder")
        return PictureFlops(flops.of_call(encoder, encoder, pixels, source.tokens), 0, adapt)
    tokenizer, embedding, tokens = module("tokenizer"), module("embedding"), shape.drawn.tokens
    drawn = empty_drawn(shape, device="meta")
    see = flops.of_call(tokenizer, tokenizer.encode, pixels, tokens)
    embed = _counted(embedding, embedding_call(shape, embedding, drawn), tokens)
    if shape.mode == "look":
        return PictureFlops(see, embed, adapt)
    states = torch.empty(1, shape.tokens, plan.hidden.width, device="meta")
    predict = _counted(module("head"), head_call(shape, module("head"), states, drawn), tokens)
    decode = _counted(tokenizer, lambda: tokenizer.decode(drawn), tokens) if shape.decodes else 0
    return PictureFlops(see, embed, adapt, predict, decode)


def _pathway(
    plan: Plan, name: str, shape: PathwayShape, modules: Mapping[str, nn.Module], position: int
) -> PathwayCosts:
    pixels, cost = pixels_of(shape), picture_flops(plan, name, modules)
    if shape.mode == "look" or shape.drawn is None:
        look = cost.see + cost.embed + cost.adapt + shape.tokens * position
        return PathwayCosts(shape.tokens, pixels, look=look, tiles=shape.tiles)
    tokens, vectors = shape.drawn.tokens, cost.embed + cost.adapt
    if shape.process is not None:
        step = shape.tokens * position + vectors + _head_step(plan, name, shape, modules, cost.predict)
        return PathwayCosts(shape.tokens, pixels, step=step, decode=cost.decode)
    code = position + cost.predict // tokens + vectors // tokens
    return PathwayCosts(shape.tokens, pixels, code=code, decode=cost.decode)


def _head_step(plan: Plan, name: str, shape: PathwayShape, modules: Mapping[str, nn.Module], predict: int) -> int:
    """FLOPs of the head in one step: over the whole picture; a head of single places draws each once in all steps."""
    if not shape.draws_places or shape.drawn is None:
        return predict
    head: Any = modules[plan.owner(f"{name}.head")]
    states = torch.empty(1, shape.tokens, plan.hidden.width, device="meta")
    drawn, corrupted = empty_drawn(shape, device="meta"), empty_corrupted(shape, "meta")
    read = _counted(head, lambda: head(states, drawn, corrupted), shape.drawn.tokens)
    one = _counted(head, place_call(shape, head, states, drawn), 1) - read
    steps: int = plan.parts[plan.owner(f"{name}.sampler")].use.config.steps
    return read + shape.drawn.tokens * one // steps


def _counted(module: nn.Module, call: Callable[[], Any], tokens: int) -> int:
    counted = flops.count(call)
    return flops.by_weights(module, tokens) if counted is None else counted


def pixels_of(shape: PathwayShape) -> tuple[int, int]:
    """Height and width of a pathway's input pixels, from transforming one picture."""
    _, height, width = shape.transform()(Image.new("RGB", (32, 32))).shape
    return height, width
