"""Which parts do not fit, found by running them: tensors go through the modules, and no declaration is asked.

What fails, or comes out in another shape than the next part can use, is what composition must refuse. Each answer is
the paths that are refused, each with the facts that the reason must state.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import torch
from janiform import Codes, Features, Hidden
from janiform.components.kinds import KINDS
from janiform.recipe import Use
from PIL import Image
from product_parts import TEXTS, Drawing, Seeing, square
from torch import Tensor, nn

Refused = dict[str, tuple[str, ...]]
Answer = TypeVar("Answer")

ROOM = 16
"""Positions beside a picture that must be left for text."""


def once(question: Callable[..., Answer]) -> Callable[..., Answer]:
    """Answered once for each of its arguments. Parts need not be hashable: their settings may hold tables."""
    answers: dict[Any, Answer] = {}

    def key(thing: Any) -> Any:
        """Parts are made once (``product_parts.parts``), ports are values."""
        return id(thing) if isinstance(thing, Use) else thing

    @wraps(question)
    def answer(*asked: Any, **named: Any) -> Answer:
        known = (*map(key, asked), *named.values())
        if known not in answers:
            answers[known] = question(*asked, **named)
        return answers[known]

    return answer


@once
def built(use: Use, *ports: Any) -> nn.Module | None:
    """The part as its factory makes it for its ports, asked or not; None where it cannot be made."""
    torch.manual_seed(0)
    try:
        return use.component.load()(use.config, *ports).eval().requires_grad_(False)
    except Exception:
        return None


@once
def placed(use: Use, backbone: Use, **ports: Any) -> nn.Module | None:
    """A part beside a backbone, whose matrices it may work with."""
    module: Any = built(use, *(ports[name] for name in KINDS[use.kind].takes))
    if hasattr(module, "borrow"):
        module.borrow(built(backbone))
    return module


def ran(module: nn.Module | None, *inputs: Tensor) -> Tensor | None:
    try:
        return None if module is None else module(*inputs)
    except Exception:
        return None


@once
def pixels(use: Use) -> Tensor:
    config: Any = use.config
    return config.transform()(Image.effect_noise((40, 30), 90).convert("RGB"))[None]


@once
def hidden(use: Use) -> Hidden:
    """The backbone's port, its widths measured; how long its context is, only its settings can say."""
    module: Any = built(use)
    states = module.embed(torch.zeros(1, 2, dtype=torch.int64))
    declared = use.config.hidden()
    return Hidden(
        states.shape[-1],
        module.logits(states).shape[-1],
        declared.context,
        declared.layers,
        declared.kv_heads,
        declared.head_width,
    )


@once
def texts(backbone: Use) -> Refused:
    known = hidden(backbone).vocabulary
    return {} if known >= TEXTS else {"text": (str(known), str(TEXTS))}


@once
def features(use: Use) -> Tensor:
    found = ran(built(use), pixels(use))
    assert found is not None, f"{use.reference} does not run alone"
    return found


@once
def encoded(use: Use) -> Tensor:
    module: Any = built(use)
    return module.encode(pixels(use))


@once
def seen(backbone: Use, way: Seeing) -> Refused:
    return _crowded("understanding.encoder", *_adapted("understanding", way.adapter, features(way.encoder), backbone))


@once
def drawn(backbone: Use, way: Drawing) -> Refused:
    codes = encoded(way.tokenizer)
    port = _codes(way.tokenizer)
    width = hidden(backbone)
    vectors = ran(placed(way.embedding, backbone, drawn=port, hidden=width), codes)
    if vectors is None:
        return {"generation.embedding": (str(port.vocabulary),)} | _predicted(way.head, port, backbone)
    refused, adapted, room = _adapted("generation", way.adapter, vectors, backbone)
    if adapted is not None and adapted.shape[1] != port.tokens:
        refused["generation.adapter"] = (f"{port.tokens} codes",)
    elif adapted is not None and not _alone(way.adapter, vectors, backbone):
        refused["generation.adapter"] = ("mixes the codes",)
    refused = _crowded("generation.tokenizer", refused, adapted, room)
    refused |= _predicted(way.head, port, backbone)
    taken = [*_rows(way.embedding, port, backbone), *_rows(way.head, port, backbone)]
    return refused | ({"text": (str(TEXTS), str(min(taken)))} if taken and min(taken) < TEXTS else {})


@once
def _rows(use: Use, port: Codes, backbone: Use) -> list[int]:
    """The rows of the backbone's own matrices that a part works with: those that its output hangs on."""
    module = placed(use, backbone, drawn=port, hidden=hidden(backbone))
    if not hasattr(module, "borrow"):
        return []
    every = torch.arange(port.vocabulary)[None, :, None].expand(-1, -1, port.depth)
    inputs = every if use.kind == "embedding" else torch.randn(5, hidden(backbone).width)
    whole: Any = built(backbone).requires_grad_(True)
    try:
        output = ran(module, inputs)
        if output is None:
            return []
        output.square().sum().backward()
        matrices = [p.grad for p in whole.parameters() if p.grad is not None and len(p) == hidden(backbone).vocabulary]
        return torch.cat([grad.reshape(len(grad), -1).any(1).nonzero()[:, 0] for grad in matrices]).tolist()
    finally:
        whole.zero_grad()
        whole.requires_grad_(False)


@once
def _predicted(use: Use, port: Codes, backbone: Use) -> Refused:
    width = hidden(backbone)
    head: Any = placed(use, backbone, hidden=width, drawn=port)
    states = torch.randn(5, width.width)
    try:
        logits, codes = head(states), head.sample(states, lambda logits, level: logits.argmax(dim=-1))
        right = logits.shape[-1] == port.vocabulary and codes.shape == (5, port.depth)
    except Exception:
        right = False
    return {} if right else {"generation.head": (f"[B, {port.tokens}, {port.depth}]",)}


def _codes(use: Use) -> Codes:
    """The tokenizer's port, measured but for its vocabulary, which no picture shows whole."""
    module: Any = built(use)
    codes = encoded(use)
    declared = use.config.codes()
    return Codes(declared.vocabulary, declared.grid, module.vectors(codes).shape[-1], codes.shape[-1])


def _adapted(pathway: str, use: Use, given: Tensor, backbone: Use) -> tuple[Refused, Tensor | None, int]:
    path, width = f"{pathway}.adapter", hidden(backbone)
    tokens, wide = given.shape[1:]
    adapted = ran(built(use, Features(tokens, wide, square(tokens)), width), given)
    if adapted is None:
        return {path: (f"[B, {tokens}, {wide}]",)}, None, width.context
    if adapted.shape[-1] != width.width:
        return {path: (str(adapted.shape[-1]), str(width.width))}, None, width.context
    return {}, adapted, width.context


def _alone(use: Use, given: Tensor, backbone: Use) -> bool:
    """Whether the first token comes out the same beside others and by itself."""
    tokens, wide = given.shape[1:]
    module = built(use, Features(tokens, wide, square(tokens)), hidden(backbone))
    one, all_of_them = ran(module, given[:, :1]), ran(module, given)
    return one is not None and all_of_them is not None and torch.allclose(one, all_of_them[:, :1], atol=1e-5)


def _crowded(path: str, refused: Refused, adapted: Tensor | None, context: int) -> Refused:
    if adapted is not None and adapted.shape[1] + ROOM > context:
        refused[path] = (f"{adapted.shape[1]} positions", str(context))
    return refused
