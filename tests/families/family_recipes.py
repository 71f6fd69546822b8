"""Tiny models of every family: a new one joins all tests here by its file in ``recipes/``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from janiform import Conversation, UnifiedModel, build_model, read_recipe
from janiform.compose import compose
from janiform.recipe import Recipe

FOLDER = Path(__file__).parent / "recipes"
FAMILIES = sorted(path.stem for path in FOLDER.glob("*.toml"))


def family_recipe(name: str, *overrides: str) -> Recipe:
    """The recipe of a family, with other settings."""
    return read_recipe(FOLDER / f"{name}.toml", overrides)


def sources_of(recipe: Recipe) -> dict[str, Any]:
    """The sources of a recipe by name."""
    return {name: use.component.load()(use.config) for name, use in recipe.sources.items()}


def examples_of(recipe: Recipe, each: int = 2) -> list[Conversation]:
    """The first examples of every source that the recipe's stage mixes."""
    sources = sources_of(recipe)
    return [sources[name].example(index) for name in recipe.stages["all"].mixture for index in range(each)]


def family_model(name: str, *overrides: str) -> UnifiedModel:
    """A family's model in eval mode, whose text tokenizer is fitted and no weight of which is zero by its beginning."""
    recipe = family_recipe(name, *overrides)
    model = build_model(compose(recipe), seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5).add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
    model.processor.fit(turn.text for example in examples_of(recipe, 20) for turn in example.turns if turn.text)
    return model.eval()
