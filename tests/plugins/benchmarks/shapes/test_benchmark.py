"""The benchmark gives full scores for correct drawings and answers, and for no others."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from janiform import Item, Model, Request, Score, UnifiedModel, registry
from janiform.evaluate.runner import evaluate
from janiform_plugins.benchmarks.shapes.benchmark import ShapesBenchmark, picture_seed
from janiform_plugins.benchmarks.shapes.config import ShapesBenchmarkConfig
from janiform_plugins.benchmarks.shapes.examples import scene_of
from janiform_plugins.benchmarks.shapes.judging import attributes, detections_in, is_correct, matches, verdict
from janiform_plugins.world import (
    CATEGORIES,
    Detection,
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

SMALL = ShapesBenchmarkConfig(prompts=5, pictures=2, questions=10)


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


def quiet(what: str, done: int, of: int) -> None: ...


class Perfect:
    """Knows the picture of every prompt in examples, and the answer to every question of the benchmark."""

    def __init__(self, config: ShapesBenchmarkConfig) -> None:
        self.requirements = {
            prompt.text: prompt.requirement
            for category in CATEGORIES
            for seed in (config.seed, config.seed + 1)
            for prompt in prompts(category, config.prompts, seed)
        }
        asked = understanding_questions(config.questions, config.seed)
        self.answers = {(render(scene).tobytes(), question.text): question.answer for scene, question in asked}

    def generate(self, texts: Sequence[str], **_: Any) -> list[Image.Image]:
        return [drawn(self.requirements[text], number) for number, text in enumerate(texts)]

    def ask_all(self, questions: Sequence[tuple[Any, str]], **_: Any) -> list[str]:
        return [self.answers.get((np.asarray(picture).tobytes(), text), "?") for picture, text in questions]


def scored(
    spoil: Callable[[int], bool] = lambda index: False, config: ShapesBenchmarkConfig = SMALL
) -> tuple[Mapping[str, Score], list[Item]]:
    """Scores and items of correct outputs; those that ``spoil`` names by their number are made wrong."""
    benchmark = ShapesBenchmark(config)
    requirements = {prompt.text: prompt for category in CATEGORIES for prompt in prompts(category, config.prompts, 0)}
    items: list[Item] = []
    numbers = {True: 0, False: 0}
    for request in benchmark.requests():
        number = numbers[request.draws]
        numbers[request.draws] += 1
        if request.draws:
            right = drawn(requirements[request.conversation.turns[0].text].requirement, number)
            output: Any = Image.new("RGB", (64, 64)) if spoil(number) else right
        else:
            output = "nothing" if spoil(number) else f" {str(request.reference).upper()}. "
        values = benchmark.judge(request, output)
        items += [Item(metric, request.item, request.cluster, value) for metric, value in values.items()]
    return benchmark.aggregate(items), items


def test_all_right_is_one_everywhere() -> None:
    scores, items = scored()
    assert set(scores) == set(ShapesBenchmark(SMALL).metrics)
    assert {score.value for score in scores.values()} == {1.0}
    assert scores["drawing.overall"].count == scores["understanding.overall"].count == 60
    categories = {name: score.count for name, score in scores.items() if "overall" not in name}
    assert {count for name, count in categories.items() if not name.startswith("attributes.")} == {10}
    assert {count for name, count in categories.items() if name.startswith("attributes.")} == {60}
    assert Counter(item.metric.partition(".")[0] for item in items) == {
        "drawing": 60,
        "attributes": 180,
        "understanding": 60,
    }


def test_what_is_wrong_is_counted_where_it_is_wrong() -> None:
    scores, _ = scored(spoil=lambda index: 10 <= index < 15)  # half of the second category and type
    assert scores["drawing.two_objects"].value == 0.5
    assert scores["drawing.overall"].value == pytest.approx((5 + 0.5) / 6)
    assert scores["understanding.how_many"].value == 0.5
    assert scores["understanding.overall"].value == pytest.approx((5 + 0.5) / 6)
    assert scores["understanding.yes_no"].value == 1.0


def test_pictures_of_a_prompt_are_a_cluster_and_questions_are_independent() -> None:
    scores, items = scored(spoil=lambda index: 10 <= index < 15)
    clusters = Counter(item.cluster for item in items if not item.metric.startswith("attributes."))
    assert Counter(clusters.values()) == {2: 30, 1: 60}
    how_many = scores["understanding.how_many"]
    assert (how_many.low, how_many.high) == pytest.approx((0.236593, 0.763407), abs=1e-6)  # Wilson, 5 of 10
    # Five pictures that are wrong are two prompts and half of one: the prompts' means are 0, 0, .5, 1, 1.
    two = scores["drawing.two_objects"]
    deviations = [-1.0, -1.0, 0.0, 1.0, 1.0]  # sums within clusters
    error = math.sqrt((2.5 / 9) / 10 + sum(d**2 for d in deviations) / 100 - 2.5 / 100)
    assert (two.value - (two.low or 0)) == pytest.approx(1.959964 * error, abs=1e-6)


def test_every_picture_has_a_seed_of_its_own_that_smaller_runs_share() -> None:
    def seeds(config: ShapesBenchmarkConfig) -> set[int]:
        return {request.seed for request in ShapesBenchmark(config).requests() if request.draws}

    assert len(seeds(SMALL)) == 60
    assert seeds(ShapesBenchmarkConfig(prompts=2, pictures=1, questions=1)) < seeds(SMALL)
    assert picture_seed(1, 0, 0, 0) > picture_seed(0, 5, 4095, 255)
    assert picture_seed(2**30, 5, 4095, 255) < 2**63


def test_prompts_seeds_pictures_and_answers_are_those_of_the_benchmarks_first_version(
    tiny_model: UnifiedModel,
) -> None:
    """Scores of models were published with them; here they are asked for in the calls that it made then."""
    config = ShapesBenchmarkConfig(prompts=2, pictures=2, questions=2, seed=3, guidance=1.5)
    outputs: dict[str, Any] = {}

    class Keeps(ShapesBenchmark):
        def judge(self, request: Request, output: Any) -> Mapping[str, float]:
            outputs[request.item] = output
            return super().judge(request, output)

    model = Model(tiny_model)
    evaluate(model, Keeps(config), quiet)
    texts = [prompt.text for category in CATEGORIES for prompt in prompts(category, 2, 3)]
    places = [(row, number, copy) for row in range(6) for number in range(2) for copy in range(2)]
    seeds = [3 * 2**32 + row * 2**20 + number * 2**8 + copy for row, number, copy in places]
    pictures = model.generate(texts, 2, seed=seeds, guidance=1.5, temperature=None, top_k=None)
    for (row, number, copy), picture in zip(places, pictures, strict=True):
        assert outputs[f"{CATEGORIES[row]}/{number}/{copy}"].tobytes() == picture.tobytes()
    asked = understanding_questions(2, 3)
    answers = model.ask_all([(render(scene), question.text) for scene, question in asked], max_new_tokens=32)
    for index, ((_, question), answer) in enumerate(zip(asked, answers, strict=True)):
        assert outputs[f"{question.type}/{index % 2}"] == answer


def test_references_fit_their_prompts() -> None:
    """The verifier, which judges drawings, accepts every reference picture; each is another one."""
    benchmark = ShapesBenchmark(ShapesBenchmarkConfig(prompts=12, pictures=2, questions=1))
    drawings = [request for request in benchmark.requests() if request.draws]
    for request in drawings:
        picture = Image.fromarray(request.reference)  # type: ignore[arg-type]
        assert set(benchmark.judge(request, picture).values()) == {1.0}, request.item
        assert benchmark.verdict(request, picture) == "as asked"
    assert len({request.reference.tobytes() for request in drawings}) == len(drawings)  # type: ignore[union-attr]


def test_a_picture_of_another_size_is_judged_as_well() -> None:
    prompt = prompts("colour_attribution", 1, 0)[0]
    assert is_correct(prompt, drawn(prompt.requirement).resize((256, 256), Image.Resampling.BICUBIC))
    assert not is_correct(prompt, Image.new("RGB", (32, 32), "white"))


def test_verdicts_say_what_is_seen() -> None:
    red, blue = Phrase("red", "circle"), Phrase("blue", "square")
    asked = DrawingPrompt("position", "a red circle above a blue square", Requirement((red, blue), "above"))
    for requirement, message in (
        (asked.requirement, "as asked"),
        (Requirement((red, blue), "below"), "a red circle below a blue square"),
        (Requirement((red, red, red)), "three red circles"),
        (Requirement((Phrase("orange", "cross"),)), "an orange cross"),
    ):
        assert verdict(asked, detections_in(drawn(requirement))) == message
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
    evaluation = evaluate(Model(tiny_model), benchmark, quiet)
    assert list(evaluation.scores) == [*benchmark.metrics, "loss.picture", "loss.answer"]
    assert evaluation.settings["split"] == "held-out"
    shown = benchmark.show(Model(tiny_model), 2, 3, quiet)
    assert len(shown.drawn) == 2
    assert len(shown.own) + len(shown.others) == 3


def test_a_part_of_the_benchmark_measures_the_same_items() -> None:
    chosen = ShapesBenchmarkConfig(
        prompts=3, pictures=1, questions=10, categories=("position", "one_object"), question_types=("where", "yes_no")
    )
    whole = {
        request.item: request
        for request in ShapesBenchmark(ShapesBenchmarkConfig(prompts=3, pictures=1, questions=10)).requests()
    }
    benchmark = ShapesBenchmark(chosen)
    part = {request.item: request for request in benchmark.requests()}
    assert {item.partition("/")[0] for item in part} == {"position", "one_object", "where", "yes_no"}
    for item, request in part.items():
        assert (request.conversation.turns[-1].text, request.seed) == (
            whole[item].conversation.turns[-1].text,
            whole[item].seed,
        )
    assert list(benchmark.metrics) == [
        *("drawing.overall", "drawing.one_object", "drawing.position"),
        *("understanding.overall", "understanding.yes_no", "understanding.where"),
        *("attributes.number", "attributes.colour", "attributes.shape"),
    ]
    items = [
        Item(f"drawing.{name}", f"{name}/0/0", f"{name}/0", value)
        for name, value in (("one_object", 1), ("position", 0))
    ]
    assert benchmark.aggregate(items)["drawing.overall"].value == 0.5


def test_attributes_are_judged_each_for_itself() -> None:
    def of(*kinds: tuple[str, str]) -> dict[str, bool]:
        found = [
            Detection(shape, colour, "small", 20 + 20 * number, 20, 0.9) for number, (colour, shape) in enumerate(kinds)
        ]
        return attributes(Requirement((Phrase("red", "circle"), Phrase("blue", "cross"))), found)

    assert of(("blue", "cross"), ("red", "circle")) == {"number": True, "colour": True, "shape": True}
    assert of(("red", "cross"), ("blue", "circle")) == {"number": True, "colour": True, "shape": True}
    assert of(("red", "circle"), ("red", "cross")) == {"number": True, "colour": False, "shape": True}
    assert of(("red", "circle")) == {"number": False, "colour": False, "shape": False}
    assert attributes(Requirement((Phrase(None, "circle"),)), []) == {"number": False, "shape": False}


def test_questions_can_be_about_scenes_of_one_number_of_objects() -> None:
    benchmark = ShapesBenchmark(
        ShapesBenchmarkConfig(prompts=1, pictures=1, questions=6, question_types=("how_many",), objects=2)
    )
    answers = [request.reference for request in benchmark.requests() if not request.draws]
    assert Counter(map(str, answers)) == {"zero": 2, "one": 2, "two": 2}
    assert benchmark.settings["objects"] == 2
