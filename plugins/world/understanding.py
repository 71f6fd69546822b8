"""The understanding benchmark: balanced questions about scenes with held-out compositions."""

from collections.abc import Sequence

import numpy as np

from .questions import ASKERS, QUESTION_TYPES, Question, ask_how_many, ask_yes_no
from .sampling import MOST_OBJECTS, sample_scene
from .scene import Scene


def understanding_questions(
    n_per_type: int, seed: int, types: Sequence[str] = QUESTION_TYPES, objects: int | None = None
) -> list[tuple[Scene, Question]]:
    """Ask ``n_per_type`` questions of each of these types, each about another held-out scene.

    With ``objects``, all scenes have this number of objects. The answers to yes_no alternate, and those to how_many
    cycle from zero to four, or to ``objects``, so they are exactly balanced if ``n_per_type`` is a multiple of ten, or
    of ``objects + 1``. The questions of a type do not depend on the other types. Raises ValueError for left_of in
    scenes of one object, which allow no such question.
    """
    if objects == 1 and "left_of" in types:
        raise ValueError("questions of type left_of need scenes of two objects or more, but objects is 1")
    asked: list[tuple[Scene, Question]] = []
    for name in types:
        row = QUESTION_TYPES.index(name)
        rng = np.random.default_rng([seed, row])
        number, index = 0, 0
        while number < n_per_type:
            # Every type has its own section of the stream, so that a longer list starts with the shorter one.
            scene = sample_scene(seed, row << 32 | index, "held-out", objects)
            question = _ask(name, scene, rng, number, MOST_OBJECTS if objects is None else objects)
            index += 1
            if question is not None:
                asked.append((scene, question))
                number += 1
    return asked


def _ask(name: str, scene: Scene, rng: np.random.Generator, number: int, objects: int) -> Question | None:
    """Ask a question whose answer, for yes_no and how_many, follows from the number of questions so far."""
    if name == "yes_no":
        return ask_yes_no(scene, rng, ("yes", "no")[number % 2])
    if name == "how_many":
        return ask_how_many(scene, rng, number % (objects + 1))
    return ASKERS[name](scene, rng)
