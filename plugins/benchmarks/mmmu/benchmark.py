"""MMMU (arXiv:2311.16502): questions of college exams in 30 subjects, with one or several pictures.

The score is the accuracy over all questions; that of a discipline is over the questions of its subjects.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from attrs import evolve
from janiform import Item, Metric, Origin, Problem, Request, Score, UsageError, mean_score

from ..files import Record, read_json_list, read_json_value
from ..judged import OptionsBenchmark, write_predictions
from ..matching import random_choice
from ..predictions import Join, read_answers
from ..questions import Loaded, Question
from .config import MMMUConfig
from .extraction import lmms_open_matches, lmms_option, official_option, open_matches, open_values
from .prompts import LAYOUTS, question_conversation, question_text
from .readers import DISCIPLINES, SUBJECTS, MMMUQuestion, read

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..recognise import DataFiles

OVERALL, RANDOM = "mmmu.overall", "mmmu.random_options"

_OTHER = "Other Answers"
"""The text of VLMEvalKit's option B of an open question; A is the correct answer."""

_OUTPUT_FILE = "output.json"


class MMMU(OptionsBenchmark):
    """The benchmark; see ``janiform.contracts.Benchmark``."""

    name: ClassVar[str] = "mmmu"
    title: ClassVar[str] = "MMMU"
    answer_lengths: ClassVar[Mapping[str, int]] = {"official": 128, "llava": 128, "lmms-eval": 128, "janus": 2048}
    config: MMMUConfig

    @property
    def metrics(self) -> Mapping[str, Metric]:
        subjects = [name for discipline, names in DISCIPLINES.items() for name in (discipline, *names)]
        names = ("overall", "multiple_choice", "open", *subjects)
        groups: dict[str, list[MMMUQuestion]] = {f"mmmu.{name}": [] for name in names}
        for question in self._questions:
            for name in (OVERALL, *_groups(question)):
                groups[name].append(question)
        metrics = {name: Metric(chance=_chance(members)) for name, members in groups.items() if members}
        return {**metrics, RANDOM: Metric("down")}

    @property
    def settings(self) -> Mapping[str, Any]:
        config, extraction = self.config, self.config.evaluators["extraction"]
        facts: dict[str, Any] = {"split": config.split, "layout": self._layout}
        if config.letter_rules is None:
            facts["fallback"] = config.fallback
        if extraction == "lmms-eval":
            facts["open_bug"] = config.open_bug
        return {**super().settings, **facts}

    @cached_property
    def loaded(self) -> Loaded:
        """The questions whose pictures are there. Raises ``UsageError``."""
        data, questions, facts = read(self.config)
        return Loaded(data, tuple(self.limited(list(questions))), facts)

    def read(self, data: DataFiles) -> tuple[list[Question], dict[str, Any]]:
        raise NotImplementedError("questions with several pictures are read by `loaded`")

    def wording(self, question: Question, prompt: str) -> str:
        return question_text(cast(MMMUQuestion, question), prompt)

    def request(self, question: Question, prompt: str, settings: Mapping[str, Any]) -> Request:
        layout = "none" if self.config.without_pictures else self._layout
        conversation = question_conversation(cast(MMMUQuestion, question), prompt, layout)
        if prompt == "janus":
            conversation = evolve(conversation, system="")
        reference = question.answer or None if self.config.losses else None
        return Request(question.item, question.image, conversation, reference=reference, settings=settings)

    def is_correct(self, question: Question, answer: str) -> bool:
        return self._judged(cast(MMMUQuestion, question), answer)[0]

    def judge(self, request: Request, output: str | Image) -> Mapping[str, float]:
        question = cast(MMMUQuestion, self.by_item[request.item])
        correct, drawn = self._judged(question, str(output))
        return {OVERALL: float(correct), **({RANDOM: float(drawn)} if question.options else {})}

    def aggregate(self, items: Sequence[Item]) -> Mapping[str, Score]:
        groups: dict[str, list[Item]] = {}
        for item in items:
            groups.setdefault(item.metric, []).append(item)
            if item.metric == OVERALL:
                for name in _groups(cast(MMMUQuestion, self.by_item[item.item])):
                    groups.setdefault(name, []).append(item)
        return {name: mean_score(members) for name, members in groups.items()}

    def joins(self, questions: Sequence[Question]) -> list[Join]:
        by_id = {(question.item,): question.item for question in questions}
        indexed = [question for question in questions if "index" in question.keys]
        by_index = {(question.keys["index"],): question.item for question in indexed}
        return [Join(("id",), by_id, ("response", "prediction")), Join(("index",), by_index)]

    def prediction_records(self, path: Path) -> list[Record]:
        """The records of a file or of the official ``output.json`` per subject in a folder; also ``{id: answer}``."""
        if path.is_dir():
            files = sorted(path.glob(f"*/{_OUTPUT_FILE}"))
            if not files:
                raise UsageError(f"'{path}' has no folders with {_OUTPUT_FILE}, one per subject")
            return [record for file in files for record in read_json_list(file, read_json_value(file), {})]
        if path.suffix.lower() != ".json":
            return read_answers(path)
        value = read_json_value(path)
        if isinstance(value, dict):
            return [
                Record({"id": key, "response": answer}, Origin(f"{path}, '{key}'")) for key, answer in value.items()
            ]
        return read_json_list(path, value, {})

    def write_official(self, folder: Path, outputs: Mapping[str, str]) -> list[Path]:
        """Write ``{subject}/output.json`` as ``main_parse_and_eval.py`` reads it, and ``total_val_output.json``.

        The latter holds letters, which ``main_eval_only.py`` does not read from answers. VLMEvalKit's table without the
        official ids is written with a column ``prediction`` instead.
        """
        if any("/" in question.item for question in self._questions):
            letters_of_options = sorted({letter for question in self._questions for letter in question.options})
            columns = ["index", "question", *letters_of_options, "answer", "category", "split"]
            return [write_predictions(folder / "mmmu_predictions.xlsx", columns, self._questions, outputs)]
        by_subject: dict[str, list[dict[str, Any]]] = {}
        letters = {}
        for question in self._questions:
            if question.item not in outputs:
                continue
            answer = outputs[question.item].strip()
            kind = "multiple-choice" if question.options else "short-answer"
            gold = list(question.answers) if len(question.answers) > 1 else question.raw_answer
            entry: dict[str, Any] = {"id": question.item, "question_type": kind, "answer": gold, "response": answer}
            entry |= {"all_choices": list(question.options), "index2ans": dict(question.options)}
            by_subject.setdefault(question.subject, []).append(entry)
            letters[question.item] = answer if not question.options else self._letter(question, answer)[0] or ""
        written = []
        values = {f"{subject}/{_OUTPUT_FILE}": entries for subject, entries in by_subject.items()}
        for name, value in {**values, "total_val_output.json": letters}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", "utf-8")
            written.append(path)
        return written

    @property
    def _questions(self) -> Sequence[MMMUQuestion]:
        return cast(Sequence[MMMUQuestion], self.loaded.questions)

    @property
    def _layout(self) -> str:
        return self.config.layout or LAYOUTS[self.config.evaluators["prompt"]]

    def _judged(self, question: MMMUQuestion, output: str) -> tuple[bool, bool]:
        """Whether an answer is correct, and whether its option was drawn at random."""
        if not question.answers:
            raise UsageError(Problem(f"the question {question.item} has no answer", hint='set split="validation"'))
        if question.options or self.config.letter_rules:
            letter, drawn = self._letter(question, output)
            return letter == self._gold_letter(question), drawn
        bug = self.config.evaluators["extraction"] == "lmms-eval" and self.config.open_bug
        compare = lmms_open_matches if bug else open_matches
        return compare(open_values(output.strip()), question.answers), False

    def _letter(self, question: MMMUQuestion, output: str) -> tuple[str | None, bool]:
        """The letter of the option that counts as the answer, and whether it was drawn at random."""
        rules = self.config.letter_rules
        if rules:
            options = question.options or {"A": question.raw_answer, "B": _OTHER}
            return self.matcher.match(question.item, question.question, options, output, rules), False
        rule = lmms_option if self.config.evaluators["extraction"] == "lmms-eval" else official_option
        # The official code and lmms-eval get outputs that were stripped when they were generated.
        letter = rule(output.strip(), question.options)
        if letter is None and self.config.fallback == "random":
            return random_choice(list(question.options), question.item, self.config.seed), True
        return letter, False

    def _gold_letter(self, question: MMMUQuestion) -> str:
        """The correct letter. VLMEvalKit makes the answer to an open question option A, unless it is a capital."""
        gold = question.raw_answer
        return gold if question.options or (len(gold) == 1 and gold.isupper()) else "A"


def _groups(question: MMMUQuestion) -> tuple[str, str, str]:
    kind = "multiple_choice" if question.options else "open"
    return f"mmmu.{kind}", f"mmmu.{SUBJECTS[question.subject]}", f"mmmu.{question.subject}"


def _chance(questions: Sequence[MMMUQuestion]) -> float:
    """The expected accuracy of random options; random answers to open questions are wrong."""
    return sum(1 / len(question.options) for question in questions if question.options) / len(questions)
