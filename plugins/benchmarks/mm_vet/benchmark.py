"""MM-Vet (arXiv:2308.02490): open questions that need several capabilities at once, graded by a judge from 0 to 1.

The total is the mean grade; that of a capability is over the questions that need it, that of an integration over those
that need exactly these capabilities. With several gradings a grade is their mean.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import evolve
from janiform import Conversation, Item, Metric, Origin, Problem, Request, Score, Turn, UsageError, mean_score

from ..files import Record, read_json_value
from ..judge import Judge
from ..judge_config import NO_JUDGE
from ..judged import JudgedBenchmark, write_predictions
from ..predictions import Join, read_answers
from ..questions import Question
from ..recognise import DataFiles
from .config import MMVetConfig
from .grading import GRADERS, Form, GradingPrompt, grade, read_grading_prompt
from .readers import CAPABILITIES, read

if TYPE_CHECKING:
    from PIL.Image import Image

TOTAL, STD, ANSWERED = "mm_vet.total", "mm_vet.std_of_runs", "mm_vet.answered"
GRADED = "mm_vet.graded"
"""The share of predictions for which the judge gave a grade; for the others the evaluators count 0."""

JANUS_SYSTEM = (
    "You are a helpful assistant. Please answer truthfully and write out your thinking step by step to be sure you get "
    "the right answer."
)
"""The system text of Janus for MM-Vet in VLMEvalKit."""

_LMMS_START = (
    "First please perform reasoning, and think step by step to provide best answer to the following question: \n\n"
)

_FORMS: Mapping[str, Form] = {
    "official": "official",
    "llava": "official",
    "janus": "official",
    "vlmevalkit": "vlmevalkit",
    "lmms-eval": "lmms-eval",
}
"""The way of asking the judge, by the evaluator; the authors of Janus used the official grader."""

JUDGES = {
    "official": "gpt-4-0613",
    "llava": "gpt-4-0613",
    "janus": "gpt-4-0613",
    "vlmevalkit": "gpt-4-1106-preview",
    "lmms-eval": "gpt-4o-2024-11-20",
}
"""The judges that the evaluators use, for the hint where none is named."""


class MMVet(JudgedBenchmark):
    """The benchmark; see ``janiform.contracts.Benchmark``."""

    name: ClassVar[str] = "mm_vet"
    title: ClassVar[str] = "MM-Vet"
    answer_lengths: ClassVar[Mapping[str, int]] = {"llava": 1024, "lmms-eval": 1024, "janus": 2048}
    config: MMVetConfig

    def __init__(self, config: MMVetConfig, judge: Judge | None = None) -> None:
        if not config.judge and judge is None:
            name = JUDGES[config.evaluators["extraction"]]
            hint = f'set judge="{name}", judge_url and judge_prompt, or judge="{NO_JUDGE}" to only collect answers'
            raise UsageError(Problem("MM-Vet is scored by a judge, and the settings name none", hint=hint))
        super().__init__(config, judge)
        if self.judge_model is not None and not config.judge_prompt:
            hint = "set judge_prompt to your copy of MM-Vet's mm-vet_evaluator.py, whose text the judge is asked with"
            raise UsageError(Problem("MM-Vet's judge needs the official prompt", hint=hint))

    @property
    def metrics(self) -> Mapping[str, Metric]:
        if self.judge_model is None:
            return {ANSWERED: Metric()}
        groups = Counter(name for question in self.loaded.questions for name in _groups(question))
        capabilities = [name for name in (f"mm_vet.{capability}" for capability in CAPABILITIES) if name in groups]
        integrations = [name for name, _ in groups.most_common() if name not in capabilities]
        runs = [f"mm_vet.run_{number + 1}" for number in range(self.config.runs)] if self.config.runs > 1 else []
        metrics = {name: Metric() for name in (TOTAL, *runs)} | ({STD: Metric("down")} if runs else {})
        return metrics | {name: Metric() for name in (*capabilities, ANSWERED, GRADED, *integrations)}

    @property
    def settings(self) -> Mapping[str, Any]:
        return {**super().settings, "runs": self.config.runs}

    @property
    def judge_prompt(self) -> Any:
        return self._prompt.record

    def read(self, data: DataFiles) -> tuple[list[Question], dict[str, Any]]:
        return read(data, self.config.subset)

    def wording(self, question: Question, prompt: str) -> str:
        start = _LMMS_START if prompt == "lmms-eval" else ""
        return f"\n{start}{question.question}"

    def request(self, question: Question, prompt: str, settings: Mapping[str, Any]) -> Request:
        request = super().request(question, prompt, settings)
        if prompt != "janus":
            return request
        turns: tuple[Turn, ...] = request.conversation.turns
        return evolve(request, conversation=Conversation(turns, JANUS_SYSTEM))

    def requests(self) -> Sequence[Request]:
        if self.judge_model is not None:
            self._prompt  # noqa: B018 - a wrong file is found before hours of answering
        return super().requests()

    def is_correct(self, question: Question, answer: str) -> bool:
        """Whether an answer is graded as more right than wrong; any answer where nothing is graded."""
        return self.judge_model is None or fmean(_values(self._grades(question, answer))) >= 0.5

    def judge(self, request: Request, output: str | Image) -> Mapping[str, float]:
        answer = str(output)
        values = {ANSWERED: float(bool(answer.strip()))}
        if self.judge_model is None:
            return values
        grades = self._grades(self.by_item[request.item], answer)
        values[GRADED] = sum(value is not None for value in grades) / len(grades)
        numbers = _values(grades)
        if len(numbers) > 1:
            values |= {f"mm_vet.run_{number}": value for number, value in enumerate(numbers, start=1)}
        return {TOTAL: fmean(numbers), **values}

    def aggregate(self, items: Sequence[Item]) -> Mapping[str, Score]:
        groups: dict[str, list[Item]] = {}
        for item in items:
            groups.setdefault(item.metric, []).append(item)
            if item.metric == TOTAL:
                for name in _groups(self.by_item[item.item]):
                    groups.setdefault(name, []).append(item)
        scores = {name: mean_score(members) for name, members in groups.items()}
        if runs := [score.value for name, score in scores.items() if name.startswith("mm_vet.run_")]:
            scores[STD] = Score(pstdev(runs), len(runs))
        return scores

    def joins(self, questions: Sequence[Question]) -> list[Join]:
        by_key = {(question.item,): question.item for question in questions}
        by_number = {(question.item.removeprefix("v1_"),): question.item for question in questions}
        if self.loaded.data.format == "vlmevalkit":
            return [Join(("index",), by_key)]
        return [Join(("key",), by_key, ("answer",)), Join(("question_id",), by_number, ("text", "prediction"))]

    def prediction_records(self, path: Path) -> list[Record]:
        """The records of a file; the official one is ``{"v1_0": answer}``."""
        if path.suffix.lower() == ".json" and path.is_file():
            value = read_json_value(path)
            if isinstance(value, dict):
                return [
                    Record({"key": key, "answer": answer}, Origin(f"{path}, '{key}'")) for key, answer in value.items()
                ]
        return read_answers(path)

    def write_official(self, folder: Path, outputs: Mapping[str, str]) -> list[Path]:
        """Write ``{"v1_0": answer}``, which the official evaluator reads, also that on the hub.

        VLMEvalKit's table lacks these keys; for it the table with a column ``prediction`` is written.
        """
        if self.loaded.data.format == "vlmevalkit":
            columns = ["index", "question", "answer", "category"]
            return [write_predictions(folder / "mm-vet_predictions.xlsx", columns, self.loaded.questions, outputs)]
        path = folder / "mm-vet_predictions.json"
        answers = {
            question.item: outputs[question.item] for question in self.loaded.questions if question.item in outputs
        }
        path.write_text(json.dumps(answers, indent=1, ensure_ascii=False) + "\n", "utf-8")
        return [path]

    @cached_property
    def _prompt(self) -> GradingPrompt:
        return read_grading_prompt(self.config.judge_prompt)

    def _grades(self, question: Question, answer: str) -> list[float | None]:
        """The grades of an answer, one per run; None where the judge gives none."""
        assert self.judge_model is not None
        grader = GRADERS[_FORMS[self.config.evaluators["extraction"]]]
        prompt = self._prompt.row(question.question, question.answer, answer, grader)
        return [grade(self.judge_model, prompt, grader, run) for run in range(self.config.runs)]


def _values(grades: Sequence[float | None]) -> list[float]:
    """The grades as numbers: without one, a prediction counts as wrong."""
    return [value or 0.0 for value in grades]


def _groups(question: Question) -> list[str]:
    """The metrics of a question's capabilities, and that of exactly these."""
    capabilities = question.categories
    return [*(f"mm_vet.{name}" for name in capabilities), f"mm_vet.exactly.{'+'.join(capabilities)}"]
