"""Scenes as conversations: prompts to draw, questions to answer, texts to read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from janiform import Conversation, Look, Turn
from janiform_plugins.world.captions import description, prompt
from janiform_plugins.world.listings import list_pairs, listed, listings
from janiform_plugins.world.phrases import chance, pick
from janiform_plugins.world.plans import plan
from janiform_plugins.world.questions import questions, questions_of
from janiform_plugins.world.render import render
from janiform_plugins.world.sampling import sample_scene
from janiform_plugins.world.texts import texts_about
from numpy.typing import NDArray

from .config import ShapesConfig

DESCRIBE = ("describe the picture", "describe what you see", "what is in the picture?", "what do you see?")

_WORDS = 0x5EED
"""Sets the chance of wording apart from the chance of scenes."""


class Shapes:
    """An endless stream: example ``index`` speaks about scene ``index`` of the seed and split."""

    def __init__(self, config: ShapesConfig) -> None:
        self.config = config

    def example(self, index: int) -> Conversation:
        """A prompt and its picture; a picture with questions, turn by turn; or a text."""
        config = self.config
        scene = sample_scene(config.seed, index, config.split, config.objects or None)
        rng = np.random.default_rng((config.seed, index, _WORDS))
        if config.task == "draw":
            words = description(scene) if config.caption_style == "full" else prompt(scene, rng)
            return Conversation.drawing(words, render(scene))
        if config.task == "ask":
            chosen = questions_of(scene, rng, config.question_types, config.questions) if config.question_types else []
            chosen = chosen or questions(scene, rng)[: config.questions]
            turns = [(question.text, question.answer) for question in chosen]
            if config.caption_style == "full":
                # At the end, where no question can be answered by reading it.
                turns.append((pick(DESCRIBE, rng), description(scene)))
            return _asking(render(scene), turns)
        if config.task == "list":
            if config.attributes:
                lists = [listed(scene, config.attributes, rng)]
            elif config.caption_style == "short":
                lists = list_pairs(scene, rng, config.questions)
            else:
                lists = listings(scene, rng)[-config.questions :]
            turns = [(question.text, question.answer) for question in lists]
            if config.caption_style == "full" and chance(0.25, rng):
                turns[-1] = (pick(DESCRIBE, rng), description(scene))
            return _asking(render(scene), turns)
        if config.task == "plan":
            asked = plan(scene, rng)
            return Conversation([Turn("user", (asked.text,)), Turn("assistant", asked.answer)])
        texts = texts_about(scene, rng)
        return Conversation.document(texts[int(rng.integers(len(texts)))])


def _asking(picture: NDArray[np.uint8], asked: Sequence[tuple[str, str]]) -> Conversation:
    turns: list[Turn] = []
    for question, answer in asked:
        content = (question,) if turns else (Look(picture), "\n", question)
        turns += [Turn("user", content), Turn("assistant", answer)]
    return Conversation(turns)
