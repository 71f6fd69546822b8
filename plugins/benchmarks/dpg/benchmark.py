"""DPG-Bench (ELLA, arXiv:2403.05135): long prompts, judged by a model that answers questions about each picture.

Both ways to score are always computed from the same answers. ``faithful`` is what the official script computes, with
its faults: it skips the first row of the CSV, and takes categories from the last picture of each prompt only. ``fixed``
takes all rows and all pictures. The published ones are ``faithful``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from janiform import Item, Metric, Request, Score, UsageError
from janiform_plugins.benchmarks.drawings import (
    Output,
    Outputs,
    Progress,
    drawing_requests,
    key_and_copy,
    picture_of,
    showcase,
)
from janiform_plugins.benchmarks.files import described
from janiform_plugins.benchmarks.published_drawings import PUBLISHED_DPG
from janiform_plugins.benchmarks.vision import VisualQuestionAnswering
from PIL import Image

from .config import DpgBenchConfig
from .data import dropped_first, read_items
from .files import NOT_ASKED, read_answers, read_folder, write_grid
from .scoring import categories, category_means, picture_score, pooled, question_counts, total

if TYPE_CHECKING:
    from janiform import Model, Showcase

FAITHFUL, FIXED = "faithful", "fixed"
NOT_JUDGED = "not judged"


class DpgBench:
    """The benchmark; see ``janiform.contracts.Benchmark``.

    ``vqa`` replaces the model that the settings name. Without one pictures are drawn and written, and nothing is
    scored.
    """

    published = PUBLISHED_DPG

    def __init__(self, config: DpgBenchConfig, *, vqa: VisualQuestionAnswering | None = None) -> None:
        items, files = read_items(config.data)
        self.config = config
        self._items = {item.key: item for item in (items[: config.limit] if config.limit else items)}
        table, *prompts = files
        self._data = described([table])
        self._prompt_source = f"{len(prompts)} files" if prompts else f"column text of {table.name}"
        texts = "".join(f"{item.key}\0{item.text}\0" for item in items)
        self._prompts_digest = hashlib.sha256(texts.encode()).hexdigest()
        self._scored = {
            FAITHFUL: {item.key: item for item in dropped_first(list(self._items.values()))},
            FIXED: self._items,
        }
        self._vqa = vqa or _vqa_of(config)
        self._last: tuple[str, Image.Image, tuple[str, ...]] | None = None

    @property
    def metrics(self) -> Mapping[str, Metric]:
        return {
            f"{mode}.{name}": Metric()
            for mode, items in self._scored.items()
            if items
            for name in ("overall", *categories(list(items.values())))
        }

    @property
    def settings(self) -> Mapping[str, Any]:
        config = self.config
        return {
            "profile": "official",
            "data": self._data,
            "prompt_texts": self._prompt_source,
            "prompts_sha256": self._prompts_digest,
            "prompts": len(self._items),
            **({"limit": config.limit} if config.limit else {}),
            "questions": sum(len(item.questions) for item in self._items.values()),
            "pictures": config.pictures,
            "seed": config.seed,
            "extraction": "exactly yes",
            "aggregation": {mode: f"{len(items)} prompts" for mode, items in self._scored.items()},
            **({} if self._vqa is None else {"vqa": dict(self._vqa.settings)}),
            **({"resolution": config.resolution} if config.resolution else {}),
        }

    def requests(self) -> Sequence[Request]:
        config = self.config
        settings = {"guidance": config.guidance, "temperature": config.temperature, "top_k": config.top_k}
        prompts = ((item.key, item.text) for item in self._items.values())
        return drawing_requests(prompts, config.pictures, config.seed, settings)

    def judge(self, request: Request, output: Output) -> Mapping[str, float]:
        """The scores of a picture; a text holds the answers to its questions, one per line, by another model.

        An empty text is a picture that is missing: no question is answered with yes.
        """
        key, copy = key_and_copy(request.item)
        if output == NOT_ASKED:
            return {}
        if isinstance(output, str):
            answers = tuple(output.split("\n")) if output else ("",) * len(self._items[key].questions)
            if len(answers) != len(self._items[key].questions):
                raise UsageError(
                    f"'{request.item}' has {len(answers)} answers, expected {len(self._items[key].questions)}"
                )
        else:
            if self.config.official is not None:
                write_grid(self.config.official.expanduser(), key, self.config.pictures, {copy: output})
            if self._vqa is None:
                return {}
            answers = self._answers(request, output)
        by_number = dict(zip((question.number for question in self._items[key].questions), answers, strict=True))
        values: dict[str, float] = {}
        for mode, items in self._scored.items():
            if key in items:
                questions = items[key].questions
                given = [by_number[question.number] for question in questions]
                values[f"{mode}.overall"] = picture_score(questions, given)
                if mode == FIXED or copy == self.config.pictures - 1:
                    means = category_means(questions, given)
                    values |= {f"{mode}.{name}": value for name, value in means.items()}
        return values

    def verdict(self, request: Request, picture: Image.Image) -> str:
        """The number of questions that are answered with yes, and those that are not."""
        if self._vqa is None:
            return NOT_JUDGED
        questions = self._items[key_and_copy(request.item)[0]].questions
        answers = self._answers(request, picture)
        no = [question.text for question, answer in zip(questions, answers, strict=True) if answer != "yes"]
        counted = f"{len(questions) - len(no)} of {len(questions)} yes"
        return f"{counted}; not: {' '.join(no)}" if no else counted

    def aggregate(self, items: Sequence[Item]) -> Mapping[str, Score]:
        by_metric: dict[str, list[Item]] = {}
        for item in items:
            by_metric.setdefault(item.metric, []).append(item)
        scores: dict[str, Score] = {}
        for mode, kept in self._scored.items():
            if overall := by_metric.get(f"{mode}.overall"):
                scores[f"{mode}.overall"] = total(overall)
            counts = question_counts(kept)
            for name in categories(list(kept.values())):
                parts = [
                    (item, counts[item.cluster][member])
                    for member in {count for own in counts.values() for count in own}
                    if member == name or member.startswith(f"{name}.")
                    for item in by_metric.get(f"{mode}.{member}", ())
                ]
                if parts:
                    scores[f"{mode}.{name}"] = pooled(parts)
        return scores

    def show(self, model: Model, drawings: int, answers: int, progress: Progress) -> Showcase:
        def judged(request: Request, picture: Image.Image) -> tuple[bool, str]:
            verdict = self.verdict(request, picture)
            return verdict != NOT_JUDGED and "; not:" not in verdict, verdict

        return showcase(model, self.requests(), drawings, judged, progress)

    def read_predictions(self, path: Path, requests: Iterable[Request]) -> Mapping[str, Output]:
        """Outputs made elsewhere: a folder of grids, or the detail file of answers that the official script writes.

        Raises ``UsageError`` for pictures that repeat, and for answers about other items.
        """
        config = self.config
        if path.is_dir():
            return Outputs(read_folder(path, config.pictures, config.resolution))
        if not path.is_file():
            raise UsageError(f"'{path}' does not exist; expected a folder of pictures, or a detail file")
        return Outputs(read_answers(path, self._items, config.pictures))

    def write_official(self, folder: Path, outputs: Mapping[str, Image.Image | Path]) -> list[Path]:
        """Write pictures, given by the items of their requests, as grids for the official script; return the files."""
        copies: dict[str, dict[int, str]] = {}
        for item in outputs:
            key, copy = key_and_copy(item)
            copies.setdefault(key, {})[copy] = item
        return [
            write_grid(
                folder,
                key,
                self.config.pictures,
                {copy: picture_of(outputs[item]) for copy, item in sorted(items.items())},
            )
            for key, items in copies.items()
        ]

    def _answers(self, request: Request, picture: Image.Image) -> tuple[str, ...]:
        assert self._vqa is not None
        if self._last is None or self._last[0] != request.item or self._last[1] is not picture:
            # The verdict follows the judgement of the same picture, whose questions take a second.
            questions = [question.text for question in self._items[key_and_copy(request.item)[0]].questions]
            answers = tuple(self._vqa.answer(picture.convert("RGB"), questions))
            self._last = request.item, picture, answers
        return self._last[2]


def _vqa_of(config: DpgBenchConfig) -> VisualQuestionAnswering | None:
    if config.vqa_weights is None:
        return None
    from janiform_plugins.benchmarks.vision import vqa

    made: Mapping[str, type[Any]] = {
        "blip": vqa.BlipAnswers,
        "vilt": vqa.ViltAnswers,
        "janiform": vqa.JaniformAnswers,
    }
    answering: VisualQuestionAnswering = made[config.vqa](config.vqa_weights.expanduser(), config.judge_device)
    return answering
