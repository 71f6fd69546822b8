"""Bridged parts, and the models of transformers that they are."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from janiform import registry

sys.path.insert(0, str(Path(__file__).parent))

from bridged_families import LANGUAGE


@torch.no_grad()
def randomise(module: torch.nn.Module) -> None:
    """Every tensor at random, so that attention is sharp and a missing bias or norm shows."""
    generator = torch.Generator().manual_seed(7)
    for parameter in module.parameters():
        weight = parameter.dim() > 1
        scale = 1.5 * parameter[0].numel() ** -0.5 if weight else 0.3
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale + (0 if weight else 0.7))


@pytest.fixture(scope="session")
def bridged() -> Callable[..., Any]:
    """``bridged("llama")``: the backbone with random weights; the same one for the whole session."""
    made: dict[str, Any] = {}

    def get(kind: str) -> Any:
        if kind not in made:
            component = registry().find("backbone", "transformers")
            made[kind] = component.load()(component.config(model_type=kind, settings=LANGUAGE[kind])).eval()
            randomise(made[kind])
        return made[kind]

    return get


@pytest.fixture(scope="session")
def reference(bridged: Callable[..., Any]) -> Callable[..., Any]:
    """``reference("llama")``: what transformers itself makes of the settings, with the weights of ``bridged``."""
    made: dict[str, Any] = {}

    def get(kind: str) -> Any:
        if kind not in made:
            config = transformers.AutoConfig.for_model(kind, **LANGUAGE[kind])
            model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
            model.load_state_dict(bridged(kind).causal.state_dict())
            made[kind] = model
        return made[kind]

    return get
