"""The benchmark of edits: a model changes pictures of coloured shapes by instructions, and a verifier judges them.

There are six kinds of edits, about pictures of two to four objects, or before one is added, of one to three. The target
of each shows a composition that training never shows. A picture is right if
the asked-for change was made and it shows everything else as before, and nothing more; ``edits.overall`` is the mean of
the six kinds. The parts are also scored: ``edits.changed`` is the fraction of pictures with the change, ``edits.kept``
the mean fraction of the other objects that keep shape, colour, size and place (of pictures that have others), and
``edits.pixels_kept`` that of the pixels outside of the change.

Returning the picture unchanged scores 0 for every kind and for ``edits.changed``, and 1 for ``edits.kept`` and
``edits.pixels_kept``, so these two say nothing alone. The chance values are those of pictures that fulfil the
instruction without having seen the source (:mod:`.baselines`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from janiform import Item, Metric, Request, Score, mean_of_categories, mean_score
from janiform_plugins.benchmarks.shapes.judging import pixels_of
from janiform_plugins.world import detect_objects, render
from janiform_plugins.world.editing import EDIT_KINDS, Edit, judge_edit, pixels_kept, possible_kinds, sample_edit

from .config import ShapesEditConfig
from .examples import asking, showcase
from .verdicts import verdict

if TYPE_CHECKING:
    from janiform import Model, Showcase
    from PIL import Image

Progress = Callable[[str, int, int], None]

_CHANCE = {"overall": 0.002, "changed": 0.5} | dict.fromkeys(EDIT_KINDS, 0.0) | {"move": 0.005, "add": 0.005}
"""Scores of pictures that fulfil the instruction without the source, over 900 edits of each kind."""

OBJECTS = (2, 3, 4)
"""Numbers of objects of the pictures to change, in turn; one less where one is added. So nearly all have others."""

_COPY_STRIDE, _KIND_STRIDE, _RUN_STRIDE = 2**8, 2**26, 2**32


class ShapesEditBenchmark:
    """The benchmark; see ``janiform.contracts.Benchmark``."""

    def __init__(self, config: ShapesEditConfig) -> None:
        self.config = config
        possible = possible_kinds(config.objects or None)
        self.kinds = tuple(kind for kind in possible if not config.kinds or kind in config.kinds)
        self._edit = cache(self._sampled)

    @property
    def metrics(self) -> Mapping[str, Metric]:
        names = ("overall", *self.kinds, "changed", "kept", "pixels_kept")
        chance = _CHANCE if len(self.kinds) == len(EDIT_KINDS) else {kind: _CHANCE[kind] for kind in self.kinds}
        return {f"edits.{name}": Metric(chance=chance.get(name)) for name in names}

    @property
    def settings(self) -> Mapping[str, Any]:
        config = self.config
        numbers = {"edits": config.edits, "pictures": config.pictures}
        limited = {"kinds": list(config.kinds), "objects": config.objects}
        chosen = {name: value for name, value in limited.items() if value}
        thinking = {"think": True} if config.think else {}
        return {**numbers, **chosen, **thinking, "seed": config.seed, "split": "held-out"}

    def requests(self) -> Sequence[Request]:
        return list(self._requests())

    def judge(self, request: Request, output: str | Image.Image) -> Mapping[str, float]:
        assert not isinstance(output, str)  # every request draws
        edit, picture = self._edit_of(request), pixels_of(output)
        judgement = judge_edit(edit, detect_objects(picture))
        values = {f"edits.{edit.kind}": float(judgement.right), "edits.changed": float(judgement.made)}
        if edit.kept:
            values["edits.kept"] = judgement.kept
        return values | {"edits.pixels_kept": pixels_kept(edit, render(edit.source), picture, judgement.changed)}

    def verdict(self, request: Request, picture: Image.Image) -> str:
        return verdict(self._edit_of(request), detect_objects(pixels_of(picture)))

    def aggregate(self, items: Sequence[Item]) -> Mapping[str, Score]:
        by_metric: dict[str, list[Item]] = {}
        for item in items:
            by_metric.setdefault(item.metric, []).append(item)
        scores = {name: mean_score(members) for name, members in by_metric.items()}
        if categories := [by_metric[name] for kind in self.kinds if (name := f"edits.{kind}") in by_metric]:
            scores["edits.overall"] = mean_of_categories(categories)
        return scores

    def show(self, model: Model, drawings: int, answers: int, progress: Progress) -> Showcase:
        return showcase(model, self.config, self.kinds, drawings, progress)

    def _requests(self) -> Iterator[Request]:
        config = self.config
        settings = {"guidance": config.guidance, "temperature": config.temperature, "top_k": config.top_k}
        for kind in self.kinds:
            for number in range(config.edits):
                edit = self._edit(kind, number)
                conversation = asking(edit)
                for copy in range(config.pictures):
                    yield Request(
                        f"{kind}/{number}/{copy}",
                        f"{kind}/{number}",
                        conversation,
                        draws=True,
                        seed=picture_seed(config.seed, kind, number, copy),
                        reference=None if config.think else render(edit.target),
                        settings=settings,
                        think=config.think,
                    )

    def _edit_of(self, request: Request) -> Edit:
        kind, number, _ = request.item.split("/")
        return self._edit(kind, int(number))

    def _sampled(self, kind: str, number: int) -> Edit:
        objects = self.config.objects or OBJECTS[number % len(OBJECTS)] - (kind == "add")
        return sample_edit(self.config.seed, number, "held-out", (kind,), objects)


def picture_seed(seed: int, kind: str, number: int, copy: int) -> int:
    """The seed of a picture, independent of the number of other pictures."""
    return seed * _RUN_STRIDE + EDIT_KINDS.index(kind) * _KIND_STRIDE + number * _COPY_STRIDE + copy
