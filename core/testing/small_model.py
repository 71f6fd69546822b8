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
    "generation.tokenizer.vocabulary=32",
    "generation.tokenizer.latent=8",
    "generation.embedding.width=16",
    'layout.draws_from=["understanding"]',
)

_SMALL_BUT_TOKENIZER = tuple(change for change in _SMALL if not change.startswith("generation."))

_LATENTS = (
    'generation.tokenizer={ use = "kl", image_size = 64, channels = 4, groups = 2, multipliers = [1, 1, 1, 1], '
    "blocks = 1, latent = 3, patch = 2, attention = false }",
    'generation.embedding={ use = "patches", frequencies = 8 }',
    'generation.adapter={ use = "identity" }',
)
"""Pictures of 16 places with 12 values each."""

_SCALES = (
    'generation.tokenizer={ use = "scales-vq", image_size = 64, scales = [1, 2, 4], channels = 4, groups = 2, '
    "multipliers = [1, 1, 1, 1, 1], blocks = 1, latent = 8, code_width = 4, vocabulary = 32, attention = false }",
    'generation.embedding={ use = "scales" }',
)
"""Pictures of 21 codes on three scales."""

TEXTS = ("a red circle above a blue square", "what colour is the circle?", "two small green squares", "how many?")


def small_recipe() -> Recipe:
    """The recipe janus-mini with small parts: 64 codes of 32 for pictures of 64×64."""
    return read_recipe(_RECIPE, list(_SMALL))


@cache
def small_model() -> UnifiedModel:
    """A model of the small recipe, in eval mode. Tests must leave it as it is."""
    return _built(small_recipe())


@cache
def whole_picture_model(sampler: Use) -> UnifiedModel:
    """A small model whose pictures the sampler draws as wholes, of codes or of latents; as ``small_model``.

    Latents that are drawn place by place are among them. Raises ``CompositionError`` where it fits none, with what is
    wrong for latents and a head of the data.
    """
    full = "layout.full_pictures=true"
    heads = [
        (f'generation.head={{ use = "values", of = "{of}" }}', f"generation.embedding.data_at={data_at}")
        for of in ("velocity", "noise", "data")
        for data_at in (0.0, 1.0)
    ]
    of_data = len(heads)  # counted from 1, behind codes
    heads.append(
        (
            'generation.head={ use = "diffusion", width = 16, depth = 1, frequencies = 8, steps = 4 }',
            "generation.embedding.mask=true",
        )
    )
    of_codes = (*_SMALL, full, "generation.embedding.mask=true")
    heads.append(('generation.head={ use = "regression", unit = false }', 'generation.embedding.time="none"'))
    errors: list[CompositionError] = []
    for changes in (of_codes, *((*_SMALL_BUT_TOKENIZER, full, *_LATENTS, *head) for head in heads)):
        recipe = _drawn_by(sampler, read_recipe(_RECIPE, changes))
        try:
            compose(recipe)
        except CompositionError as error:
            errors.append(error)
            continue
        return _built(recipe)
    raise errors[of_data]


@cache
def scales_model(sampler: Use) -> UnifiedModel:
    """A small model whose pictures the sampler draws scale by scale; as ``small_model``."""
    return _built(_drawn_by(sampler, read_recipe(_RECIPE, [*_SMALL_BUT_TOKENIZER, *_SCALES])))


def _drawn_by(sampler: Use, recipe: Recipe) -> Recipe:
    drawing = recipe.pathways["generation"]
    drawing = evolve(drawing, parts={**drawing.parts, "sampler": sampler})
    return evolve(recipe, pathways={**recipe.pathways, "generation": drawing})


def _built(recipe: Recipe) -> UnifiedModel:
    state = torch.get_rng_state()
    torch.manual_seed(0)
    model = build_model(compose(recipe))
    model.processor.fit(TEXTS * 4)
    torch.set_rng_state(state)
    return model.eval().requires_grad_(False)


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
