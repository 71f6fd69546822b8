"""Blocks under ``torch.compile``: few graphs, which serve rows of any length."""

from __future__ import annotations

from typing import Any

import torch
from janiform import Mask, registry
from janiform.train.loop.blocks import prepare_blocks
from torch import Tensor

LENGTHS = (5, 9, 16, 23, 8)


def test_a_block_is_compiled_for_one_length_and_then_for_all() -> None:
    graphs: list[Any] = []

    def counting(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    component = registry().find("backbone", "qwen3")
    config = component.config(width=16, inner=24, layers=3, heads=2, kv_heads=1, vocabulary=20, context=64)
    torch.manual_seed(0)
    model = component.load()(config)
    inputs = {length: documents(length) for length in LENGTHS}
    expected = {length: computed(model, *inputs[length]) for length in LENGTHS}
    torch.compiler.reset()
    prepare_blocks({str(index): layer for index, layer in enumerate(model.layers)}, {}, counting)
    seen = []
    for length in LENGTHS:
        torch.testing.assert_close(computed(model, *inputs[length]), expected[length])
        seen.append(len(graphs))
    # What stands before the kernel and what stands behind it, once for all layers.
    assert seen == [2, 4, 4, 4, 4]


def documents(length: int) -> tuple[Tensor, Tensor, Tensor]:
    """States [2, T, H] of rows that hold documents cut at random, with the positions and documents of each [2, T]."""
    starts = torch.rand(2, length) < 0.3
    owners = starts.cumsum(1)
    places = torch.arange(length).expand(2, -1)
    begins = torch.where(starts, places, 0).cummax(1).values
    return torch.randn(2, length, 16, requires_grad=True), places - begins, owners


def computed(model: Any, states: Tensor, positions: Tensor, owners: Tensor) -> tuple[Tensor, ...]:
    """What the model makes of the states, and the gradients of its parameters."""
    model.zero_grad()
    given = model(states, positions, Mask(owners))
    given.square().sum().backward()
    return given.detach(), *(parameter.grad.clone() for parameter in model.layers.parameters())
