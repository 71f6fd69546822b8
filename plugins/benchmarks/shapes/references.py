"""Pictures that fit a prompt of the benchmark, from which held-out losses are computed."""

from __future__ import annotations

import numpy as np
from janiform_plugins.world import BACKGROUNDS, SIZES, Object, Requirement, Scene
from janiform_plugins.world.phrases import pick
from janiform_plugins.world.placement import place_objects

_STREAM = 0xF17
"""Separates these random numbers from all others that have the same seed."""


def fitting_scene(requirement: Requirement, seed: int) -> Scene:
    """A scene with exactly the required objects; what the prompt leaves open is random, and the same for a seed."""
    rng = np.random.default_rng((seed, _STREAM))
    sizes = [phrase.size or pick(SIZES, rng) for phrase in requirement.objects]
    centres = place_objects(sizes, rng, requirement.relation)
    objects = tuple(
        Object(phrase.shape or "", phrase.colour or "", size, x, y)
        for phrase, size, (x, y) in zip(requirement.objects, sizes, centres, strict=True)
    )
    return Scene(objects, BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))])
