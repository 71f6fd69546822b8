"""The benchmark of coloured shapes: a verifier judges drawings, and answers are compared with the correct ones.

Drawing follows GenEval (arXiv:2310.11513): six categories, each scored by the fraction of its correct pictures;
overall is the mean of the six. Understanding is the fraction of correct answers by type of question. All prompts, and
all pictures in questions, show held-out compositions.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from janiform import __version__
from janiform_plugins.world import CATEGORIES, prompts, render, understanding_questions

from .config import BenchmarkConfig
from .examples import ANSWER_TOKENS, showcase
from .judging import is_correct, matches

if TYPE_CHECKING:
    from janiform import Model, Showcase

Progress = Callable[[str, int, int], None]

_PROMPT_STRIDE, _CATEGORY_STRIDE, _RUN_STRIDE = 2**8, 2**20, 2**32


class ShapesBenchmark:
    """The benchmark; see ``janiform.contracts.Benchmark``."""

    def __init__(self, config: BenchmarkConfig) -> None:
        self.config = config

    def run(self, model: Model, progress: Progress) -> dict[str, Any]:
        drawing, drawn = self._drawing(model, progress)
        understanding, asked = self._understanding(model, progress)
        return {
            "drawing": drawing,
            "understanding": understanding,
            "counts": {"drawing": drawn, "understanding": asked},
            "settings": self._settings(model),
        }

    def show(self, model: Model, drawings: int, answers: int, progress: Progress) -> Showcase:
        return showcase(model, self.config, drawings, answers, progress)

    def _drawing(self, model: Model, progress: Progress) -> tuple[dict[str, float], dict[str, int]]:
        config = self.config
        asked = [prompt for category in CATEGORIES for prompt in prompts(category, config.prompts, config.seed)]
        # One call for all categories, so that batches are as large as memory allows.
        pictures = model.generate(
            [prompt.text for prompt in asked],
            config.pictures,
            seed=[
                picture_seed(config.seed, row, prompt, copy)
                for row in range(len(CATEGORIES))
                for prompt in range(config.prompts)
                for copy in range(config.pictures)
            ],
            guidance=config.guidance,
            temperature=config.temperature,
            top_k=config.top_k,
            on_step=lambda done, of: progress("drawing", done, of),
        )
        correct = dict.fromkeys(CATEGORIES, 0)
        for number, picture in enumerate(pictures):
            prompt = asked[number // config.pictures]
            correct[prompt.category] += is_correct(prompt, picture)
        each = config.prompts * config.pictures
        scores = {category: count / each for category, count in correct.items()}
        overall = sum(scores.values()) / len(CATEGORIES)
        return {"overall": overall} | scores, {"overall": len(pictures)} | dict.fromkeys(CATEGORIES, each)

    def _understanding(self, model: Model, progress: Progress) -> tuple[dict[str, float], dict[str, int]]:
        asked = understanding_questions(self.config.questions, self.config.seed)
        answers = model.ask_all(
            [(render(scene), question.text) for scene, question in asked],
            max_new_tokens=ANSWER_TOKENS,
            on_step=lambda done, of: progress("asking", done, of),
        )
        correct: dict[str, list[bool]] = {}
        for (_, question), answer in zip(asked, answers, strict=True):
            correct.setdefault(question.type, []).append(matches(answer, question.answer))
        return (
            {name: sum(results) / len(results) for name, results in correct.items()},
            {name: len(results) for name, results in correct.items()},
        )

    def _settings(self, model: Model) -> dict[str, Any]:
        import torch

        config = self.config
        chosen = model.drawing_settings(guidance=config.guidance, temperature=config.temperature, top_k=config.top_k)
        return {
            "prompts": config.prompts,
            "pictures": config.pictures,
            "questions": config.questions,
            "seed": config.seed,
            **chosen,
            "split": "held-out",
            "janiform": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        }


def picture_seed(seed: int, category: int, prompt: int, copy: int) -> int:
    """The seed of a picture, independent of the number of other pictures."""
    return seed * _RUN_STRIDE + category * _CATEGORY_STRIDE + prompt * _PROMPT_STRIDE + copy
