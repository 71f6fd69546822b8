"""Checkpointing, compilation and sharding work on the blocks that a part declares, or on those of its module lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from attrs import evolve
from janiform import ComponentError, JaniformError
from janiform.compose import compose
from janiform.model.build import build_model
from janiform.model.unified_model import UnifiedModel
from janiform.recipe import read_recipe_text
from janiform.train.loop.blocks import (
    blocks_of,
    part_blocks,
    prepare_blocks,
    recomputed,
    release_blocks,
    unsharded,
    without_blocks,
)
from tiny_recipes import tiny_recipe
from torch import Tensor, nn

STAGE = """
[source.read]
use = "shapes"
task = "read"

[stage.text]
objective = { use = "autoregressive" }
train = ["backbone"]
mixture = { read = 1 }
steps = 1
batch = 2
learning_rate = 1e-3
"""


class Attention(nn.Linear):
    pass


class Mixed(nn.Module):
    """A stack of two classes in turn, as of attention and state-space layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Attention(4, 4), nn.Linear(4, 4), Attention(4, 4), nn.Linear(4, 4)])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x).tanh()
        return x


class Declaring(Mixed):
    def __init__(self, chosen: Callable[[Any], Sequence[nn.Module]]) -> None:
        super().__init__()
        self.chosen = chosen
        self.pair = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))

    def blocks(self) -> Sequence[nn.Module]:
        return self.chosen(self)


class Unlisted(nn.Module):
    """A stack that janiform does not recognise: nothing declares it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


def model_with(backbone: nn.Module | None = None) -> UnifiedModel:
    model = build_model(compose(read_recipe_text(tiny_recipe("tiny") + STAGE)), "meta")
    if backbone is not None:
        model.backbone = backbone
    return model


def of_backbone(model: UnifiedModel) -> list[str]:
    return [path for path in blocks_of(model) if path.startswith("backbone.")]


def test_a_list_of_several_classes_has_blocks() -> None:
    assert of_backbone(model_with(Mixed())) == [f"backbone.layers.{index}" for index in range(4)]
    assert of_backbone(model_with()) == ["backbone.layers.0"]


def test_the_declared_blocks_count() -> None:
    two = Declaring(lambda part: [part.layers[1], part.layers[3]])
    assert of_backbone(model_with(two)) == ["backbone.layers.1", "backbone.layers.3"]
    assert part_blocks(Declaring(lambda part: [])) == {}
    for wrong, sentence in (
        (lambda part: [nn.Linear(1, 1)], "gives a Linear that is not a module in it"),
        (lambda part: [part], "gives a Declaring that is not a module in it"),
        (lambda part: [part.pair, part.pair[0]], r"gives pair\.0, which is within pair"),
        (lambda part: [part.layers], "gives layers, a ModuleList, which has no forward"),
        (lambda part: None, r"gives no sequence of modules \(TypeError: 'NoneType' object is not iterable\)"),
        (
            lambda part: part.layers[0],
            r"gives no sequence of modules \(TypeError: 'Attention' object is not iterable\)",
        ),
        (lambda part: part.layrs, r"gives no sequence of modules \(AttributeError: .*'layrs'\)"),
        (lambda part: [[part.layers[0]]], "gives a list that is not a module in it"),
        (lambda part: [part.layers[0]] * 2, r"gives layers\.0 twice"),
    ):
        with pytest.raises(ComponentError, match=rf"backbone: blocks\(\) of Declaring {sentence}; it is from plugin"):
            blocks_of(model_with(Declaring(wrong)))


def test_a_module_list_named_blocks_declares_nothing() -> None:
    part = nn.Module()
    part.blocks = nn.ModuleList([nn.Linear(1, 1), nn.Identity()])
    assert list(part_blocks(part)) == ["blocks.0", "blocks.1"]


def test_members_without_a_forward_are_no_blocks() -> None:
    """A list of lists or of dicts is never called itself, so recomputing its members would do nothing."""
    part, once = nn.Module(), nn.Linear(1, 1)
    part.layers = nn.ModuleList(
        [
            nn.ModuleList([nn.Linear(1, 1), nn.ModuleDict({"norm": nn.LayerNorm(1)})]),
            nn.ModuleDict({"up": nn.Linear(1, 1), "scales": nn.ParameterList([nn.Parameter(torch.ones(1))])}),
            nn.Module(),
            once,
            once,
        ]
    )
    assert list(part_blocks(part)) == ["layers.0.0", "layers.0.1.norm", "layers.1.up", "layers.3", "layers.4"]
    object.__setattr__(part, "blocks", [once])
    with pytest.raises(ValueError, match="blocks of Module is a list, expected a method"):
        part_blocks(part)


def test_every_block_is_recomputed_and_no_gradient_changes() -> None:
    model = model_with(Mixed())
    part, x = model.backbone, torch.randn(3, 4)
    calls: list[str] = []
    for name, block in part_blocks(part).items():
        block.register_forward_pre_hook(lambda *_, name=name: calls.append(name))
        inner = block.forward
        block.forward = lambda x, name=name, inner=inner: (calls.append(f"run {name}"), inner(x))[1]  # type: ignore[method-assign]

    def gradients() -> list[Tensor]:
        calls.clear()
        part.zero_grad()
        part(x).sum().backward()
        return [parameter.grad.clone() for parameter in part.parameters() if parameter.grad is not None]

    plain = gradients()
    assert sum(call.startswith("run") for call in calls) == 4
    prepare_blocks({}, {path: block for path, block in recomputed(model, True).items() if path.startswith("backbone")})
    assert all(torch.equal(left, right) for left, right in zip(plain, gradients(), strict=True))
    assert sum(call.startswith("run") for call in calls) == 8
    release_blocks(model)
    assert "forward" not in part_blocks(part)["layers.1"].__dict__


def test_settings_without_effect_are_reported() -> None:
    stage = read_recipe_text(tiny_recipe("tiny") + STAGE).stages["text"]
    listed, unlisted = model_with(), model_with(Unlisted())
    both = evolve(stage, checkpointing=True, compile=True)
    assert without_blocks(listed, both, attends=True) == ""
    assert without_blocks(unlisted, stage, attends=True) == ""
    assert without_blocks(unlisted, both, attends=False) == "", "the encoder's blocks are recomputed"
    assert without_blocks(unlisted, both, attends=True).startswith(
        "stage 'text': checkpointing and compile have no effect, since there are no blocks in the backbone, llama@1 "
    )
    assert unsharded(listed) == ""
    assert "every process gathers the whole backbone at once" in unsharded(unlisted)
    with pytest.raises(JaniformError, match="selector 'backbone' matches no block"):
        recomputed(unlisted, ("backbone",))
