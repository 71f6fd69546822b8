"""A tiny Janus that looks through any encoder, and an encoder filled from a directory that transformers writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from janiform import KeyMap, registry, weight_files
from janiform.recipe import Pathway, Use
from janiform.storage.filling import load_parts

ENCODER = "understanding.encoder"


@pytest.fixture
def looking(make_plan: Callable[..., Any]) -> Callable[..., Any]:
    """``looking("clip", width=8)``: the plan of a tiny model whose pictures are seen by that encoder."""

    def plan(name: str, **settings: Any) -> Any:
        encoder, adapter = registry().find("encoder", name), registry().find("adapter", "mlp")
        parts = {
            "encoder": Use("encoder", encoder, encoder.config(**settings)),
            "adapter": Use("adapter", adapter, adapter.config()),
        }
        return make_plan({"understanding": Pathway("understanding", "look", parts)})

    return plan


@pytest.fixture
def opened(looking: Callable[..., Any], tmp_path: Path) -> Callable[..., torch.nn.Module]:
    """``opened("clip", theirs, keys, width=8)``: our encoder with the weights of theirs, which go through a file."""

    def open_encoder(name: str, reference: Any, keys: KeyMap, **settings: Any) -> torch.nn.Module:
        reference.save_pretrained(tmp_path)
        plan = looking(name, **settings)
        others = {path: KeyMap({}, prefix=f"{path}.") for path in plan.parts}
        return load_parts(plan, others | {ENCODER: keys}, weight_files(tmp_path), parts=(ENCODER,))[ENCODER]

    return open_encoder


@pytest.fixture(scope="session")
def randomise() -> Callable[[Any, int], Any]:
    """Every tensor of a module at random, also what starts as zeros and ones, so that a swapped bias or norm shows."""

    @torch.no_grad()
    def fill(module: Any, seed: int) -> Any:
        generator = torch.Generator().manual_seed(seed)
        for parameter in module.parameters():
            weight = parameter.dim() > 1 and len(parameter) > 1
            scale = parameter[0].numel() ** -0.5 if weight else 0.3
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale + (0 if weight else 0.7))
        return module.eval()

    return fill


@pytest.fixture(scope="session")
def assert_exact() -> Callable[[torch.Tensor, torch.Tensor], None]:
    def check(given: torch.Tensor, expected: torch.Tensor) -> None:
        torch.testing.assert_close(given, expected, rtol=0, atol=1e-5 * expected.abs().max().item())

    return check


@pytest.fixture(scope="session")
def assert_covered() -> Callable[..., None]:
    """Each of their tensors below the prefix is a piece of ours, of the same shape, or left out with a reason."""

    def check(encoder: torch.nn.Module, keys: KeyMap, reference: dict[str, tuple[int, ...]]) -> None:
        pieces = [piece for name, value in encoder.state_dict().items() for piece in keys.pieces(name, value.shape)]
        placed = {piece.name: piece.shape for piece in pieces}
        assert len(placed) == len(pieces)
        below = {name: shape for name, shape in reference.items() if name.startswith(keys.prefix)}
        assert placed.items() <= below.items()
        assert all(keys.why_unused(name) for name in below.keys() - placed.keys())

    return check
