"""The benchmark of coloured shapes: a verifier judges drawings, and answers are compared with the correct ones.

Drawing follows GenEval (arXiv:2310.11513): six categories, each scored by the fraction of its correct pictures;
overall is the mean of the six. Attributes are the fractions of all pictures that have the right number, colours and
shapes. Understanding is the fraction of correct answers by type of question, and their mean. All prompts, and all
pictures in questions, show held-out compositions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from janiform import Conversation, Item, Metric, Request, Score, Turn, mean_of_categories, mean_score
from janiform_plugins.world import (
    CATEGORIES,
    QUESTION_TYPES,
    DrawingPrompt,
    judge,
    prompts,
    render,
    understanding_questions,
)

from .config import ShapesBenchmarkConfig
from .examples import ANSWER_TOKENS, showcase
from .judging import ATTRIBUTES, attributes, detections_in, matches, verdict
from .references import fitting_scene

if TYPE_CHECKING:
    from janiform import Model, Showcase
    from PIL import Image

Progress = Callable[[str, int, int], None]

_PROMPT_STRIDE, _CATEGORY_STRIDE, _RUN_STRIDE = 2**8, 2**20, 2**32

_CHANCE = {"understanding.yes_no": 0.5}


class ShapesBenchmark:
    """The benchmark; see ``janiform.contracts.Benchmark``."""

    def __init__(self, config: ShapesBenchmarkConfig) -> None:
        self.config = config
        self._groups = {
            "drawing": _chosen(CATEGORIES, config.categories),
            "understanding": _chosen(QUESTION_TYPES, config.question_types),
        }

    @property
    def metrics(self) -> Mapping[str, Metric]:
        names = [f"{group}.{name}" for group, members in self._groups.items() for name in ("overall", *members)]
        names += [f"attributes.{name}" for name in ATTRIBUTES]
        return {name: Metric(chance=_CHANCE.get(name)) for name in names}

    @property
    def settings(self) -> Mapping[str, Any]:
        config = self.config
        numbers = {"prompts": config.prompts, "pictures": config.pictures, "questions": config.questions}
        chosen = {"categories": list(config.categories), "question_types": list(config.question_types)}
        limited = {name: members for name, members in (*chosen.items(), ("objects", config.objects)) if members}
        return {**numbers, **limited, "seed": config.seed, "split": "held-out"}

    def requests(self) -> Sequence[Request]:
        return [*self._drawings(), *self._questions()]

    def judge(self, request: Request, output: str | Image.Image) -> Mapping[str, float]:
        kind = request.item.partition("/")[0]
        if isinstance(output, str):
            return {f"understanding.{kind}": float(matches(output, str(request.reference)))}
        prompt, detected = self._prompt(request), detections_in(output)
        found = attributes(prompt.requirement, detected)
        return {
            f"drawing.{kind}": float(judge(prompt.requirement, detected)),
            **{f"attributes.{name}": float(right) for name, right in found.items()},
        }

    def verdict(self, request: Request, picture: Image.Image) -> str:
        return verdict(self._prompt(request), detections_in(picture))

    def aggregate(self, items: Sequence[Item]) -> Mapping[str, Score]:
        by_metric: dict[str, list[Item]] = {}
        for item in items:
            by_metric.setdefault(item.metric, []).append(item)
        scores = {name: mean_score(members) for name, members in by_metric.items()}
        for group, names in self._groups.items():
            if categories := [by_metric[name] for member in names if (name := f"{group}.{member}") in by_metric]:
                scores[f"{group}.overall"] = mean_of_categories(categories)
        return scores

    def show(self, model: Model, drawings: int, answers: int, progress: Progress) -> Showcase:
        return showcase(model, self.config, drawings, answers, progress)

    @cached_property
    def _prompts(self) -> dict[str, list[DrawingPrompt]]:
        return {category: prompts(category, self.config.prompts, self.config.seed) for category in CATEGORIES}

    def _prompt(self, request: Request) -> DrawingPrompt:
        category, number, _ = request.item.split("/")
        return self._prompts[category][int(number)]

    def _drawings(self) -> Iterator[Request]:
        config = self.config
        settings = {"guidance": config.guidance, "temperature": config.temperature, "top_k": config.top_k}
        for row, category in enumerate(CATEGORIES):
            if category not in self._groups["drawing"]:
                continue
            for number, prompt in enumerate(self._prompts[category]):
                for copy in range(config.pictures):
                    seed = picture_seed(config.seed, row, number, copy)
                    yield Request(
                        f"{category}/{number}/{copy}",
                        f"{category}/{number}",
                        Conversation((Turn("user", prompt.text),)),
                        draws=True,
                        seed=seed,
                        reference=render(fitting_scene(prompt.requirement, seed)),
                        settings=settings,
                    )

    def _questions(self) -> Iterator[Request]:
        settings = {"max_new_tokens": ANSWER_TOKENS}
        config, types = self.config, self._groups["understanding"]
        asked = understanding_questions(config.questions, config.seed, types, config.objects or None)
        for index, (scene, question) in enumerate(asked):
            item = f"{question.type}/{index % self.config.questions}"
            conversation = Conversation.asking(question.text, render(scene))
            yield Request(item, item, conversation, reference=question.answer, settings=settings)


def _chosen(names: Sequence[str], chosen: Sequence[str]) -> tuple[str, ...]:
    """The names that are chosen, in their own order; all where none is."""
    return tuple(name for name in names if not chosen or name in chosen)


def picture_seed(seed: int, category: int, prompt: int, copy: int) -> int:
    """The seed of a picture, independent of the number of other pictures."""
    return seed * _RUN_STRIDE + category * _CATEGORY_STRIDE + prompt * _PROMPT_STRIDE + copy
