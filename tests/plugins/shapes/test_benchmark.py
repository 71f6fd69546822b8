"""The benchmark gives full marks to who draws and answers right, and to nobody else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from janiform import Model, UnifiedModel, registry
from janiform_plugins.shapes.benchmark import ShapesBenchmark, picture_seed
from janiform_plugins.shapes.config import BenchmarkConfig
from janiform_plugins.shapes.examples import scene_of
from janiform_plugins.shapes.judging import detections_in, is_right, matches, verdict
from janiform_plugins.world import (
    CATEGORIES,
    QUESTION_TYPES,
    DrawingPrompt,
    Phrase,
    Requirement,
    Scene,
    prompts,
    render,
    sample_scene,
    understanding_questions,
)
from janiform_plugins.world.placement import place_objects
from janiform_plugins.world.scene import Object
from PIL import Image

SMALL = BenchmarkConfig(prompts=5, pictures=2, questions=10)


def drawn(requirement: Requirement, seed: int = 0) -> Image.Image:
    """A picture of what is asked for, by the world's own renderer."""
    rng = np.random.default_rng(seed)
    sizes = [phrase.size or "small" for phrase in requirement.objects]
    spots = place_objects(sizes, rng, requirement.relation)
    objects = tuple(
        Object(phrase.shape or "", phrase.colour or "", size, x, y)
        for phrase, size, (x, y) in zip(requirement.objects, sizes, spots, strict=True)
    )
    return Image.fromarray(render(Scene(objects, "white")))


class Perfect:
    """Knows every prompt's picture and every question's answer; ``spoil`` makes some of them wrong."""

    def __init__(self, config: BenchmarkConfig, spoil: Callable[[int], bool] = lambda index: False) -> None:
        self.requirements = {
            prompt.text: prompt.requirement
            for category in CATEGORIES
            for seed in (config.seed, config.seed + 1)
            for prompt in prompts(category, config.prompts, seed)
        }
        asked = understanding_questions(config.questions, config.seed)
        self.answers = {(render(scene).tobytes(), question.text): question.answer for scene, question in asked}
        self.spoil = spoil
        self.seeds: list[int] = []

    def generate(self, texts: Sequence[str], n: int = 1, *, seed: Sequence[int], **_: Any) -> list[Image.Image]:
        self.seeds = list(seed)
        right = [drawn(self.requirements[text], number) for number, text in enumerate(texts) for _ in range(n)]
        return [Image.new("RGB", (64, 64)) if self.spoil(index) else picture for index, picture in enumerate(right)]

    def ask_all(self, questions: Sequence[tuple[Any, str]], **_: Any) -> list[str]:
        said = [self.answers.get((np.asarray(picture).tobytes(), text), "?") for picture, text in questions]
        return ["nothing" if self.spoil(index) else f" {answer.upper()}. " for index, answer in enumerate(said)]

    def drawing_settings(self, **_: Any) -> dict[str, Any]:
        return {"guidance": 2.0}


def quiet(what: str, done: int, of: int) -> None: ...


def run(model: Any, config: BenchmarkConfig = SMALL) -> dict[str, Any]:
    return ShapesBenchmark(config).run(model, quiet)


def test_all_right_is_one_everywhere() -> None:
    scores = run(Perfect(SMALL))
    assert scores["drawing"] == dict.fromkeys(("overall", *CATEGORIES), 1.0)
    assert scores["understanding"] == dict.fromkeys(QUESTION_TYPES, 1.0)
    assert scores["counts"]["drawing"] == {"overall": 60} | dict.fromkeys(CATEGORIES, 10)
    assert scores["counts"]["understanding"] == dict.fromkeys(QUESTION_TYPES, 10)
    assert {name: scores["settings"][name] for name in ("prompts", "pictures", "questions", "guidance")} == {
        "prompts": 5,
        "pictures": 2,
        "questions": 10,
        "guidance": 2.0,
    }


