"""Questions about pictures: what all benchmarks that ask them share. Each one reads its data and judges answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from attrs import evolve, field, frozen
from janiform import (
    Answered,
    Conversation,
    Item,
    Look,
    Metric,
    Published,
    Request,
    Score,
    Showcase,
    Turn,
    UsageError,
    read_picture,
)

from .config import QuestionsConfig
from .files import Record, described
from .pictures import PictureFolders, StoredPicture, described_pictures
from .predictions import Join, joined, read_answers
from .published import PUBLISHED
from .recognise import DataFiles, find_data

if TYPE_CHECKING:
    from janiform import Model
    from PIL.Image import Image

Progress = Callable[[str, int, int], None]

ANSWER_LENGTHS = {"llava": 128, "lmms-eval": 16}
"""The most tokens of an answer, by the evaluator of the prompt; others leave it to the model."""


@frozen
class Question:
    """A question of the data: its text without any instruction, and the expected answer.

    ``picture`` is None while it is looked for and where it is missing; ``image`` is its name or key in the data.
    ``keys``: further fields with which predictions name the question. ``text`` is LLaVA's, with its instruction.
    """

    item: str
    image: str
    question: str
    answer: str
    categories: tuple[str, ...] = ()
    options: Mapping[str, str] = field(factory=dict, hash=False)
    picture: StoredPicture | None = field(default=None, repr=False)
    text: str | None = None
    keys: Mapping[str, str] = field(factory=dict, hash=False)

    @property
    def all_pictures(self) -> Sequence[Any]:
        """The pictures that the question is asked with."""
        return () if self.picture is None else (self.picture,)


@frozen
class Loaded:
    """The questions of the data, those with pictures, and facts to record with the scores."""

    data: DataFiles
    questions: tuple[Question, ...]
    facts: Mapping[str, Any]


class QuestionBenchmark(ABC):
    """A benchmark of questions; see ``janiform.contracts.Benchmark``. Subclasses read, word, judge and aggregate."""

    name: ClassVar[str]
    """The name of the benchmark in its metrics."""

    title: ClassVar[str]
    """The name of the benchmark in texts, and in the table of formats."""

    suffixes: ClassVar[tuple[str, ...]] = ("",)
    """What is added to the names of pictures in the data."""

    folders: ClassVar[tuple[str, ...]] = ("images",)
    """Usual names of the folder of pictures beside the data."""

    def __init__(self, config: QuestionsConfig) -> None:
        self.config = config

    @property
    @abstractmethod
    def metrics(self) -> Mapping[str, Metric]:
        """See ``janiform.contracts.Benchmark``."""

    @abstractmethod
    def read(self, data: DataFiles) -> tuple[list[Question], dict[str, Any]]:
        """The questions of the data, and facts to record. Pictures that are not in the data are found afterwards."""

    @abstractmethod
    def wording(self, question: Question, prompt: str) -> str:
        """What follows the picture in the evaluator's prompt, with the line break before it."""

    @abstractmethod
    def judge(self, request: Request, output: str | Image) -> Mapping[str, float]:
        """See ``janiform.contracts.Benchmark``."""

    @abstractmethod
    def aggregate(self, items: Sequence[Item]) -> Mapping[str, Score]:
        """See ``janiform.contracts.Benchmark``."""

    @abstractmethod
    def is_correct(self, question: Question, answer: str) -> bool:
        """Whether an answer is right by the rule that reads it."""

    @abstractmethod
    def write_official(self, folder: Path, outputs: Mapping[str, str]) -> list[Path]:
        """Write what the official scorer reads; return the files."""

    def joins(self, questions: Sequence[Question]) -> list[Join]:
        """The ways to find the questions of predictions, besides the ids of janiform's own items."""
        return []

    def prediction_records(self, path: Path) -> list[Record]:
        """The records of predictions in a file or a folder."""
        return read_answers(path)

    @cached_property
    def loaded(self) -> Loaded:
        """The questions whose pictures are there. Raises ``UsageError``."""
        data = find_data(self.title, self.config.data, self.config.format)
        questions, facts = self.read(data)
        base = data.folder
        given = [] if self.config.images is None else [self.config.images.expanduser()]
        beside = [base, *(base / name for name in self.folders), *(base.parent / name for name in self.folders)]
        folders = PictureFolders(given or beside, self.suffixes)
        missing: list[str] = []
        if not self.config.without_pictures:
            questions = [self._placed(question, folders) for question in questions]
            missing = [question.image or question.item for question in questions if question.picture is None]
            folders.check(missing, allowed=self.config.allow_missing)
            questions = [question for question in questions if question.picture is not None]
        kept = self.limited(questions)
        if not kept:
            raise UsageError(f"no question of {self.title} in '{self.config.data}' has a picture")
        facts["pictures"] = len({question.image for question in kept})
        if missing:
            facts["missing_pictures"] = len(set(missing))
            facts["left_out_for_missing_pictures"] = len(missing)
        return Loaded(data, tuple(kept), facts)

    def described(self, data: DataFiles) -> list[dict[str, Any]]:
        """Names, sizes and digests of the files with the questions and their answers."""
        return described(sorted({*data.files, *data.official}))

    def limited(self, questions: list[Question]) -> list[Question]:
        """The first questions, as many as the settings say."""
        return questions[: self.config.limit or None]

    @cached_property
    def by_item(self) -> Mapping[str, Question]:
        """The questions by the ids of their requests."""
        return {question.item: question for question in self.loaded.questions}

    @property
    def published(self) -> tuple[Published, ...]:
        """Published scores of Janus and Janus-Pro, to show beside those that are measured."""
        return PUBLISHED.get(self.title, ())

    @property
    def settings(self) -> Mapping[str, Any]:
        config, loaded = self.config, self.loaded
        return {
            "profile": config.profile,
            **config.evaluators,
            "format": loaded.data.format,
            **self._data,
            "questions": len(loaded.questions),
            **({"limit": config.limit} if config.limit else {}),
            **({"without_pictures": True} if config.without_pictures else {}),
            **loaded.facts,
        }

    def requests(self) -> Sequence[Request]:
        prompt = self.config.evaluators["prompt"]
        tokens = self.config.max_new_tokens or ANSWER_LENGTHS.get(prompt)
        settings = {"max_new_tokens": tokens} if tokens else {}
        return [self.request(question, prompt, settings) for question in self.loaded.questions]

    def request(self, question: Question, prompt: str, settings: Mapping[str, Any]) -> Request:
        """The request of a question. The Janus papers give no system text; else it is the layout's own."""
        text = self.wording(question, prompt)
        content = (text,) if self.config.without_pictures else (Look(cast("Any", question.picture)), text)
        conversation = Conversation((Turn("user", content),), "" if prompt == "janus" else None)
        reference = question.answer if self.config.losses else None
        return Request(
            question.item, question.image or question.item, conversation, reference=reference, settings=settings
        )

    def read_predictions(self, path: Path, requests: Iterable[Request]) -> dict[str, str]:
        """The outputs for requests in a file of predictions. Raises ``UsageError`` for those of other questions."""
        items = [request.item for request in requests]
        chosen = set(items)
        questions = [question for question in self.loaded.questions if question.item in chosen]
        own = Join(("item",), {(item,): item for item in items})
        return joined(self.prediction_records(path), [own, *self.joins(questions)], items, path)

    def expected(self, request: Request) -> str:
        """The expected answer of a request."""
        return self.by_item[request.item].answer

    def show(self, model: Model, drawings: int, answers: int, progress: Progress) -> Showcase:
        """Examples: questions at equal distances through the data, with the model's answers."""
        requests = [] if self.config.without_pictures else self.requests()
        step = max(1, len(requests) // max(1, answers))
        chosen = requests[::step][:answers]
        outputs = model.reply_all(
            [request.conversation for request in chosen],
            on_step=lambda done, of: progress("asking examples", done, of),
            **dict(chosen[0].settings if chosen else {}),
        )
        answered = []
        for request, output in zip(chosen, outputs, strict=True):
            question = self.by_item[request.item]
            picture = read_picture(cast("Any", question.picture))
            correct = self.is_correct(question, output)
            answered.append(Answered(picture, question.question, output, question.answer, correct))
        return Showcase(others=tuple(answered))

    @cached_property
    def _data(self) -> dict[str, Any]:
        """The record of the data. Pictures in tables are parts of their files."""
        record: dict[str, Any] = {"data": self.described(self.loaded.data)}
        if not self.config.without_pictures:
            pictures = {picture for question in self.loaded.questions for picture in question.all_pictures}
            record |= described_pictures(pictures)
        return record

    def _placed(self, question: Question, folders: PictureFolders) -> Question:
        if question.picture is not None or not question.image:
            return question
        return evolve(question, picture=folders.find(question.image))
