"""The benchmark of edits gives full scores for correct pictures, and a low floor for pictures that need no editing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from janiform import Item, Look, Model, Request, Score, registry
from janiform.evaluate.runner import evaluate
from janiform.testing.small_model import small_model
from janiform_plugins.benchmarks.shapes_edit.baselines import unchanged, without_source
from janiform_plugins.benchmarks.shapes_edit.benchmark import ShapesEditBenchmark
from janiform_plugins.benchmarks.shapes_edit.config import ShapesEditConfig
from janiform_plugins.world import is_held_out, render
from janiform_plugins.world.editing import EDIT_KINDS, Edit
from PIL import Image

SMALL = ShapesEditConfig(edits=6)


def edit_of(benchmark: ShapesEditBenchmark, request: Request) -> Edit:
    return benchmark._edit_of(request)


def scored(
    output: Callable[[Edit, int], np.ndarray], config: ShapesEditConfig = SMALL
) -> tuple[Mapping[str, Score], list[Item]]:
    benchmark = ShapesEditBenchmark(config)
    items: list[Item] = []
    for number, request in enumerate(benchmark.requests()):
        picture = Image.fromarray(output(edit_of(benchmark, request), number))
        values = benchmark.judge(request, picture)
        assert next(iter(values)) == f"edits.{request.item.partition('/')[0]}"
        items += [Item(metric, request.item, request.cluster, value) for metric, value in values.items()]
    return benchmark.aggregate(items), items


def test_targets_score_one_everywhere() -> None:
    scores, items = scored(lambda edit, _: render(edit.target))
    assert set(scores) == set(ShapesEditBenchmark(SMALL).metrics)
    assert {score.value for score in scores.values()} == {1.0}
    counts = Counter(item.metric for item in items)
    assert {counts[f"edits.{kind}"] for kind in EDIT_KINDS} == {6}
    assert counts["edits.changed"] == counts["edits.pixels_kept"] == scores["edits.overall"].count == 36
    assert counts["edits.kept"] == 34  # two swaps are of pictures of two objects
    assert scores["edits.overall"].low is not None


def test_sources_score_nothing_but_what_is_kept() -> None:
    scores, _ = scored(lambda edit, _: unchanged(edit))
    kept = {"edits.kept": 1.0, "edits.pixels_kept": 1.0}
    assert {name: score.value for name, score in scores.items()} == dict.fromkeys(scores, 0.0) | kept


def test_chance_is_the_score_of_pictures_that_do_not_know_the_source() -> None:
    rng = np.random.default_rng(0)
    config = ShapesEditConfig(edits=60, seed=1)
    scores, _ = scored(lambda edit, _: without_source(edit, rng), config)
    metrics = ShapesEditBenchmark(config).metrics
    for name, score in scores.items():
        if (chance := metrics[name].chance) is not None:
            assert score.value == pytest.approx(chance, abs=0.06), name
    assert scores["edits.kept"].value < 0.02
    assert scores["edits.overall"].value < 0.02


def test_overall_is_the_mean_of_the_kinds() -> None:
    scores, _ = scored(lambda edit, _: render(edit.target if edit.kind in ("move", "swap") else edit.source))
    assert scores["edits.move"].value == scores["edits.swap"].value == 1
    assert scores["edits.overall"].value == pytest.approx(2 / 6)
    assert scores["edits.changed"].value == pytest.approx(2 / 6)


def test_requests_hold_the_picture_before_the_instruction_and_the_target_as_reference() -> None:
    benchmark = ShapesEditBenchmark(ShapesEditConfig(edits=5, pictures=2, seed=3, guidance=2.0))
    requests = list(benchmark.requests())
    numbers: defaultdict[bool, set[int]] = defaultdict(set)
    for request in requests:
        edit = edit_of(benchmark, request)
        (turn,) = request.conversation.turns
        look, text = turn.content
        assert text == edit.text
        assert isinstance(look, Look)
        assert np.array_equal(look.picture, render(edit.source))  # type: ignore[arg-type]
        assert np.array_equal(request.reference, render(edit.target))  # type: ignore[arg-type]
        assert is_held_out(edit.target)
        assert request.draws
        assert request.settings["guidance"] == 2.0
        numbers[edit.kind == "add"].add(len(edit.source.objects))
    assert numbers == {False: {2, 3, 4}, True: {1, 2, 3}}
    assert len({request.seed for request in requests}) == len(requests) == 60
    assert len({request.cluster for request in requests}) == 30


def test_a_part_of_the_benchmark_measures_the_same_items() -> None:
    whole = {request.item: request for request in ShapesEditBenchmark(SMALL).requests()}
    benchmark = ShapesEditBenchmark(ShapesEditConfig(edits=3, kinds=("resize", "add")))
    assert list(benchmark.metrics) == [
        f"edits.{n}" for n in ("overall", "add", "resize", "changed", "kept", "pixels_kept")
    ]
    for request in benchmark.requests():
        same = whole[request.item]
        assert (request.seed, request.conversation.turns[0].text) == (same.seed, same.conversation.turns[0].text)


def test_pictures_of_another_size_are_judged_as_well_and_verdicts_say_what_is_wrong() -> None:
    benchmark = ShapesEditBenchmark(SMALL)
    for request in list(benchmark.requests())[::5]:
        edit = edit_of(benchmark, request)
        large = Image.fromarray(render(edit.target)).resize((256, 256), Image.Resampling.BICUBIC)
        assert set(benchmark.judge(request, large).values()) == {1.0}
        assert benchmark.verdict(request, large) == "as asked"
        verdict = benchmark.verdict(request, Image.fromarray(render(edit.source)))
        assert "the change is missing" in verdict
        assert "kept" not in verdict
        blank = benchmark.verdict(request, Image.new("RGB", (64, 64), "white"))
        assert (f"0 of {len(edit.kept)} other objects kept" in blank) == bool(edit.kept)


def test_kinds_that_the_number_of_objects_does_not_allow_are_left_out_or_refused() -> None:
    assert ShapesEditBenchmark(ShapesEditConfig(objects=1)).kinds == ("recolour", "move", "add", "resize")
    with pytest.raises(ValueError, match="a picture of one object does not allow the edit swap, but recolour"):
        ShapesEditConfig(objects=1, kinds=("swap",))


def test_a_real_model_runs_through_it() -> None:
    component = registry().find("benchmark", "shapes-edit")
    benchmark: Any = component.load()(component.config(edits=1))
    model = Model(small_model())
    evaluation = evaluate(model, benchmark, quiet)
    assert list(evaluation.scores) == [*benchmark.metrics, "loss.picture"]
    assert evaluation.scores["loss.picture"].count == 6
    shown = benchmark.show(model, 7, 3, quiet)
    assert [item.picture.size for item in shown.drawn] == [(132, 64)] * 7
    assert shown.own == shown.others == ()
    assert benchmark.show(model, 0, 0, quiet).drawn == ()


def quiet(what: str, done: int, of: int) -> None: ...
