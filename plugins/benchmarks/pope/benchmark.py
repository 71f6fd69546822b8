"""POPE (arXiv:2305.10355): accuracy, precision, recall, F1 and the ratio of yes, in each split, pooled and averaged.

Yes is the positive class. Every metric of an item is a mean over some items, so that the scores come from the items
alone: precision over those answered with yes, recall over those whose answer is yes, the others over all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import evolve
from janiform import Item, Metric, Request, Score, UsageError

from ..answers import OTHER, YES, YES_NO
from ..estimates import Ratio, added, by_metric, counts, means, sum_of_ratios, sums
from ..files import Record
from ..predictions import Join, read_answers
from ..questions import Question, QuestionBenchmark
from ..recognise import POPE_SPLITS, DataFiles, split_of
from .readers import ASKS_YES_OR_NO, SHORT_ANSWER, read

if TYPE_CHECKING:
    from PIL.Image import Image

_EXTRACTIONS = {
    "official": "pope",
    "llava": "pope",
    "vlmevalkit": "vlmevalkit",
    "janus": "vlmevalkit",
    "lmms-eval": "exact",
}

_OVERALL = {
    "official": "pope.mean.f1",
    "llava": "pope.mean.f1",
    "vlmevalkit": "pope.pooled.f1",
    "lmms-eval": "pope.pooled.f1",
    "janus": "pope.random.f1",
}
"""The metric that each evaluator reports as its score."""

_SPLITS = ", ".join(POPE_SPLITS)
_MEANS = ("accuracy", "precision", "recall", "yes_ratio")


class POPE(QuestionBenchmark):
    """The benchmark; see ``janiform.contracts.Benchmark``."""

    name: ClassVar[str] = "pope"
    title: ClassVar[str] = "POPE"
    folders: ClassVar[tuple[str, ...]] = ("val2014", "images")

    @property
    def metrics(self) -> Mapping[str, Metric]:
        names = [f"{group}.{name}" for group in (*POPE_SPLITS, "pooled") for name in ("f1", *_MEANS)]
        names = ["overall", *names, "mean.f1", "mean.accuracy"]
        return {f"pope.{name}": Metric("none") if "yes" in name else Metric(chance=0.5) for name in names}

    def read(self, data: DataFiles) -> tuple[list[Question], dict[str, Any]]:
        return read(data)

    def wording(self, question: Question, prompt: str) -> str:
        if prompt == "official":
            return f"\n{question.question}"
        if prompt == "vlmevalkit":
            return f"\n{question.question}{ASKS_YES_OR_NO}"
        if prompt == "llava" and question.text is not None:
            return f"\n{question.text}"
        return f"\n{question.question}{SHORT_ANSWER}"

    def is_correct(self, question: Question, answer: str) -> bool:
        return self._word(answer) == question.answer

    def judge(self, request: Request, output: str | Image) -> Mapping[str, float]:
        question = self.by_item[request.item]
        word = self._word(str(output))
        values = {"accuracy": float(word == question.answer), "yes_ratio": float(word == YES)}
        if word == YES:
            values["precision"] = float(question.answer == YES)
        # For lmms-eval, an answer that is neither yes nor no is not a false negative.
        if question.answer == YES and not (word == OTHER and self.config.evaluators["aggregation"] == "lmms-eval"):
            values["recall"] = float(word == YES)
        return {f"pope.{split}.{name}": value for split in question.categories for name, value in values.items()}

    def aggregate(self, items: Sequence[Item]) -> Mapping[str, Score]:
        pooled = [evolve(item, metric=f"pope.pooled.{item.metric.rpartition('.')[2]}") for item in items]
        scores = means([*items, *pooled])
        groups = by_metric([*items, *pooled])
        splits = [split for split in POPE_SPLITS if f"pope.{split}.accuracy" in groups]
        f1 = {group: _f1(groups, group) for group in (*splits, "pooled")} if splits else {}
        scores |= {f"pope.{group}.f1": score for group, score in f1.items() if score is not None}
        if len(splits) == len(POPE_SPLITS):
            count = len(groups["pope.pooled.accuracy"])
            accuracies = [_accuracy_ratio(groups, split, 1 / 3) for split in splits]
            scores["pope.mean.accuracy"] = sum_of_ratios(accuracies, count)
            if None not in f1.values():
                scores["pope.mean.f1"] = sum_of_ratios([_f1_ratio(groups, split, 1 / 3) for split in splits], count)
        overall = _OVERALL[self.config.evaluators["aggregation"]]
        return {**scores, **({"pope.overall": scores[overall]} if overall in scores else {})}

    def joins(self, questions: Sequence[Question]) -> list[Join]:
        if self.loaded.data.format == "vlmevalkit":
            items = {(question.item,): question.item for question in questions}
            by_split = {
                (split, question.item): question.item for question in questions for split in question.categories
            }
            return [Join(("index",), items), Join(("split", "question_id"), by_split, ("answer",))]
        keys = {question.item: (question.keys["split"], question.keys["question_id"]) for question in questions}
        by_id = {key: item for item, key in keys.items()}
        by_text = {(question.keys["split"], question.image, question.question): question.item for question in questions}
        answers = ("prediction", "answer", "text")
        joins = [Join(("split", "question_id"), by_id, answers), Join(("split", "image", "question"), by_text, answers)]
        if self.loaded.data.format == "llava":
            by_llava = {(question.keys["llava"],): question.item for question in questions}
            joins.append(Join(("question_id",), by_llava, ("text",)))
        return joins

    def prediction_records(self, path: Path) -> list[Record]:
        """The records of a file, or of one file per split in a folder, with the split of each.

        Files of labels, which the official scorer has beside the answers, are passed over.
        """
        if not path.is_dir():
            records = read_answers(path)
            named = split_of(path, POPE_SPLITS)
            splits = [record.get("category") or named for record in records]
            if not set(splits) <= set(POPE_SPLITS):
                return records
            return [_in_split(record, str(split)) for record, split in zip(records, splits, strict=True)]
        answers = [file for file in path.iterdir() if "labels" not in file.stem]
        files = {split: [file for file in answers if split_of(file, (split,))] for split in POPE_SPLITS}
        doubled = [split for split, matches in files.items() if len(matches) > 1]
        if doubled or not any(files.values()):
            which = f"several files for {', '.join(doubled)}" if doubled else "no file for any split"
            raise UsageError(f"'{path}' has {which}: expected one file of predictions for each of {_SPLITS}")
        return [
            _in_split(record, split)
            for split, matches in files.items()
            for file in matches
            for record in read_answers(file)
        ]

    def write_official(self, folder: Path, outputs: Mapping[str, str]) -> list[Path]:
        """Write answers and labels of each split, line by line in the same order, as ``evaluate.py`` pairs them."""
        written = []
        for split in self.loaded.facts["splits"]:
            questions = [question for question in self.loaded.questions if split in question.categories]
            questions = [question for question in questions if question.item in outputs]
            facts = [
                {"question_id": question.keys.get("question_id", question.item), "image": question.image}
                for question in questions
            ]
            answers = [
                {**fact, "question": question.question, "answer": outputs[question.item]}
                for fact, question in zip(facts, questions, strict=True)
            ]
            labels = [
                {**fact, "text": question.question, "label": question.answer}
                for fact, question in zip(facts, questions, strict=True)
            ]
            for kind, lines in {"answers": answers, "labels": labels}.items():
                path = folder / f"coco_pope_{split}_{kind}.json"
                path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")
                written.append(path)
        return written

    def _word(self, answer: str) -> str:
        return YES_NO[_EXTRACTIONS[self.config.evaluators["extraction"]]](answer)


def _f1(groups: Mapping[str, Sequence[Item]], group: str) -> Score | None:
    """F1 of a split or of all, or None where no answer is yes and none should be."""
    ratio = _f1_ratio(groups, group)
    return sum_of_ratios([ratio], len(groups[f"pope.{group}.accuracy"])) if ratio.denominator else None


def _f1_ratio(groups: Mapping[str, Sequence[Item]], group: str, weight: float = 1.0) -> Ratio:
    """F1 = 2 TP / (answered with yes + should be yes), which equals 2 P R / (P + R)."""
    precision, recall = (groups.get(f"pope.{group}.{name}", ()) for name in ("precision", "recall"))
    return Ratio(sums(precision, 2), added(counts(precision), counts(recall)), weight)


def _accuracy_ratio(groups: Mapping[str, Sequence[Item]], group: str, weight: float) -> Ratio:
    items = groups[f"pope.{group}.accuracy"]
    return Ratio(sums(items), counts(items), weight)


def _in_split(record: Record, split: str) -> Record:
    return evolve(record, values={**record.values, "split": split})
