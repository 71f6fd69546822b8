"""Tiny components, and recipes made of them, which know nothing of the built-in plugins."""

from __future__ import annotations

import torch
from attrs import evolve, frozen
from janiform import Codes, Component, CropToSquare, Features, Grid, Hidden, Logits, Origin, PortMismatch, attend
from janiform.recipe import Pathway, Recipe, Share, Stage, Use
from torch import Tensor, nn
from torch.nn import functional as F


@frozen
class Eye:
    width: int = 6
    side: int = 4

    def features(self) -> Features:
        return Features(self.side**2, self.width, Grid(self.side, self.side))

    def transform(self) -> CropToSquare:
        return CropToSquare(self.side * 2)


@frozen
class Code:
    vocabulary: int = 11
    width: int = 3
    depth: int = 1
    side: int = 4

    def codes(self) -> Codes:
        return Codes(self.vocabulary, Grid(self.side, self.side), self.width, self.depth)

    def transform(self) -> CropToSquare:
        return CropToSquare(self.side * 2)


@frozen
class Table:
    width: int = 0

    def embed(self, codes: Codes, hidden: Hidden) -> Features:
        return Features(codes.tokens, self.width or codes.width, codes.grid)


@frozen
class Line:
    merge: int = 1

    def adapt(self, source: Features, hidden: Hidden) -> Features:
        if source.tokens % self.merge:
            raise PortMismatch(f"{source.tokens} tokens cannot be merged by {self.merge}; 1 or 2 would fit")
        return Features(source.tokens // self.merge, hidden.width)


@frozen
class Brain:
    width: int = 8
    vocabulary: int = 13
    context: int = 64
    layers: int = 2
    heads: int = 2
    kv_heads: int = 1

    def hidden(self) -> Hidden:
        return Hidden(self.width, self.vocabulary, self.context, self.layers, self.kv_heads, self.width // self.heads)


@frozen
class Speak:
    extra: int = 0

    def predict(self, hidden: Hidden, codes: Codes) -> Logits:
        return Logits(codes.vocabulary + self.extra, codes.depth)


@frozen
class Plain:
    vocabulary: int = 0


class EyeModule(nn.Module):
    def __init__(self, config: Eye) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, config.width, 2, stride=2)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.patches(pixels).flatten(2).mT


class CodeModule(nn.Module):
    def __init__(self, config: Code) -> None:
        super().__init__()
        self.config = config
        self.patches = nn.Conv2d(3, config.width, 2, stride=2, bias=False)
        self.book = nn.Embedding(config.vocabulary, config.width)
        self.paint = nn.ConvTranspose2d(config.width, 3, 2, stride=2, bias=False)
        self.register_buffer("usage", torch.zeros(config.vocabulary))

    def encode(self, pixels: Tensor) -> Tensor:
        return (self.patches(pixels).flatten(2).mT @ self.book.weight.T).argmax(-1, keepdim=True)

    def decode(self, codes: Tensor) -> Tensor:
        side = self.config.side
        return self.paint(self.book(codes).sum(2).mT.unflatten(2, (side, side)))


class TableModule(nn.Module):
    def __init__(self, config: Table, codes: Codes, hidden: Hidden) -> None:
        super().__init__()
        self.table = nn.Embedding(codes.vocabulary, config.embed(codes, hidden).width)

    def forward(self, codes: Tensor, first: int = 0) -> Tensor:
        return self.table(codes).sum(2)


class LineModule(nn.Module):
    def __init__(self, config: Line, source: Features, hidden: Hidden) -> None:
        super().__init__()
        self.merge = config.merge
        self.line = nn.Linear(source.width * config.merge, hidden.width)

    def forward(self, features: Tensor) -> Tensor:
        return self.line(features.unflatten(1, (-1, self.merge)).flatten(2))


class BrainModule(nn.Module):
    def __init__(self, config: Brain) -> None:
        super().__init__()
        self.config = config
        head = config.width // config.heads
        self.words = nn.Embedding(config.vocabulary, config.width)
        self.query = nn.ModuleList(nn.Linear(config.width, config.width, bias=False) for _ in range(config.layers))
        self.pair = nn.ModuleList(
            nn.Linear(config.width, 2 * config.kv_heads * head, bias=False) for _ in range(config.layers)
        )
        self.out = nn.Linear(config.width, config.vocabulary, bias=False)

    def forward(self, embeddings, positions, mask, cache=None):
        for query, pair in zip(self.query, self.pair, strict=True):
            q = query(embeddings).unflatten(-1, (self.config.heads, -1)).transpose(1, 2)
            k, v = pair(embeddings).unflatten(-1, (2, self.config.kv_heads, -1)).transpose(1, 3).unbind(2)
            embeddings = embeddings + attend(q, k, v, mask).transpose(1, 2).flatten(2)
        return embeddings

    def logits(self, hidden: Tensor) -> Tensor:
        return self.out(hidden)


class SpeakModule(nn.Module):
    def __init__(self, config: Speak, hidden: Hidden, codes: Codes) -> None:
        super().__init__()
        self.lines = nn.ModuleList(nn.Linear(hidden.width, codes.vocabulary) for _ in range(codes.depth))

    def loss(self, hidden: Tensor, codes: Tensor) -> Tensor:
        each = [F.cross_entropy(line(hidden), codes[:, level]) for level, line in enumerate(self.lines)]
        return torch.stack(each).sum()


def broken(*_: object) -> nn.Module:
    raise RuntimeError("no such kernel")


def no_module(*_: object) -> str:
    return "a string"


CONFIGS = {
    "encoder": (Eye, "EyeModule"),
    "tokenizer": (Code, "CodeModule"),
    "embedding": (Table, "TableModule"),
    "adapter": (Line, "LineModule"),
    "backbone": (Brain, "BrainModule"),
    "head": (Speak, "SpeakModule"),
}


def use(kind: str, config: object = None, factory: str = "") -> Use:
    """A tiny component of a kind, with a config of its own where it is to be another one."""
    default, module = CONFIGS.get(kind, (Plain, "Plain"))
    component = Component(
        kind=kind,
        name="tiny",
        version=1,
        config=default,
        presets={},
        factory=f"tiny_parts:{factory or module}",
        summary="",
        plugin="tiny-plugin",
    )
    return Use(kind, component, default() if config is None else config)


def look(**parts: Use | Share | None) -> Pathway:
    wanted = {"encoder": use("encoder"), "adapter": use("adapter"), **parts}
    return Pathway("understanding", "look", {role: part for role, part in wanted.items() if part is not None})


def draw(name: str = "generation", **parts: Use | Share | None) -> Pathway:
    kinds = ("tokenizer", "embedding", "adapter", "head", "sampler")
    wanted = {**{kind: use(kind) for kind in kinds}, **parts}
    return Pathway(name, "draw", {role: part for role, part in wanted.items() if part is not None})


def shared(*roles: str) -> Pathway:
    """Looks through what ``generation`` draws with."""
    return Pathway("understanding", "look", {role: Share(f"generation.{role}") for role in roles})


def recipe(
    *pathways: Pathway, backbone: Use | None = None, text: Use | None = None, stages: dict[str, Stage] | None = None
) -> Recipe:
    """A recipe whose parts stand in ``tiny.toml``, one a line from line 10 on."""
    made = Recipe(
        "tiny",
        "",
        backbone or use("backbone"),
        text or use("text"),
        use("layout"),
        {pathway.name: pathway for pathway in pathways},
        stages=stages or {},
    )
    origins = {path: Origin("tiny.toml", line) for line, (path, _) in enumerate(made.parts(), start=10)}
    origins |= {name: Origin("tiny.toml", number) for number, name in enumerate(made.pathways, start=1)}
    return evolve(made, origins=origins)
