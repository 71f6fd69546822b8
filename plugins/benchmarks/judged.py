"""Benchmarks whose answers a judge reads, or those answers in which rules find nothing."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from janiform import Problem, Request, UsageError

from .judge import Judge
from .matching import OptionMatcher
from .questions import ANSWER_LENGTHS, Question, QuestionBenchmark
from .sheets import write_sheet

if TYPE_CHECKING:
    from .judge_config import JudgedConfig
    from .options_config import OptionsConfig


class JudgedBenchmark(QuestionBenchmark):
    """A benchmark with a judge, where the settings name one."""

    config: JudgedConfig

    answer_lengths: ClassVar[Mapping[str, int]] = ANSWER_LENGTHS
    """The most tokens of an answer, by the evaluator of the prompt; others leave it to the model."""

    def __init__(self, config: JudgedConfig, judge: Judge | None = None) -> None:
        super().__init__(config)
        self.judge_model = judge or (Judge(config) if config.has_judge else None)

    @property
    def settings(self) -> Mapping[str, Any]:
        judge = self.judge_model
        facts = {} if judge is None else {"judge_prompt": self.judge_prompt}
        return {**super().settings, "judge": None if judge is None else judge.settings, **facts}

    @property
    @abstractmethod
    def judge_prompt(self) -> Any:
        """The record of the text that the judge is asked with."""

    def requests(self) -> Sequence[Request]:
        prompt = self.config.evaluators["prompt"]
        tokens = self.config.max_new_tokens or self.answer_lengths.get(prompt)
        settings = {"max_new_tokens": tokens} if tokens else {}
        requests = [self.request(question, prompt, settings) for question in self.loaded.questions]
        if self.judge_model is not None:
            self.judge_model.check()
        return requests

    @property
    def judged_at_once(self) -> int:
        """The number of answers that are judged at a time: as many as the requests to the judge that may be open."""
        return 1 if self.judge_model is None else self.config.judge_concurrency


class OptionsBenchmark(JudgedBenchmark):
    """A benchmark whose answers name an option."""

    config: OptionsConfig

    answer_lengths: ClassVar[Mapping[str, int]] = {"llava": 1024, "lmms-eval": 128, "janus": 2048}

    def __init__(self, config: OptionsConfig, judge: Judge | None = None) -> None:
        if config.has_judge and config.letter_rules is None:
            message = f"the extraction '{config.evaluators['extraction']}' asks no judge, but judge is '{config.judge}'"
            raise UsageError(Problem(message, hint='leave judge empty, or set extraction="vlmevalkit"'))
        super().__init__(config, judge)

    @property
    def settings(self) -> Mapping[str, Any]:
        return {**super().settings, "rules": self.config.letter_rules, "seed": self.config.seed}

    @property
    def judge_prompt(self) -> Any:
        return self.matcher.record

    @cached_property
    def matcher(self) -> OptionMatcher:
        """What finds the option that an answer means."""
        return OptionMatcher(self.judge_model, self.config.judge_prompt, self.config.seed)


def write_predictions(
    path: Path, columns: Sequence[str], questions: Sequence[Question], outputs: Mapping[str, str]
) -> Path:
    """Write VLMEvalKit's table of some columns with a column ``prediction``, as an Excel file; return its path.

    A question without an output is left out.
    """
    rows = [
        {
            "index": question.item,
            "category": ",".join(question.categories),
            "answer": question.answer,
            **question.keys,
            **question.options,
            "question": question.question,
            "prediction": outputs[question.item],
        }
        for question in questions
        if question.item in outputs
    ]
    write_sheet(path, [*columns, "prediction"], rows)
    return path
