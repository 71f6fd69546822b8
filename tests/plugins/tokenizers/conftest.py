"""Tokenizers that begin with the directory of another project, and random weights of other projects' models."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from janiform import Component, build_model, registry
from janiform.recipe import Pathway, Use
from janiform.train.run.start import begin


@pytest.fixture
def drawing(make_plan: Callable[..., Any]) -> Callable[..., Any]:
    """``drawing("taming", code_width=8)``: the plan of a tiny model that draws the codes of that tokenizer."""

    def plan(name: str, **settings: Any) -> Any:
        component = registry().find("tokenizer", name)
        used = Use("tokenizer", component, component.config(**settings))
        parts = dict(make_plan().recipe.pathways["generation"].parts) | {"tokenizer": used}
        if used.config.codes().depth > 1:
            head = registry().find("head", "depth")
            parts["head"] = Use("head", head, head.config(heads=2))
        return make_plan({"generation": Pathway("generation", "draw", parts)})

    return plan


@pytest.fixture
def looking(make_plan: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """``looking("kl", latent=4)``: the plan of a tiny model that looks at pictures through latents, by ``seeing``."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    config = importlib.import_module("linear_embedding").LinearConfig

    def plan(name: str, **settings: Any) -> Any:
        component = registry().find("tokenizer", name)
        embedding = Component("embedding", "linear", 1, config, {}, "linear_embedding:LinearEmbedding", "", "tests")
        parts = {
            "tokenizer": Use("tokenizer", component, component.config(**settings)),
            "embedding": Use("embedding", embedding, config()),
            "adapter": make_plan().recipe.pathways["understanding"].parts["adapter"],
        }
        return make_plan({"seeing": Pathway("seeing", "look", parts)})

    return plan


@pytest.fixture
def started_latents(looking: Callable[..., Any]) -> Callable[..., Any]:
    """``started_latents("kl", folder, latent=4)``: a tokenizer with the weights of a directory, in float64."""

    def start(name: str, folder: Path, **settings: Any) -> Any:
        model = build_model(looking(name, **settings))
        begin(model, {"seeing.tokenizer": str(folder)}, lambda line: None)
        return model.part("seeing.tokenizer").double().eval()

    return start


@pytest.fixture
def started(drawing: Callable[..., Any]) -> Callable[..., Any]:
    """``started("taming", folder, code_width=8)``: a tokenizer with the weights of a directory, in float64."""

    def start(name: str, folder: Path, **settings: Any) -> Any:
        model = build_model(drawing(name, **settings))
        begin(model, {"generation.tokenizer": str(folder)}, lambda line: None)
        return model.part("generation.tokenizer").double().eval()

    return start


@pytest.fixture(scope="session")
def randomise() -> Callable[[Any, int], Any]:
    """Set every tensor of a module at random, also what begins as zeros and ones, so that a swapped one shows."""

    @torch.no_grad()
    def fill(module: Any, seed: int) -> Any:
        generator = torch.Generator().manual_seed(seed)
        for parameter in module.parameters():
            weight = parameter.dim() > 1 and len(parameter) > 1
            scale = parameter[0].numel() ** -0.5 if weight else 0.3
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale + (0 if weight else 0.7))
        for name, buffer in module.named_buffers():
            if buffer.is_floating_point():
                spread = torch.rand(buffer.shape, generator=generator)
                buffer.copy_(spread + 0.5 if name.endswith("var") else spread - 0.5)
        return module.eval()

    return fill


@pytest.fixture(scope="session")
def spread() -> Callable[[torch.Tensor, torch.Tensor, int], None]:
    """Set the vectors of a codebook around those that pictures have, so that many codes are in use."""

    @torch.no_grad()
    def around(book: torch.Tensor, vectors: torch.Tensor, seed: int) -> None:
        flat = vectors.flatten(0, -2)
        noise = torch.randn(book.shape, generator=torch.Generator().manual_seed(seed), dtype=book.dtype)
        book.copy_(noise * flat.std(dim=0) + flat.mean(dim=0))

    return around
