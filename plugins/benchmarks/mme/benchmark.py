"""MME (arXiv:2306.13394): accuracy and accuracy+ in percent, added in each subtask, and the sums over subtasks.

Accuracy+ is the share of pictures both of whose questions are answered right. A subtask has at most 200 points,
perception (10 subtasks) 2000, and cognition (4 subtasks) 800. Answers that cannot be read are wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import evolve
from janiform import Item, Metric, Request, Score, UsageError, mean_score

from ..answers import YES_NO
from ..estimates import Ratio, counts, sum_of_ratios, sums
from ..files import Record, described, described_folder
from ..predictions import Join, read_answers
from ..questions import Question, QuestionBenchmark
from ..recognise import MME_TASKS, DataFiles
from .readers import ASKS_YES_OR_NO, SHORT_ANSWER, read, read_results, stripped, texts_of

if TYPE_CHECKING:
    from PIL.Image import Image

TASKS = {task: task.lower() for task in MME_TASKS}
"""The names of the subtasks in metrics."""

GROUPS = {"perception": MME_TASKS[:10], "cognition": MME_TASKS[10:]}

_EXTRACTIONS = {
    "official": "mme",
    "llava": "mme",
    "vlmevalkit": "vlmevalkit",
    "janus": "vlmevalkit",
    "lmms-eval": "lmms-mme",
}


class MME(QuestionBenchmark):
    """The benchmark; see ``janiform.contracts.Benchmark``. All evaluators have one formula."""

    name: ClassVar[str] = "mme"
    title: ClassVar[str] = "MME"

    @property
    def metrics(self) -> Mapping[str, Metric]:
        groups = {"perception": Metric(chance=750.0), "cognition": Metric(chance=300.0)}
        metrics = {f"mme.{name}": metric for name, metric in groups.items()}
        for task in TASKS.values():
            metrics[f"mme.{task}.score"] = Metric(chance=75.0)
            metrics[f"mme.{task}.accuracy"] = Metric(chance=0.5)
            metrics[f"mme.{task}.accuracy_plus"] = Metric(chance=0.25)
        return metrics

    def read(self, data: DataFiles) -> tuple[list[Question], dict[str, Any]]:
        return read(data)

    def described(self, data: DataFiles) -> list[dict[str, Any]]:
        """The record of the official folders has one entry per subtask."""
        paths = sorted({*data.files, *data.official})
        folders = [described_folder(path, texts_of(path)) for path in paths if path.is_dir()]
        return [*described(path for path in paths if not path.is_dir()), *folders]

    def limited(self, questions: list[Question]) -> list[Question]:
        if not self.config.limit:
            return questions
        numbers = Counter(question.image for question in questions)
        kept: set[str] = set()
        total = 0
        for image, number in numbers.items():
            total += number
            if kept and total > self.config.limit:
                break
            kept.add(image)
        return [question for question in questions if question.image in kept]

    def wording(self, question: Question, prompt: str) -> str:
        if prompt in ("official", "vlmevalkit"):
            return f"\n{question.question}"
        if prompt == "janus":
            return f"\n{question.question}{SHORT_ANSWER}"
        if prompt == "lmms-eval":  # which leaves one of the two spaces that some questions have
            return "\n" + question.question.strip().replace(f" {ASKS_YES_OR_NO}", "") + SHORT_ANSWER
        return f"\n{question.text or stripped(question.question) + SHORT_ANSWER}"

    def is_correct(self, question: Question, answer: str) -> bool:
        return YES_NO[_EXTRACTIONS[self.config.evaluators["extraction"]]](answer) == question.answer.lower()

    def judge(self, request: Request, output: str | Image) -> Mapping[str, float]:
        question = self.by_item[request.item]
        return {f"mme.{TASKS[question.categories[0]]}.accuracy": float(self.is_correct(question, str(output)))}

    def aggregate(self, items: Sequence[Item]) -> Mapping[str, Score]:
        scores: dict[str, Score] = {}
        ratios: dict[str, list[Ratio]] = {}
        numbers: dict[str, int] = {}
        for task, name in TASKS.items():
            answers = [item for item in items if item.metric == f"mme.{name}.accuracy"]
            if not answers:
                continue
            pictures = _pictures(answers)
            scores[f"mme.{name}.accuracy"] = mean_score(answers)
            ratios[task] = [Ratio(sums(answers), counts(answers), 100.0)]
            numbers[task] = len(answers)
            if pictures:
                scores[f"mme.{name}.accuracy_plus"] = mean_score(pictures)
                ratios[task].append(Ratio(sums(pictures), counts(pictures), 100.0))
                scores[f"mme.{name}.score"] = sum_of_ratios(ratios[task], len(answers), 200.0)
        for group, tasks in GROUPS.items():
            if all(f"mme.{TASKS[task]}.score" in scores for task in tasks):
                parts = [ratio for task in tasks for ratio in ratios[task]]
                count = sum(numbers[task] for task in tasks)
                scores[f"mme.{group}"] = sum_of_ratios(parts, count, 200.0 * len(tasks))
        return scores

    def joins(self, questions: Sequence[Question]) -> list[Join]:
        by_image = {
            (question.keys["task"], question.keys["image"], stripped(question.question)): question.item
            for question in questions
        }
        answers = ("response", "prediction", "text", "answer")
        joins = [Join(("category", "image", "question"), by_image, answers, stripped)]
        if self.loaded.data.format == "vlmevalkit":
            return [Join(("index",), {(question.item,): question.item for question in questions}), *joins]
        by_llava = {
            (f"{question.keys['task']}/{question.keys['image']}", stripped(question.question)): question.item
            for question in questions
        }
        return [*joins, Join(("question_id", "prompt"), by_llava, ("text",), _without_instruction)]

    def prediction_records(self, path: Path) -> list[Record]:
        """The records of a file, or of the official result files in a folder, one per subtask."""
        if not path.is_dir():
            return read_answers(path)
        files = [path / f"{task}.txt" for task in MME_TASKS if (path / f"{task}.txt").is_file()]
        if not files:
            raise UsageError(f"'{path}' holds no results of MME: expected {MME_TASKS[0]}.txt and the other subtasks")
        records = []
        for file in files:
            for record in read_results(file):
                records.append(evolve(record, values={**record.values, "category": file.stem}))
        return records

    def write_official(self, folder: Path, outputs: Mapping[str, str]) -> list[Path]:
        """Write one file per subtask for ``calculation.py``, in which the questions of a picture are consecutive."""
        written = []
        for task in MME_TASKS:
            questions = [question for question in self.loaded.questions if question.categories == (task,)]
            questions = [question for question in questions if question.item in outputs]
            if questions:
                path = folder / f"{task}.txt"
                rows = [
                    (question.keys["image"], question.question, question.answer, outputs[question.item])
                    for question in sorted(questions, key=lambda question: question.image)
                ]
                path.write_text("".join("\t".join(map(_one_line, row)) + "\n" for row in rows), "utf-8")
                written.append(path)
        return written


def _pictures(answers: Sequence[Item]) -> list[Item]:
    """One item for each picture with two answers: whether both are right."""
    by_picture: dict[str, list[Item]] = {}
    for item in answers:
        by_picture.setdefault(item.cluster, []).append(item)
    return [
        Item("", picture, picture, float(all(item.value for item in pair[:2])))
        for picture, pair in by_picture.items()
        if len(pair) >= 2
    ]


def _without_instruction(text: str) -> str:
    return stripped(text.strip().removesuffix(SHORT_ANSWER.strip()))


def _one_line(text: str) -> str:
    return text.replace("\t", " ").replace("\r", " ").replace("\n", " ")
