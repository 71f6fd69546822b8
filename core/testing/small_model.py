"""A small model with random weights, for components that work with a whole one."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from attrs import evolve

from ..compose import compose
from ..errors import CompositionError
from ..model.build import build_model
from ..recipe import read_recipe
from ..sequence.conversation import Conversation

if TYPE_CHECKING:
    from ..compose import Plan
    from ..model.unified_model import UnifiedModel
    from ..recipe import Recipe, Use

_RECIPE = "janus-mini"

_SMALL = (
    "backbone.width=32",
    "backbone.inner=48",
    "backbone.layers=1",
    "backbone.heads=2",
    "backbone.kv_heads=2",
    "backbone.head_width=16",
    "understanding.encoder.width=32",
    "understanding.encoder.layers=1",
    "understanding.encoder.heads=2",
    'layout.draws_from=["understanding"]',
)

_PLACE_BY_PLACE = (
    "generation.tokenizer.vocabulary=32",
    "generation.tokenizer.latent=8",
    "generation.embedding.width=16",
)

_CODES = (*_PLACE_BY_PLACE, "generation.embedding.mask=true")

_LATENTS = (
    'generation.tokenizer={ use = "kl", image_size = 32, channels = 8, groups = 4, multipliers = [1, 2], blocks = 1, '
    "latent = 2, patch = 2 }",
    'generation.embedding={ use = "patches", frequencies = 16, positions = "waves" }',
    'generation.head={ use = "values" }',
    "layout.full_pictures=true",
)

TEXTS = ("a red circle above a blue square", "what colour is the circle?", "two small green squares", "how many?")


def small_recipe() -> Recipe:
    """The recipe janus-mini with small parts: 64 codes of 32 for pictures of 64×64."""
    return read_recipe(_RECIPE, [*_SMALL, *_PLACE_BY_PLACE])


@cache
def small_model() -> UnifiedModel:
    """A model of the small recipe, in eval mode. Tests must leave it as it is."""
    return _built(compose(small_recipe()))


def _built(plan: Plan) -> UnifiedModel:
    state = torch.get_rng_state()
    torch.manual_seed(0)
    model = build_model(plan)
    model.processor.fit(TEXTS * 4)
    torch.set_rng_state(state)
    return model.eval().requires_grad_(False)


def model_for(sampler: Use) -> UnifiedModel:
    """A small model that a sampler draws with: ``small_model``, unless the sampler has a process.

    Then it is one with this sampler that draws codes with an embedding for hidden places, or latents where the sampler
    does not draw codes. Raises ``CompositionError`` where it draws neither.
    """
    if not callable(getattr(sampler.config, "process", None)):
        return small_model()
    key = sampler.component.reference, repr(sampler.config)
    if key not in _MODELS:
        try:
            plan = compose(_with(sampler, _CODES))
        except CompositionError:
            plan = compose(_with(sampler, _LATENTS))
        _MODELS.clear()  # one is enough: the checks of a case follow each other
        _MODELS[key] = _built(plan)
    return _MODELS[key]


_MODELS: dict[tuple[str, str], UnifiedModel] = {}


def _with(sampler: Use, settings: tuple[str, ...]) -> Recipe:
    recipe = read_recipe(_RECIPE, [*_SMALL, *settings])
    pathway = recipe.pathways["generation"]
    pathway = evolve(pathway, parts={**pathway.parts, "sampler": sampler})
    return evolve(recipe, pathways={**recipe.pathways, "generation": pathway})


def picture(seed: int) -> np.ndarray:
    """A picture of noise, uint8 [40, 30, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (40, 30, 3), dtype=np.uint8)


def conversations(seed: int) -> list[Conversation]:
    """Four samples, each with a picture and a text: two to draw, and two with an answer."""
    return [
        Conversation.drawing(TEXTS[0], picture(seed)),
        Conversation.asking(TEXTS[1], picture(seed + 1), answer="red"),
        Conversation.drawing(TEXTS[2], picture(seed + 2)),
        Conversation.asking(TEXTS[3], picture(seed + 3), answer="there are two"),
    ]
