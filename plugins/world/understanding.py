"""The understanding benchmark: balanced questions about scenes that hold compositions never seen in training."""

from collections.abc import Callable
from typing import Final

import numpy as np

from .questions import ASKERS, QUESTION_TYPES, Question, ask_how_many, ask_yes_no
from .sampling import sample_scene
from .scene import Scene

_BALANCED: Final[dict[str, Callable[[Scene, np.random.Generator, int], Question | None]]] = {
    "yes_no": lambda scene, rng, number: ask_yes_no(scene, rng, ("yes", "no")[number % 2]),
    "how_many": lambda scene, rng, number: ask_how_many(scene, rng, number % 5),
}
"""Kinds whose answers go round by the number of questions so far."""


def understanding_questions(n_per_kind: int, seed: int) -> list[tuple[Scene, Question]]:
    """Asker ``n_per_kind`` questions of every kind, each about another held-out scene.

    The answers to yes_no alternate and those to how_many go round from zero to four, so they are exactly balanced
    where ``n_per_kind`` is a multiple of ten.
    """
    found: list[tuple[Scene, Question]] = []
    for row, kind in enumerate(QUESTION_TYPES):
        rng = np.random.default_rng([seed, row])
        number, index = 0, 0
        while number < n_per_kind:
            # Every kind has its own stretch of the stream, so that a longer list starts with the shorter one.
            scene = sample_scene(seed, row << 32 | index, "held-out")
            question = _BALANCED[kind](scene, rng, number) if kind in _BALANCED else ASKERS[kind](scene, rng)
            index += 1
            if question is not None:
                found.append((scene, question))
                number += 1
    return found
