"""Scenes as conversations: prompts to draw, questions to answer, texts to read, pictures to change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from janiform import Conversation, Look, Turn
from janiform_plugins.world.captions import description, prompt
from janiform_plugins.world.editing import plan_edit, sample_edit
from janiform_plugins.world.listings import list_pairs, listed, listings
from janiform_plugins.world.phrases import chance, pick
from janiform_plugins.world.plans import plan
from janiform_plugins.world.questions import questions, questions_of
from janiform_plugins.world.render import render
from janiform_plugins.world.sampling import sample_scene
from janiform_plugins.world.scene import Scene
from janiform_plugins.world.texts import texts_about
from numpy.typing import NDArray

from .config import ShapesConfig

DESCRIBE = ("describe the picture", "describe what you see", "what is in the picture?", "what do you see?")

_TEXT_STREAM = 0x5EED
"""Separates the random stream of texts from that of scenes."""
_NOISE_STREAM = 0x0DD
"""Separates the choice of noisy captions from the other streams, so that noise changes no other caption."""
_OTHER_SCENES = (2**32, 2**63)
"""Range of the indices of the scenes that noisy captions describe, beyond those that any run reads."""


class Shapes:
    """An endless stream, whose example ``index`` is about scene or edit ``index`` of the seed and split."""

    def __init__(self, config: ShapesConfig) -> None:
        self.config = config

    def example(self, index: int) -> Conversation:
        """A prompt and its picture; a picture with questions, one per turn; a text; or an edit of a picture."""
        config = self.config
        if config.task == "edit":
            return self._edit(index)
        scene = sample_scene(config.seed, index, config.split, config.objects or None)
        rng = np.random.default_rng((config.seed, index, _TEXT_STREAM))
        if config.task == "draw":
            named = self._described(index) or scene
            words = description(named) if config.caption_style == "full" else prompt(named, rng)
            return Conversation.drawing(words, render(scene))
        if config.task == "ask":
            chosen = questions_of(scene, rng, config.question_types, config.questions) if config.question_types else []
            chosen = chosen or questions(scene, rng)[: config.questions]
            turns = [(question.text, question.answer) for question in chosen]
            if config.caption_style == "full":
                # The description comes last, so that no question can be answered by reading it.
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

    def _edit(self, index: int) -> Conversation:
        config = self.config
        edit = sample_edit(config.seed, index, config.split, config.edits, config.objects or None)
        drawing = Conversation.drawing(edit.text, render(edit.target), sources=[render(edit.source)])
        if not config.think:
            return drawing
        asked, drawn = drawing.turns
        return Conversation((asked, Turn("assistant", plan_edit(edit)), drawn))

    def _described(self, index: int) -> Scene | None:
        """Return the other scene that a noisy caption describes, or None where the caption is the picture's own."""
        config = self.config
        if not config.noise:
            return None
        rng = np.random.default_rng((config.seed, index, _NOISE_STREAM))
        if not chance(config.noise, rng):
            return None
        return sample_scene(config.seed, int(rng.integers(*_OTHER_SCENES)), config.split, config.objects or None)


def _asking(picture: NDArray[np.uint8], asked: Sequence[tuple[str, str]]) -> Conversation:
    turns: list[Turn] = []
    for question, answer in asked:
        content = (question,) if turns else (Look(picture), "\n", question)
        turns += [Turn("user", content), Turn("assistant", answer)]
    return Conversation(turns)
