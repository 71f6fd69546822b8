"""MMMU (arXiv:2311.16502): questions of college exams in 30 subjects, with one or several pictures.

The score is the accuracy over all questions; that of a discipline is over the questions of its subjects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from janiform import Item, Metric, Problem, Request, Score, UsageError, mean_score

from ..answers import Rules
from ..files import described
from ..judge import Judge
from ..matching import OptionMatcher, random_choice
from .config import NEW_TOKENS, MmmuConfig
from .extraction import lmms_open_matches, lmms_option, official_option, open_matches, open_values
from .prompts import question_conversation
from .readers import DISCIPLINES, SUBJECTS, Data, Question, read

if TYPE_CHECKING:
    from janiform import Model, Showcase
    from PIL import Image

OVERALL, RANDOM = "mmmu.overall", "mmmu.random_options"

_OTHER = "Other Answers"
"""The text of VLMEvalKit's option B of an open question; A is the correct answer."""


class Mmmu:
    """The benchmark; see ``janiform.contracts.Benchmark``."""

    def __init__(self, config: MmmuConfig, judge: Judge | None = None) -> None:
        self.config = config
        self.protocol = config.protocol()
        self.judge_model = judge or (Judge(config) if config.judge else None)
        if self.judge_model and not self._by_vlmevalkit:
            message = f"the extraction '{self.protocol['extraction']}' asks no judge, but judge is '{config.judge}'"
            raise UsageError(Problem(message, hint="leave judge empty, or choose the profile vlmevalkit or janus"))

    @property
    def metrics(self) -> Mapping[str, Metric]:
        questions = self._data.questions
        groups = {"mmmu.multiple_choice": [], "mmmu.open": []} | {
            f"mmmu.{name}": [] for discipline, subjects in DISCIPLINES.items() for name in (discipline, *subjects)
        }
        for question in questions:
            for name in _groups(question):
                groups[name].append(question)
        metrics = {OVERALL: Metric(chance=_chance(questions))}
        metrics |= {name: Metric(chance=_chance(members)) for name, members in groups.items() if members}
        return {**metrics, RANDOM: Metric("down")}

    @property
    def settings(self) -> Mapping[str, Any]:
        config, data = self.config, self._data
        facts: dict[str, Any] = {
            "benchmark": "mmmu",
            "profile": config.profile,
            **self.protocol,
            "aggregation": "accuracy over questions",
            "seed": config.seed,
            "split": config.split,
            "data": described(data.files),
            "format": data.format,
            "questions": len(data.questions),
        }
        if data.left_out:
            facts["left_out_for_missing_pictures"] = data.left_out
        if config.limit:
            facts["limit"] = config.limit
        if self._by_vlmevalkit:
            facts["judge"] = None if self.judge_model is None else self.judge_model.settings
            facts["judge_prompt"] = self._matcher.record if self.judge_model else None
        return facts

    def requests(self) -> Sequence[Request]:
        if self.judge_model is not None:
            self.judge_model.check()
        tokens = self.config.max_new_tokens or NEW_TOKENS[self.config.profile]
        return [
            Request(
                question.key,
                question.pictures[0].key if question.pictures and question.pictures[0] else question.key,
                question_conversation(question, self.protocol["prompt"], self.protocol["pictures"]),
                settings={"max_new_tokens": tokens, "temperature": 0.0},
            )
            for question in self._data.questions
        ]

    def judge(self, request: Request, output: str | Image.Image) -> Mapping[str, float]:
        question = self.question(request.item)
        correct, drawn = self._judged(question, str(output))
        return {OVERALL: float(correct), **({RANDOM: float(drawn)} if question.options else {})}

    def judge_all(self, outputs: Sequence[tuple[Request, str]]) -> list[Mapping[str, float]]:
        """``judge`` for many answers, with as many requests to the judge at a time as the settings allow."""
        if self.judge_model is None:
            return [self.judge(*pair) for pair in outputs]
        return self.judge_model.map(lambda pair: self.judge(*pair), outputs)

    def aggregate(self, items: Sequence[Item]) -> Mapping[str, Score]:
        groups: dict[str, list[Item]] = {}
        for item in items:
            groups.setdefault(item.metric, []).append(item)
            if item.metric == OVERALL:
                for name in _groups(self.question(item.item)):
                    groups.setdefault(name, []).append(item)
        return {name: mean_score(members) for name, members in groups.items()}

    def show(self, model: Model, drawings: int, answers: int, progress: Callable[[str, int, int], None]) -> Showcase:
        from ..showing import shown_answers

        return shown_answers(model, self.requests()[:answers], lambda request: self._gold(request.item), progress)

    def question(self, item: str) -> Question:
        """The question of an item."""
        return self._by_key[item]

    @cached_property
    def _data(self) -> Data:
        config = self.config
        if config.data is None:
            hint = "set data to the folder of MMMU's Parquet files, or to VLMEvalKit's MMMU_DEV_VAL.tsv"
            raise UsageError(Problem("MMMU needs its data", hint=hint))
        images = config.images.expanduser() if config.images else None
        data = read(
            config.data.expanduser(), config.split.split("+"), images, allow_missing=config.allow_missing
        )
        return Data(data.questions[: config.limit or None], data.files, data.format, data.left_out)

    @cached_property
    def _by_key(self) -> dict[str, Question]:
        return {question.key: question for question in self._data.questions}

    @cached_property
    def _matcher(self) -> OptionMatcher:
        return OptionMatcher(self.judge_model, self.config.judge_prompt, self.config.seed)

    @property
    def _by_vlmevalkit(self) -> bool:
        return self.protocol["extraction"][:2] == "20"

    def _gold(self, item: str) -> str:
        return " or ".join(self.question(item).answers)

    def _judged(self, question: Question, output: str) -> tuple[bool, bool]:
        """Whether an answer is correct, and whether its option was drawn at random."""
        extraction = self.protocol["extraction"]
        if self._by_vlmevalkit:
            return self._matched(question, output, cast(Rules, extraction)), False
        # The official code and lmms-eval get outputs that were stripped when they were generated.
        answer = output.strip()
        if not question.options:
            compare = lmms_open_matches if extraction == "lmms-eval" else open_matches
            return compare(open_values(answer), question.answers), False
        letter = (official_option if extraction == "official" else lmms_option)(answer, question.options)
        drawn = letter is None and self.protocol["fallback"] == "random"
        if drawn:
            letter = random_choice(list(question.options), question.key, self.config.seed)
        return letter in question.answers, drawn

    def _matched(self, question: Question, output: str, rules: Rules) -> bool:
        """Whether VLMEvalKit counts an answer as correct; open questions have two options there."""
        options, gold = question.options, question.raw_answer
        if not options:
            options, gold = {"A": gold, "B": _OTHER}, gold if len(gold) == 1 and gold.isupper() else "A"
        return self._matcher.match(question.key, question.text, options, output, rules) == gold


def _groups(question: Question) -> tuple[str, str, str]:
    kind = "multiple_choice" if question.options else "open"
    return f"mmmu.{kind}", f"mmmu.{SUBJECTS[question.subject]}", f"mmmu.{question.subject}"


def _chance(questions: Sequence[Question]) -> float:
    """The expected accuracy of random options; random answers to open questions are wrong."""
    return sum(1 / len(question.options) for question in questions if question.options) / len(questions)
