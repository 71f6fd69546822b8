"""MMBench (arXiv:2307.06281): single-choice questions, each asked with its options in every rotation.

Three accuracies of the same answers: ``circular``, where a question counts as correct if all of its rotations are;
``vanilla_0``, over the questions without their rotations; and ``vanilla_all``, over all rows, which is what the
authors of Janus reported as "without circular".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import evolve
from janiform import Item, Metric, Request, Score, mean_score

from ..answers import inferred_option, lmms_option
from ..choices import BY_LETTER, janus_prompt, option_lines, vlmevalkit_prompt
from ..judged import OptionsBenchmark, write_predictions
from ..predictions import Join
from ..questions import Question
from ..recognise import DataFiles
from .config import MMBenchConfig
from .readers import base_of, by_base, read

if TYPE_CHECKING:
    from PIL.Image import Image

MODES = ("circular", "vanilla_0", "vanilla_all")

_ROWS, _INFERRED = "mmbench.vanilla_all", "mmbench.read_by_rule"
_BY_LETTER_CHINESE = "请直接回答选项字母。"
_NOTHING = ("none", "nan")
_LMMS_LETTERS = "ABCDE"


class MMBench(OptionsBenchmark):
    """The benchmark; see ``janiform.contracts.Benchmark``."""

    name: ClassVar[str] = "mmbench"
    title: ClassVar[str] = "MMBench"
    config: MMBenchConfig

    @property
    def metrics(self) -> Mapping[str, Metric]:
        if not self.loaded.facts["answers"]:
            return {_INFERRED: Metric()}
        chances = {
            name: sum(item.value for item in members) / len(members)
            for name, members in self._grouped(self._chances()).items()
            if members
        }
        metrics = {name: Metric(chance=chance) for name, chance in chances.items()}
        whole = {name: metric for name, metric in metrics.items() if name.count(".") == 1}
        return {**whole, _INFERRED: Metric(), **metrics}

    def read(self, data: DataFiles) -> tuple[list[Question], dict[str, Any]]:
        return read(data)

    def limited(self, questions: list[Question]) -> list[Question]:
        """The first questions with all of their rotations."""
        if not self.config.limit:
            return questions
        bases = set(list(by_base(questions))[: self.config.limit])
        return [question for question in questions if base_of(question) in bases]

    def wording(self, question: Question, prompt: str) -> str:
        text, hint, options = question.question, question.keys["hint"], question.options
        if prompt == "janus":
            return janus_prompt(text, options, hint)
        if prompt == "llava":
            return "\n" + _llava_prompt(text, options, hint, self.loaded.facts["language"])
        if prompt == "lmms-eval":
            lines = option_lines({letter: option for letter, option in options.items() if letter in _LMMS_LETTERS})
            start = f"{hint} {text}" if hint else text
            return f"\n{start} There are several options:\n{lines}\n{BY_LETTER}"
        return "\n" + vlmevalkit_prompt(text, options, hint)

    def request(self, question: Question, prompt: str, settings: Mapping[str, Any]) -> Request:
        request = super().request(question, prompt, settings)
        return request if question.answer else evolve(request, reference=None)

    def is_correct(self, question: Question, answer: str) -> bool:
        return self._letter(question, answer) == question.answer

    def judge(self, request: Request, output: str | Image) -> Mapping[str, float]:
        question, answer = self.by_item[request.item], str(output)
        values = {_INFERRED: float(self._by_rule(question, answer) is not None)}
        if self.loaded.facts["answers"]:
            values[_ROWS] = float(self.is_correct(question, answer))
        return values

    def aggregate(self, items: Sequence[Item]) -> Mapping[str, Score]:
        grouped = self._grouped([item for item in items if item.metric == _ROWS])
        scores = {name: mean_score(members) for name, members in grouped.items() if members}
        if inferred := [item for item in items if item.metric == _INFERRED]:
            scores[_INFERRED] = mean_score(inferred)
        return scores

    def joins(self, questions: Sequence[Question]) -> list[Join]:
        by_index = {(question.keys["index"],): question.item for question in questions}
        return [Join(("index",), by_index), Join(("question_id",), by_index, ("text", "prediction"))]

    def write_official(self, folder: Path, outputs: Mapping[str, str]) -> list[Path]:
        """Write the table with a column ``prediction``, which VLMEvalKit scores and MMBench's server accepts."""
        letters = sorted({letter for question in self.loaded.questions for letter in question.options})
        answered = self.loaded.facts["answers"]
        columns = ["index", "question", "hint", *letters, *(["answer"] if answered else []), "l2-category", "category"]
        columns += ["split"] if self.loaded.facts["splits"] else []
        return [write_predictions(folder / "mmbench_predictions.xlsx", columns, self.loaded.questions, outputs)]

    @cached_property
    def _has_rotations(self) -> bool:
        return any(map(self._is_rotation, self.by_item))

    def _letter(self, question: Question, answer: str) -> str | None:
        """The letter that counts as the answer, after the judge was asked where the rules need it."""
        rules = self.config.letter_rules
        if rules is None:
            return self._by_rule(question, answer)
        return self.matcher.match(question.item, question.question, question.options, answer, rules)

    def _by_rule(self, question: Question, answer: str) -> str | None:
        rules = self.config.letter_rules
        if rules is None:
            return lmms_option(answer, question.options)
        return inferred_option(answer, question.options, rules)

    def _chances(self) -> list[Item]:
        """The expected values of random answers to all rows."""
        return [
            Item(_ROWS, question.item, question.image, 1 / len(question.options)) for question in self.loaded.questions
        ]

    def _grouped(self, rows: Sequence[Item]) -> Any:
        """The items of every metric, from those of the rows, in the order in which they are shown."""
        groups: dict[str, list[Item]] = {"mmbench.overall": []}
        by_mode = {mode: self._of_mode(mode, rows) for mode in MODES if mode != "circular" or self._has_rotations}
        overall = "vanilla_all" if self.config.evaluators["aggregation"] == "janus" else "circular"
        groups["mmbench.overall"] = by_mode.get(overall, by_mode["vanilla_0"])
        groups |= {f"mmbench.{mode}": members for mode, members in by_mode.items()}
        splits = self.loaded.facts["splits"]
        for mode, members in by_mode.items():
            for item in members:
                question = self.by_item[item.item]
                names = [_slug(category) for category in question.categories if category]
                names += [question.keys["split"]] if len(splits) > 1 else []
                for name in dict.fromkeys(names):
                    groups.setdefault(f"mmbench.{mode}.{name}", []).append(item)
        return groups

    def _of_mode(self, mode: str, rows: Sequence[Item]) -> list[Item]:
        """The items of a mode: all rows, those that are not rotations, or one per question for all of its rotations."""
        if mode == "vanilla_all":
            return [evolve(item, metric=f"mmbench.{mode}") for item in rows]
        if mode == "vanilla_0":
            return [evolve(item, metric=f"mmbench.{mode}") for item in rows if not self._is_rotation(item.item)]
        groups: dict[str, list[Item]] = {}
        for item in rows:
            groups.setdefault(base_of(self.by_item[item.item]), []).append(item)
        values = {base: prod(item.value for item in members) for base, members in groups.items()}
        return [evolve(groups[base][0], metric=f"mmbench.{mode}", value=value) for base, value in values.items()]

    def _is_rotation(self, item: str) -> bool:
        keys = self.by_item[item].keys
        return keys["index"] != keys["base"]


def _llava_prompt(question: str, options: Mapping[str, str], hint: str, language: str) -> str:
    """LLaVA's prompt: options up to the first empty one, where "none" is empty too, and the instruction."""
    start = f"{hint}\n{question}" if hint and hint.lower() not in _NOTHING else question
    lines = ""
    for letter, text in zip("ABCD", options.values(), strict=False):
        if options.get(letter) != text or text.lower() in _NOTHING:
            break
        lines += f"\n{letter}. {text}"
    return f"{start}{lines}\n{_BY_LETTER_CHINESE if language == 'cn' else BY_LETTER}"


def _slug(name: str) -> str:
    """A category as the name of a metric."""
    return re.sub(r"[^\w-]+", "_", name).strip("_").lower()
