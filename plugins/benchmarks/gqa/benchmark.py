"""GQA (arXiv:1902.09506): the share of answers that equal the expected one, by the rules of four evaluators.

All four are measured always, and the match of texts that are normalised as for VQA, which no evaluator of GQA uses.
``accuracy`` is that of the chosen one, also for open and binary questions and for the semantic types, where the data
name them.
"""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from janiform import Item, Metric, Request, Score

from ..estimates import means
from ..predictions import Join
from ..questions import Question, QuestionBenchmark
from ..recognise import DataFiles
from ..vqa import normal_answer
from .readers import SHORT_ANSWER, read

if TYPE_CHECKING:
    from PIL.Image import Image

_PUNCTUATION = str.maketrans("", "", string.punctuation)
KINDS = ("open", "binary", "obj", "attr", "rel", "global", "cat")
"""Structural and semantic types of questions."""


def official(answer: str, expected: str) -> bool:
    """The official rule: equal texts."""
    return answer == expected


def llava(answer: str, expected: str) -> bool:
    """LLaVA's rule: the stripped answer, without periods at its end and in lower case, equals the expected one."""
    return llava_text(answer) == expected


def lmms_eval(answer: str, expected: str) -> bool:
    """The rule of lmms-eval: both in lower case and without ASCII punctuation, hyphens included."""
    return _bare(answer.strip()) == _bare(expected)


def vlmevalkit(answer: str, expected: str) -> bool:
    """VLMEvalKit's rule: both stripped and in lower case. An answer with a period at its end is wrong."""
    return answer.strip().lower() == expected.strip().lower()


def llava_text(answer: str) -> str:
    """The answer as LLaVA hands it to the official scorer."""
    return answer.strip().rstrip(".").lower()


def _bare(text: str) -> str:
    return text.lower().translate(_PUNCTUATION)


RULES: Mapping[str, Callable[[str, str], bool]] = {
    "official": official,
    "llava": llava,
    "lmms-eval": lmms_eval,
    "vlmevalkit": vlmevalkit,
    "janus": vlmevalkit,
}
"""The rule of each evaluator. That of the Janus papers is not documented; they evaluated with VLMEvalKit."""


class GQA(QuestionBenchmark):
    """The benchmark; see ``janiform.contracts.Benchmark``."""

    name: ClassVar[str] = "gqa"
    title: ClassVar[str] = "GQA"

    @property
    def metrics(self) -> Mapping[str, Metric]:
        names = ["accuracy", *(_metric(rule) for rule in RULES if rule != "janus"), "vqa_normalised", *KINDS]
        return {f"gqa.{name}": Metric() for name in names}

    def read(self, data: DataFiles) -> tuple[list[Question], dict[str, Any]]:
        return read(data)

    def wording(self, question: Question, prompt: str) -> str:
        if prompt == "official":
            return f"\n{question.question}"
        if prompt == "janus":  # VLMEvalKit's default prompt, in which no line break follows the picture
            return f"{question.question}{SHORT_ANSWER}"
        return f"\n{(prompt == 'llava' and question.text) or question.question + SHORT_ANSWER}"

    def is_correct(self, question: Question, answer: str) -> bool:
        return RULES[self.config.evaluators["extraction"]](answer, question.answer)

    def judge(self, request: Request, output: str | Image) -> Mapping[str, float]:
        question, answer = self.by_item[request.item], str(output)
        correct = float(self.is_correct(question, answer))
        values = {
            _metric(name): float(rule(answer, question.answer)) for name, rule in RULES.items() if name != "janus"
        }
        values["vqa_normalised"] = float(normal_answer(answer) == normal_answer(question.answer))
        values |= dict.fromkeys(("accuracy", *(kind for kind in question.categories if kind in KINDS)), correct)
        return {f"gqa.{name}": value for name, value in values.items()}

    def aggregate(self, items: Sequence[Item]) -> Mapping[str, Score]:
        return means(items)

    def joins(self, questions: Sequence[Question]) -> list[Join]:
        items = {(question.item,): question.item for question in questions}
        table = [Join(("index",), items)] if self.loaded.data.format == "vlmevalkit" else []
        return [*table, Join(("questionId",), items), Join(("question_id",), items, ("text", "prediction"))]

    def write_official(self, folder: Path, outputs: Mapping[str, str]) -> list[Path]:
        """Write the predictions for ``eval.py``; as LLaVA changes them, where its rule is chosen."""
        changed = self.config.evaluators["extraction"] == "llava"
        rows = [
            {"questionId": item, "prediction": llava_text(outputs[item]) if changed else outputs[item]}
            for item in self.by_item
            if item in outputs
        ]
        path = folder / "testdev_balanced_predictions.json"
        path.write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
        return [path]


def _metric(rule: str) -> str:
    """The name of the metric of an evaluator's rule."""
    return f"exact_{rule.replace('-', '_')}"
