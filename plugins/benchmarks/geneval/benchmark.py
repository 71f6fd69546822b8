"""GenEval (Ghosh et al., arXiv:2310.11513): prompts about objects, judged by a detector and the colours of crops.

A task's score is the fraction of its pictures that are correct; ``overall`` is the unweighted mean of the tasks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen
from janiform import Item, Metric, Request, Score, UsageError, mean_of_categories, mean_score
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
from janiform_plugins.benchmarks.published_drawings import PUBLISHED_GENEVAL
from janiform_plugins.benchmarks.vision import ColourClassifier, Detection, Detector
from PIL import Image

from .config import GenEvalConfig
from .data import Prompt, chosen, read_prompts
from .files import CORRECT, INCORRECT, read_folder, read_results, write_sample
from .rules import COLOURS, COUNTING_THRESHOLD, MAX_OBJECTS, TAGS, THRESHOLD, counted, faults

if TYPE_CHECKING:
    from janiform import Model, Showcase

GREY = (153, 153, 153)
"""The colour of everything outside an object's mask when its colour is classified."""

NOT_JUDGED = "not judged"


@frozen(eq=False)
class _Judgement:
    request: str
    picture: Image.Image
    faults: tuple[str, ...]


class GenEval:
    """The benchmark; see ``janiform.contracts.Benchmark``.

    ``detector`` and ``colours`` replace the models that the settings name. Without a detector pictures are drawn and
    written, and nothing is scored.
    """

    published = PUBLISHED_GENEVAL

    def __init__(
        self,
        config: GenEvalConfig,
        *,
        detector: Detector | None = None,
        colours: ColourClassifier | None = None,
    ) -> None:
        prompts, self._file = read_prompts(config.data)
        self.config = config
        self._prompts = {prompt.key: prompt for prompt in chosen(prompts, config.limit)}
        self._detector = detector or _detector_of(config)
        self._colours = colours or _colours_of(config)
        self._last: _Judgement | None = None
        self._check_judges()

    @property
    def tags(self) -> tuple[str, ...]:
        """The tasks of the prompts."""
        given = {prompt.tag for prompt in self._prompts.values()}
        return tuple(tag for tag in TAGS if tag in given)

    @property
    def metrics(self) -> Mapping[str, Metric]:
        names = ("overall", *self.tags, "correct_images", "correct_prompts")
        return {f"geneval.{name}": Metric() for name in names}

    @property
    def settings(self) -> Mapping[str, Any]:
        config = self.config
        judged = {} if self._detector is None else {"detector": dict(self._detector.settings)}
        named = {} if self._colours is None else {"colours": dict(self._colours.settings)}
        return {
            "profile": "official",
            "data": described([self._file]),
            "prompts": len(self._prompts),
            **({"limit": config.limit} if config.limit else {}),
            "pictures": config.pictures,
            "seed": config.seed,
            "extraction": "official",
            "aggregation": "mean of tasks",
            "thresholds": {"score": THRESHOLD, "counting": COUNTING_THRESHOLD, "max_objects": MAX_OBJECTS},
            "max_overlap": config.max_overlap,
            **judged,
            **named,
        }

    def requests(self) -> Sequence[Request]:
        config = self.config
        settings = {"guidance": config.guidance, "temperature": config.temperature, "top_k": config.top_k}
        prompts = ((prompt.key, prompt.text) for prompt in self._prompts.values())
        return drawing_requests(prompts, config.pictures, config.seed, settings)

    def judge(self, request: Request, output: Output) -> Mapping[str, float]:
        """Whether a picture is correct; a text is a judgement of the official scorer, as ``read_predictions`` gives.

        An empty text is a picture that is missing, which is not correct.
        """
        prompt, copy = self._prompt(request)
        metric = f"geneval.{prompt.tag}"
        if isinstance(output, str):
            if output not in (CORRECT, "") and not output.startswith(INCORRECT):
                raise UsageError(f"'{request.item}' has the judgement {output[:60]!r}, expected correct or incorrect")
            return {metric: float(output == CORRECT)}
        if self.config.official is not None:
            write_sample(self.config.official.expanduser(), prompt, copy, output)
        return {} if self._detector is None else {metric: float(not self._faults(request, output))}

    def verdict(self, request: Request, picture: Image.Image) -> str:
        """ "correct", or "incorrect" with the reasons."""
        if self._detector is None:
            return NOT_JUDGED
        reasons = "; ".join(self._faults(request, picture))
        return f"{INCORRECT}: {reasons}" if reasons else CORRECT

    def aggregate(self, items: Sequence[Item]) -> Mapping[str, Score]:
        tasks = {f"geneval.{tag}": [item for item in items if item.metric == f"geneval.{tag}"] for tag in self.tags}
        present = {name: members for name, members in tasks.items() if members}
        if not present:
            return {}
        pooled = [item for members in present.values() for item in members]
        return {
            "geneval.overall": mean_of_categories(list(present.values())),
            **{name: mean_score(members) for name, members in present.items()},
            "geneval.correct_images": mean_score(pooled),
            "geneval.correct_prompts": mean_score(_any_correct(pooled)),
        }

    def show(self, model: Model, drawings: int, answers: int, progress: Progress) -> Showcase:
        def judged(request: Request, picture: Image.Image) -> tuple[bool, str]:
            verdict = self.verdict(request, picture)
            return verdict == CORRECT, verdict

        return showcase(model, self.requests(), drawings, judged, progress)

    def read_predictions(self, path: Path, requests: Iterable[Request]) -> Mapping[str, Output]:
        """Outputs made elsewhere: a folder of pictures as the official scorer reads it, or the file that it writes.

        Raises ``UsageError`` for pictures that repeat, or are of another file of prompts.
        """
        if path.is_dir():
            return Outputs(read_folder(path, self._prompts))
        if not path.is_file():
            raise UsageError(f"'{path}' does not exist; expected a folder of pictures, or a result file")
        return Outputs(read_results(path, self._prompts))

    def write_official(self, folder: Path, outputs: Mapping[str, Image.Image | Path]) -> list[Path]:
        """Write pictures, given by the items of their requests, as the official scorer reads them; return the files."""
        files = []
        for item, output in outputs.items():
            key, copy = key_and_copy(item)
            files.append(write_sample(folder, self._prompts[key], copy, picture_of(output)))
        return files

    def _faults(self, request: Request, picture: Image.Image) -> Sequence[str]:
        last = self._last
        if last is None or last.request != request.item or last.picture is not picture:
            # The verdict follows the judgement of the same picture, which takes a second.
            last = self._last = _Judgement(request.item, picture, tuple(self._judged(request, picture)))
        return last.faults

    def _judged(self, request: Request, picture: Image.Image) -> list[str]:
        prompt, _ = self._prompt(request)
        assert self._detector is not None
        rgb = picture.convert("RGB")
        detections = self._detector.detect(rgb, prompt.requirement.nouns)
        objects = counted(detections, prompt.tag, self.config.max_overlap)

        def classify(some: Sequence[Detection], noun: str) -> Sequence[str]:
            assert self._colours is not None
            return self._colours.colours([crop_of(rgb, detection) for detection in some], noun, COLOURS)

        return faults(prompt.requirement, objects, classify)

    def _prompt(self, request: Request) -> tuple[Prompt, int]:
        key, copy = key_and_copy(request.item)
        return self._prompts[key], copy

    def _check_judges(self) -> None:
        """Raise ``UsageError`` where the models that judge cannot judge the prompts: before anything is drawn."""
        config = self.config
        if self._detector is None:
            if config.colour_weights is not None:
                raise UsageError("colour_weights is set without detector_weights, which finds the objects")
            return
        coloured = any(entry.colour for prompt in self._prompts.values() for entry in prompt.requirement.include)
        if coloured and self._colours is None:
            raise UsageError("some prompts name colours: set colour_weights to the folder of a CLIP model")
        nouns = dict.fromkeys(noun for prompt in self._prompts.values() for noun in prompt.requirement.nouns)
        if unknown := list(self._detector.unknown(tuple(nouns))):
            listed = ", ".join(unknown[:10]) + (" …" if len(unknown) > 10 else "")
            raise UsageError(f"the detector does not know {len(unknown)} classes of '{self._file}': {listed}")


