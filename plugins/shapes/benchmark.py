"""The benchmark of the world of shapes: what a model draws is read back by the verifier, what it answers is compared.

Drawing follows GenEval (arXiv:2310.11513): six categories, each scored by the part of all its pictures that are right;
overall is the mean of the six. Understanding is the part of right answers by kind of question. All prompts and all
pictures asked about hold compositions that training never shows.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from janiform import __version__
from janiform_plugins.world import CATEGORIES, prompts, render, understanding_questions

from .config import BenchmarkConfig
from .examples import ANSWER_TOKENS, showcase
from .judging import is_right, matches

if TYPE_CHECKING:
    from janiform import Model, Showcase

Progress = Callable[[str, int, int], None]

_PROMPT_STRIDE, _CATEGORY_STRIDE, _RUN_STRIDE = 2**8, 2**20, 2**32


class ShapesBenchmark:
    """See ``janiform.contracts.Benchmark``."""

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
        # One order for all categories, so that the batches are as large as memory allows whatever the settings.
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
        right = dict.fromkeys(CATEGORIES, 0)
        for number, picture in enumerate(pictures):
            prompt = asked[number // config.pictures]
            right[prompt.category] += is_right(prompt, picture)
        each = config.prompts * config.pictures
        scores = {category: count / each for category, count in right.items()}
        overall = sum(scores.values()) / len(CATEGORIES)
        return {"overall": overall} | scores, {"overall": len(pictures)} | dict.fromkeys(CATEGORIES, each)

    def _understanding(self, model: Model, progress: Progress) -> tuple[dict[str, float], dict[str, int]]:
        asked = understanding_questions(self.config.questions, self.config.seed)
        answers = model.ask_all(
            [(render(scene), question.text) for scene, question in asked],
            max_new_tokens=ANSWER_TOKENS,
            on_step=lambda done, of: progress("asking", done, of),
        )
        right: dict[str, list[bool]] = {}
        for (_, question), answer in zip(asked, answers, strict=True):
            right.setdefault(question.type, []).append(matches(answer, question.answer))
        return (
            {kind: sum(those) / len(those) for kind, those in right.items()},
            {kind: len(those) for kind, those in right.items()},
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
    """A seed for every picture that does not change with how many others are drawn."""
    return seed * _RUN_STRIDE + category * _CATEGORY_STRIDE + prompt * _PROMPT_STRIDE + copy
