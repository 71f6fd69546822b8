"""The source of shapes is endless, the same everywhere, and true."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import Draw, Look
from janiform_plugins.sources.shapes.config import ShapesConfig
from janiform_plugins.sources.shapes.source import DESCRIBE, Shapes
from janiform_plugins.world.captions import description
from janiform_plugins.world.compositions import HELD_OUT_SINGLE, is_held_out
from janiform_plugins.world.editing import sample_edit
from janiform_plugins.world.render import render
from janiform_plugins.world.sampling import sample_scene
from janiform_plugins.world.scene import SHAPES

tasks = st.sampled_from(["draw", "ask", "list", "read", "plan", "edit"])


@settings(max_examples=30, deadline=None)
@given(tasks, st.integers(0, 2**40), st.integers(0, 2**20))
def test_an_example_depends_on_seed_and_index_only(task: Any, index: int, seed: int) -> None:
    first, other = Shapes(ShapesConfig(task=task, seed=seed)), Shapes(ShapesConfig(task=task, seed=seed))
    other.example(index + 1)
    assert first.example(index) == other.example(index)


def test_pictures_show_the_scene_of_their_split() -> None:
    for split in ("train", "held-out"):
        source = Shapes(ShapesConfig(task="draw", seed=5, split=split))  # type: ignore[arg-type]
        for index in range(20):
            scene = sample_scene(5, index, split)  # type: ignore[arg-type]
            draw = source.example(index).turns[1].content[0]
            assert isinstance(draw, Draw)
            assert np.array_equal(draw.picture, render(scene))
            assert is_held_out(scene) == (split == "held-out")


@pytest.mark.parametrize("split", ["train", "held-out"])
@pytest.mark.parametrize("objects", [1, 2, 3, 4])
def test_pictures_can_be_asked_for_by_the_number_of_their_objects(split: Any, objects: int) -> None:
    source = Shapes(ShapesConfig(task="draw", seed=5, split=split, objects=objects))
    for index in range(20):
        scene = sample_scene(5, index, split, objects)
        assert len(scene.objects) == objects
        assert is_held_out(scene) == (split == "held-out")
        draw = source.example(index).turns[1].content[0]
        assert isinstance(draw, Draw)
        assert np.array_equal(draw.picture, render(scene))


def test_prompts_ask_to_draw_what_is_there() -> None:
    conversation = Shapes(ShapesConfig(task="draw")).example(3)
    assert conversation.draws
    assert [turn.role for turn in conversation.turns] == ["user", "assistant"]
    assert conversation.turns[0].text.strip()


@pytest.mark.parametrize("count", [1, 3, 7])
def test_questions_follow_one_picture(count: int) -> None:
    source = Shapes(ShapesConfig(task="ask", questions=count))
    for index in range(30):
        turns = source.example(index).turns
        looks = [piece for turn in turns for piece in turn.content if isinstance(piece, Look)]
        assert len(looks) == 1
        assert isinstance(turns[0].content[0], Look)
        assert 2 <= len(turns) <= 2 * count
        assert [turn.role for turn in turns] == ["user", "assistant"] * (len(turns) // 2)
        asked = [turn.text for turn in turns[::2]]
        assert len(set(asked)) >= len(asked) - 1  # the two of yes or no are drawn apart, and may be the same


def test_questions_may_be_of_some_kinds_only() -> None:
    source = Shapes(ShapesConfig(task="ask", question_types=("which_shape",)))
    asked = [source.example(index).turns for index in range(40)]
    only = [turns for turns in asked if "shape is" in turns[0].text or "shape of" in turns[0].text]
    assert len(only) > 20  # the others have no object that is the only one of its colour or size
    assert all(turn.text in SHAPES for turns in only for turn in turns[1::2])


def test_a_kind_that_is_named_twice_is_asked_twice_as_often() -> None:
    source = Shapes(ShapesConfig(task="ask", question_types=("how_many", "yes_no", "yes_no"), questions=3))
    for index in range(40):
        answers = [turn.text in ("yes", "no") for turn in source.example(index).turns[1::2]]
        assert sorted(answers) == [False, True, True]


def test_listings_follow_one_picture_and_now_and_then_end_in_a_description() -> None:
    source, described = Shapes(ShapesConfig(task="list", seed=4, caption_style="full")), 0
    for index in range(60):
        turns = source.example(index).turns
        assert [isinstance(piece, Look) for turn in turns for piece in turn.content].count(True) == 1
        assert isinstance(turns[0].content[0], Look)
        if any(turns[-2].text.endswith(question) for question in DESCRIBE):
            described += 1
            assert turns[-1].text == description(sample_scene(4, index, "train"))
    assert 5 < described < 30


def test_short_listings_are_of_two_attributes() -> None:
    source = Shapes(ShapesConfig(task="list", caption_style="short", questions=2, objects=2))
    for index in range(20):
        turns = source.example(index).turns
        assert [turn.text.count(",") for turn in turns] == [1, 1, 1, 1]  # "list shape, place", "circle left, cross top"


def test_a_plan_has_no_picture_and_does_not_draw() -> None:
    question, answer = Shapes(ShapesConfig(task="plan", objects=2)).example(3).turns
    assert "\nlist " in question.text
    assert len(answer.text.split(", ")) == 2
    assert not Shapes(ShapesConfig(task="plan")).example(3).draws


def test_listings_may_be_of_given_attributes_only() -> None:
    source = Shapes(ShapesConfig(task="list", attributes=("shape", "colour"), objects=3))
    for index in range(20):
        question, answer = source.example(index).turns
        assert question.text.endswith("list shape, colour")
        listed = [tuple(words.split()) for words in answer.text.split(", ")]
        assert Counter(listed) == Counter((o.shape, o.colour) for o in sample_scene(0, index, "train", 3).objects)
    with pytest.raises(ValueError, match="attributes must not repeat a name, but is shape, shape"):
        ShapesConfig(attributes=("shape", "shape"))


def test_yes_and_no_are_balanced() -> None:
    source = Shapes(ShapesConfig(task="ask"))
    answers: Counter[str] = Counter()
    for index in range(600):
        answers.update(turn.text for turn in source.example(index).turns[1::2])
    listed = answers["yes"] + answers["no"]
    assert abs(answers["yes"] / listed - 0.5) < 4 * 0.5 / listed**0.5
    assert {"zero", "one", "two", "three", "four", "red", "circle", "top left"} <= answers.keys()


def test_full_wording_describes_every_picture() -> None:
    drawn = Shapes(ShapesConfig(task="draw", caption_style="full", seed=3))
    asked = Shapes(ShapesConfig(task="ask", caption_style="full", seed=3, questions=2))
    plain = Shapes(ShapesConfig(task="ask", seed=3, questions=2))
    for index in range(20):
        words = description(sample_scene(3, index))
        assert drawn.example(index).turns[0].text == words
        *before, question, answer = asked.example(index).turns
        assert (question.text in DESCRIBE, answer.text) == (True, words)
        assert before == list(plain.example(index).turns)


@pytest.mark.parametrize("split", ["train", "held-out"])
@pytest.mark.parametrize("objects", [0, 1, 3])
def test_noise_exchanges_a_fraction_of_the_captions_and_no_picture(split: Any, objects: int) -> None:
    def captions_at(noise: float) -> list[str]:
        source = Shapes(ShapesConfig(seed=9, split=split, objects=objects, noise=noise))
        examples = [source.example(index) for index in range(300)]
        for index in range(0, 300, 30):
            draw = examples[index].turns[1].content[0]
            assert isinstance(draw, Draw)
            assert np.array_equal(draw.picture, render(sample_scene(9, index, split, objects or None)))
        return [example.turns[0].text for example in examples]

    clean, some, all_noisy = captions_at(0), captions_at(0.3), captions_at(1)
    exchanged = [index for index in range(300) if some[index] != clean[index]]
    assert 50 < len(exchanged) < 130  # 90 are expected, with a standard deviation of 8
    assert all(some[index] == all_noisy[index] for index in exchanged), "more noise keeps the captions of less noise"
    # Captions of different scenes may be equal: one object that is held out has one of six kinds.
    assert sum(a == b for a, b in zip(clean, all_noisy, strict=True)) < 60


def test_noisy_captions_describe_scenes_of_the_same_split_and_number_of_objects() -> None:
    source = Shapes(ShapesConfig(seed=3, objects=1, caption_style="full", noise=1.0))
    captions = [source.example(index).turns[0].text for index in range(400)]
    named = {" ".join(caption.split()[1:4]) for caption in captions}  # "a large red circle in the top left"
    assert len(named) > 35  # 42 of 48 sizes, colours and shapes are not held out
    assert named.isdisjoint(" ".join(single) for single in HELD_OUT_SINGLE)


def test_noise_is_for_captions_of_pictures_to_draw() -> None:
    for task in ("ask", "list", "read", "plan", "edit"):
        with pytest.raises(ValueError, match=f"noise 0.5 is for the captions of task draw, but task is {task}"):
            ShapesConfig(task=task, noise=0.5)  # type: ignore[arg-type]
    for noise in (-0.1, 1.1):
        with pytest.raises(ValueError, match="noise"):
            ShapesConfig(noise=noise)


def test_texts_have_no_picture() -> None:
    source = Shapes(ShapesConfig(task="read"))
    examples = [source.example(index) for index in range(20)]
    assert all(example.is_document and isinstance(example.turns[0].content[0], str) for example in examples)
    assert len({example.turns[0].text for example in examples}) > 10


def test_an_edit_looks_at_a_picture_and_draws_another() -> None:
    source = Shapes(ShapesConfig(task="edit", seed=5))
    for index in range(20):
        edit = sample_edit(5, index)
        asked, answered = source.example(index).turns
        look, instruction = asked.content
        (draw,) = answered.content
        assert instruction == edit.text
        assert isinstance(look, Look)
        assert isinstance(draw, Draw)
        assert np.array_equal(look.picture, render(edit.source))  # type: ignore[arg-type]
        assert np.array_equal(draw.picture, render(edit.target))  # type: ignore[arg-type]


@pytest.mark.parametrize("split", ["train", "held-out"])
def test_edits_may_be_of_some_kinds_and_numbers_of_objects_only(split: Any) -> None:
    source = Shapes(ShapesConfig(task="edit", split=split, edits=("remove", "swap"), objects=3))
    for index in range(20):
        edit = sample_edit(0, index, split, ("remove", "swap"), 3)
        assert edit.kind in ("remove", "swap")
        assert source.example(index).turns[0].text == edit.text


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"task": "draw", "edits": ("add",)}, r"edits \(add\) is for task edit, but task is draw"),
        ({"task": "edit", "edits": ("add",), "objects": 4}, "a picture of 4 objects does not allow the edit add, but"),
        ({"task": "edit", "edits": ("move", "swap"), "objects": 1}, "a picture of one object does not allow the edit"),
    ],
)
def test_settings_of_edits_that_contradict_each_other_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ShapesConfig(**settings)
