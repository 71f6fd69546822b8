"""The understanding benchmark: balanced questions about scenes with held-out compositions."""

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
"""Question types whose answers alternate by the number of questions so far."""


def understanding_questions(n_per_type: int, seed: int) -> list[tuple[Scene, Question]]:
    """Ask ``n_per_type`` questions of every type, each about another held-out scene.

    The answers to yes_no alternate, and those to how_many cycle from zero to four, so they are exactly balanced if
    ``n_per_type`` is a multiple of ten.
    """
    asked: list[tuple[Scene, Question]] = []
    for row, name in enumerate(QUESTION_TYPES):
        rng = np.random.default_rng([seed, row])
        number, index = 0, 0
        while number < n_per_type:
            # Every type has its own section of the stream, so that a longer list starts with the shorter one.
            scene = sample_scene(seed, row << 32 | index, "held-out")
            question = _BALANCED[name](scene, rng, number) if name in _BALANCED else ASKERS[name](scene, rng)
            index += 1
            if question is not None:
                asked.append((scene, question))
                number += 1
    return asked