def test_what_is_wrong_is_counted_where_it_is_wrong() -> None:
    scores = run(Perfect(SMALL, spoil=lambda index: 10 <= index < 15))  # half of the second category and kind
    assert scores["drawing"]["two_objects"] == 0.5
    assert scores["drawing"]["overall"] == pytest.approx((5 + 0.5) / 6)
    assert scores["understanding"]["how_many"] == 0.5
    assert scores["understanding"]["yes_no"] == 1.0


def test_every_picture_has_a_seed_of_its_own_that_smaller_runs_share() -> None:
    large, small = Perfect(SMALL), Perfect(BenchmarkConfig(prompts=2, pictures=1, questions=1))
    run(large)
    run(small, BenchmarkConfig(prompts=2, pictures=1, questions=1))
    assert len(set(large.seeds)) == 60
    assert set(small.seeds) < set(large.seeds)
    assert picture_seed(1, 0, 0, 0) > picture_seed(0, 5, 4095, 255)
    assert picture_seed(2**30, 5, 4095, 255) < 2**63


def test_a_picture_of_another_size_is_judged_as_well() -> None:
    prompt = prompts("colour_attribution", 1, 0)[0]
    assert is_right(prompt, drawn(prompt.requirement).resize((256, 256), Image.Resampling.BICUBIC))
    assert not is_right(prompt, Image.new("RGB", (32, 32), "white"))


def test_verdicts_say_what_is_seen() -> None:
    red, blue = Phrase("red", "circle"), Phrase("blue", "square")
    asked = DrawingPrompt("position", "a red circle above a blue square", Requirement((red, blue), "above"))
    for requirement, said in (
        (asked.requirement, "as asked"),
        (Requirement((red, blue), "below"), "a red circle below a blue square"),
        (Requirement((red, red, red)), "three red circles"),
        (Requirement((Phrase("orange", "cross"),)), "an orange cross"),
    ):
        assert verdict(asked, detections_in(drawn(requirement))) == said
    assert verdict(asked, detections_in(Image.new("RGB", (64, 64), "white"))) == "nothing to be seen"


def test_answers_are_compared_whole() -> None:
    assert matches(" A  red Circle. ", "a red circle")
    for wrong in ("a red circle and more", "red circle", "", "."):
        assert not matches(wrong, "a red circle")


def test_examples_are_of_all_categories_and_ask_about_both_sorts_of_pictures() -> None:
    progress: list[str] = []
    model = Perfect(SMALL)
    shown = ShapesBenchmark(SMALL).show(model, 12, 20, lambda what, done, of: progress.append(what))  # type: ignore[arg-type]
    assert len(shown.drawn) == 12
    assert all(item.correct and item.verdict == "as asked" for item in shown.drawn)
    assert (len(shown.own), len(shown.others)) == (10, 10)
    drawn_pictures = {id(item.picture) for item in shown.drawn}
    assert all(id(item.picture) in drawn_pictures for item in shown.own)
    assert all(item.expected and not item.correct for item in shown.others)  # this model knows the benchmark's only


def test_a_scene_that_was_read_back_is_the_one_that_was_drawn() -> None:
    for index in range(10):
        scene = sample_scene(0, index)
        found = scene_of(detections_in(Image.fromarray(render(scene))))
        assert found is not None
        assert {(o.shape, o.colour, o.size) for o in found.objects} == {
            (o.shape, o.colour, o.size) for o in scene.objects
        }
    assert scene_of([]) is None


def test_a_real_model_runs_through_it(tiny_model: UnifiedModel) -> None:
    component = registry().find("benchmark", "shapes")
    benchmark = component.load()(component.config(prompts=1, pictures=1, questions=1))
    done: dict[str, tuple[int, int]] = {}
    scores = benchmark.run(Model(tiny_model), lambda what, now, of: done.update({what: (now, of)}))
    assert set(scores) == {"drawing", "understanding", "counts", "settings"}
    assert set(done) == {"drawing", "asking"}
    assert all(now == of for now, of in done.values())
    shown = benchmark.show(Model(tiny_model), 2, 3, quiet)
    assert len(shown.drawn) == 2
    assert len(shown.own) + len(shown.others) == 3
