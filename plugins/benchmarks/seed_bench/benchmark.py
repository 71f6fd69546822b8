"""SEED-Bench (arXiv:2307.16125): the share of questions about pictures that are answered right, and by dimension.

The official evaluation ranks the options by their loss. The others read the letter of an option in an answer, and all
of their rules are measured always; ``accuracy`` is that of the chosen one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import evolve
from janiform import Item, Metric, Request, Score

from ..answers import exact_letter, first_letter, inferred_option
from ..estimates import means
from ..predictions import Join
from ..questions import Question, QuestionBenchmark
from ..recognise import SEED_DIMENSIONS, DataFiles
from .config import SEEDBenchConfig
from .readers import LETTER_INSTRUCTION, read

if TYPE_CHECKING:
    from PIL.Image import Image

DIMENSIONS = {name: name.lower().replace(" ", "_") for name in SEED_DIMENSIONS}
"""The names of the dimensions in metrics."""

RULES: Mapping[str, Callable[[str, Mapping[str, str]], str | None]] = {
    "llava": lambda answer, options: exact_letter(answer),
    "lmms-eval": lambda answer, options: first_letter(answer),
    "vlmevalkit": lambda answer, options: inferred_option(answer, options),
    "janus": lambda answer, options: inferred_option(answer, options, "2024-10"),
}
"""The rule of each evaluator that reads answers; the Janus papers used VLMEvalKit's of 2024."""

_CHANCE = Metric(chance=0.25)


class SEEDBench(QuestionBenchmark):
    """The benchmark; see ``janiform.contracts.Benchmark``."""

    name: ClassVar[str] = "seed"
    title: ClassVar[str] = "SEED-Bench"
    suffixes: ClassVar[tuple[str, ...]] = ("", ".jpg", ".png")
    folders: ClassVar[tuple[str, ...]] = ("SEED-Bench-image", "images")
    config: SEEDBenchConfig

    @property
    def ranks(self) -> bool:
        """Whether options are ranked by their loss."""
        return self.config.evaluators["extraction"] == "official"

    @property
    def metrics(self) -> Mapping[str, Metric]:
        names = ["accuracy", *DIMENSIONS.values(), *(() if self.ranks else map(_metric, RULES))]
        return {f"seed.{name}": _CHANCE for name in names}

    @property
    def settings(self) -> Mapping[str, Any]:
        return {**super().settings, **({"option_loss": self.config.option_loss} if self.ranks else {})}

    def read(self, data: DataFiles) -> tuple[list[Question], dict[str, Any]]:
        return read(data)

    def wording(self, question: Question, prompt: str) -> str:
        if prompt == "official":
            return f"\n{question.question}"
        options = "".join(f"{letter}. {option}\n" for letter, option in question.options.items())
        if prompt == "vlmevalkit":
            instruction = "Please select the correct answer from the options above. \n"
            return f"\nQuestion: {question.question}\nOptions:\n{options}{instruction}"
        if prompt == "janus":
            return f"\n{question.question}\n{options}\n{LETTER_INSTRUCTION}"
        if prompt == "llava" and question.text is not None:
            return f"\n{question.text}"
        return f"\n{question.question}\n{options}{LETTER_INSTRUCTION}"

    def request(self, question: Question, prompt: str, settings: Mapping[str, Any]) -> Request:
        request = super().request(question, prompt, settings)
        if not self.ranks:
            return request
        reference = question.options[question.answer] if self.config.losses else None
        choices, loss = tuple(dict.fromkeys(question.options.values())), self.config.option_loss
        return evolve(request, choices=choices, choice_loss=loss, reference=reference, settings={})

    def is_correct(self, question: Question, answer: str) -> bool:
        if self.ranks:
            return answer == question.options[question.answer]
        return RULES[self.config.evaluators["extraction"]](answer, question.options) == question.answer

    def judge(self, request: Request, output: str | Image) -> Mapping[str, float]:
        question, answer = self.by_item[request.item], str(output)
        names = ("accuracy", DIMENSIONS[question.categories[0]])
        values = dict.fromkeys(names, float(self.is_correct(question, answer)))
        if not self.ranks:
            for name, rule in RULES.items():
                values[_metric(name)] = float(rule(answer, question.options) == question.answer)
        return {f"seed.{name}": value for name, value in values.items()}

    def aggregate(self, items: Sequence[Item]) -> Mapping[str, Score]:
        return means(items)

    def joins(self, questions: Sequence[Question]) -> list[Join]:
        items = {(question.item,): question.item for question in questions}
        if self.loaded.data.format == "vlmevalkit":
            return [Join(("index",), items)]
        return [Join(("question_id",), items, ("prediction", "text"))]

    def write_official(self, folder: Path, outputs: Mapping[str, str]) -> list[Path]:
        """Write the letters for the leaderboard, one JSON object per line; an unreadable answer is an empty text."""
        path = folder / "seed_bench_predictions.jsonl"
        rows = [
            {"question_id": item, "prediction": self._letter(question, outputs[item])}
            for item, question in self.by_item.items()
            if item in outputs
        ]
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
        return [path]

    def _letter(self, question: Question, answer: str) -> str:
        if self.ranks:
            return next((letter for letter, option in question.options.items() if option == answer), "")
        return RULES[self.config.evaluators["extraction"]](answer, question.options) or ""


def _metric(rule: str) -> str:
    """The name of the metric of an evaluator's rule."""
    return f"letter_{rule.replace('-', '_')}"
