"""Examples to show: drawings with their verdicts, and questions about the model's own and other pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from janiform import Answered, Drawn, Showcase
from janiform_plugins.world import (
    CATEGORIES,
    Detection,
    DrawingPrompt,
    Object,
    Question,
    Scene,
    prompts,
    questions,
    render,
    sample_scene,
)
from janiform_plugins.world.geneval import MIN_CONFIDENCE
from PIL import Image

from .config import ShapesBenchmarkConfig
from .judging import detections_in, is_correct, matches, verdict

if TYPE_CHECKING:
    from janiform import Model

Progress = Callable[[str, int, int], None]
Asked = list[tuple[Image.Image, Question]]

ANSWER_TOKENS = 32
"""Maximum length of an answer in tokens; the longest correct answers are shorter."""

_QUESTIONS_PER_PICTURE = 3


def showcase(model: Model, config: ShapesBenchmarkConfig, drawings: int, answers: int, progress: Progress) -> Showcase:
    """Draw prompts of all categories in turn, then ask questions, half about these and half about rendered pictures."""
    asked = _prompts(drawings, config.seed + 1, config.categories or CATEGORIES)
    pictures = model.generate(
        [prompt.text for prompt in asked],
        seed=[config.seed + number for number in range(len(asked))],
        guidance=config.guidance,
        temperature=config.temperature,
        top_k=config.top_k,
        on_step=lambda done, of: progress("drawing examples", done, of),
    )
    drawn = [
        Drawn(prompt.text, picture, is_correct(prompt, picture), verdict(prompt, detections_in(picture)))
        for prompt, picture in zip(asked, pictures, strict=True)
    ]
    rng = np.random.default_rng(config.seed)
    own = _about_drawn(drawn, answers // 2, rng)
    others = _about_rendered(answers - len(own), config.seed + 1, rng)
    given = model.ask_all(
        [(picture, question.text) for picture, question in (*own, *others)],
        max_new_tokens=ANSWER_TOKENS,
        on_step=lambda done, of: progress("asking examples", done, of),
    )
    answered = [
        Answered(picture, question.text, answer, question.answer, matches(answer, question.answer))
        for (picture, question), answer in zip((*own, *others), given, strict=True)
    ]
    return Showcase(tuple(drawn), tuple(answered[: len(own)]), tuple(answered[len(own) :]))


def scene_of(detected: Sequence[Detection]) -> Scene | None:
    """A scene with the detected objects of a picture, or None if they are unclear or too many for a scene."""
    if not 1 <= len(detected) <= 4 or any(item.confidence < MIN_CONFIDENCE for item in detected):
        return None
    objects = tuple(Object(item.shape, item.colour, item.size, round(item.x), round(item.y)) for item in detected)
    return Scene(objects, "white")  # no question is about the background


def _prompts(count: int, seed: int, categories: Sequence[str]) -> list[DrawingPrompt]:
    each = -(-count // len(categories))
    columns = [prompts(category, each, seed) for category in categories]
    return [column[row] for row in range(each) for column in columns][:count]


def _about_drawn(drawn: Sequence[Drawn], count: int, rng: np.random.Generator) -> Asked:
    """Questions about the pictures with most objects, which allow more questions."""
    scenes = [(scene, item.picture) for item in drawn if (scene := scene_of(detections_in(item.picture))) is not None]
    scenes.sort(key=lambda pair: -len(pair[0].objects))
    return [(picture, question) for scene, picture in scenes for question in _some(scene, rng)][:count]


def _about_rendered(count: int, seed: int, rng: np.random.Generator) -> Asked:
    asked: Asked = []
    index = 0
    while len(asked) < count:
        scene = sample_scene(seed, index, "held-out")
        picture = Image.fromarray(render(scene))
        asked += [(picture, question) for question in _some(scene, rng)]
        index += 1
    return asked[:count]


def _some(scene: Scene, rng: np.random.Generator) -> list[Question]:
    """A few questions of different types."""
    by_type = {question.type: question for question in questions(scene, rng)}
    return list(by_type.values())[:_QUESTIONS_PER_PICTURE]