def crop_of(picture: Image.Image, detection: Detection) -> Image.Image:
    """The object's box of an RGB picture, with grey outside its mask where it has one."""
    if detection.mask is not None:
        blank = Image.new("RGB", picture.size, GREY)
        picture = Image.composite(picture, blank, Image.fromarray(detection.mask))
    left, top, right, bottom = (round(edge) for edge in detection.box)
    # A box may be empty, or lie outside of the picture; a crop of one pixel at least can be classified.
    return picture.crop((left, top, max(right, left + 1), max(bottom, top + 1)))


def _any_correct(items: Iterable[Item]) -> list[Item]:
    """Per prompt, whether any of its pictures is correct."""
    best: dict[str, Item] = {}
    for item in items:
        if item.cluster not in best or item.value > best[item.cluster].value:
            best[item.cluster] = item
    return list(best.values())


def _detector_of(config: GenEvalConfig) -> Detector | None:
    if config.detector_weights is None:
        return None
    if config.detector == "zero-shot":
        from janiform_plugins.benchmarks.vision.zero_shot import ZeroShotDetector

        return ZeroShotDetector(config.detector_weights.expanduser(), config.judge_device)
    from janiform_plugins.benchmarks.vision.mask2former import Mask2FormerDetector

    return Mask2FormerDetector(config.detector_weights.expanduser(), config.judge_device)


def _colours_of(config: GenEvalConfig) -> ColourClassifier | None:
    if config.colour_weights is None:
        return None
    from janiform_plugins.benchmarks.vision.colours import ClipColours

    return ClipColours(config.colour_weights.expanduser(), config.judge_device)
