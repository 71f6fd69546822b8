"""Edits change what they name and nothing else, pixel by pixel, and the judge tells right pictures from wrong ones."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform_plugins.world import COLOURS, SHAPES, Object, Scene, detect_objects, is_held_out, region_of, render
from janiform_plugins.world.editing import (
    EDIT_KINDS,
    Edit,
    judge_edit,
    pixels_kept,
    plan_edit,
    possible_kinds,
    sample_edit,
)
from janiform_plugins.world.placement import STEP, free_places
from janiform_plugins.world.scene import GAP, MARGIN, PICTURE_SIZE, RADII

splits: Any = st.sampled_from(["train", "held-out"])
edits = st.builds(
    lambda seed, index, split, kind: sample_edit(seed, index, split, (kind,)),
    st.integers(0, 2**40),
    st.integers(0, 2**40),
    splits,
    st.sampled_from(EDIT_KINDS),
)


def judged(edit: Edit, objects: tuple[Object, ...]) -> Any:
    return judge_edit(edit, detect_objects(render(Scene(objects, edit.source.background))))


@settings(max_examples=60, deadline=None)
@given(edits)
def test_outside_of_the_boxes_of_what_changes_the_pictures_are_equal(edit: Edit) -> None:
    before, after = render(edit.source), render(edit.target)
    outside = np.ones((PICTURE_SIZE, PICTURE_SIZE), np.bool_)
    for item in (*edit.before, *edit.after):
        outside[item.y - item.radius : item.y + item.radius, item.x - item.radius : item.x + item.radius] = False
    assert np.array_equal(before[outside], after[outside])
    assert not np.array_equal(before, after)


@settings(max_examples=60, deadline=None)
@given(edits)
def test_a_target_is_a_valid_scene(edit: Edit) -> None:
    objects = edit.target.objects
    assert 1 <= len(objects) <= 4
    assert edit.target.background == edit.source.background
    for number, item in enumerate(objects):
        low = item.radius + MARGIN
        for value in (item.x, item.y):
            assert (value - low) % STEP == 0
            assert low <= value <= PICTURE_SIZE - low
        for other in objects[:number]:
            distance = max(abs(item.x - other.x), abs(item.y - other.y))
            assert distance >= item.radius + other.radius + GAP
    assert Counter((*edit.kept, *edit.before)) == Counter(edit.source.objects)


WORDS = {"little": "small", "big": "large"}
NAME = (
    r"((?:small|little|large|big)? ?(?:red|green|blue|yellow|purple|orange)?"
    r" ?(?:circle|square|triangle|cross|object|shape))"
)
REGION = r"(?: (?:in the|on the|at the) (centre|(?:top|bottom)? ?(?:left|right)?))?"


def named(scene: Scene, name: str, region: str | None) -> list[Object]:
    """The objects of a scene that a name fits, by its words alone."""
    words = [WORDS.get(word, word) for word in name.split() if word not in ("object", "shape")]
    return [
        item
        for item in scene.objects
        if all(word in (item.size, item.colour, item.shape) for word in words)
        and (not region or region_of(item) in (region, None))
    ]


@settings(max_examples=150, deadline=None)
@given(edits)
def test_names_fit_one_object_only(edit: Edit) -> None:
    """An instruction is read by its words, without what the edit knows of it."""
    text = edit.text.removeprefix("please ")
    references = re.findall(rf"\bthe {NAME}\b{REGION}", text)
    expected = list(edit.before)
    if edit.goal.other is not None:
        expected.append(edit.goal.other)
    assert len(references) == len(expected), text
    for number, ((name, region), item) in enumerate(zip(references, expected, strict=True)):
        region = region.strip()
        if named(edit.source, name, None) == [item]:
            continue  # a region after it is where it goes
        assert named(edit.source, name, region) == [item], (text, number)


def test_instructions_name_the_new_colour_size_and_place() -> None:
    for index in range(120):
        for kind in EDIT_KINDS:
            edit = sample_edit(8, index, "train", (kind,))
            text = edit.text
            if kind == "recolour":
                (old,), (new,) = edit.before, edit.after
                assert new == replace(old, colour=new.colour) != old
                assert text.endswith(new.colour)
            if kind == "resize":
                (old,), (new,) = edit.before, edit.after
                assert (old.kind, old.size) != (new.kind, new.size)
                assert old.kind == new.kind
            if kind == "add":
                (new,) = edit.after
                assert f"{new.colour} {new.shape}" in text
                assert edit.asked[0].size in (None, new.size)
            if kind == "swap":
                assert Counter((o.kind, o.size) for o in edit.before) == Counter((o.kind, o.size) for o in edit.after)
                for item, place in zip(edit.after, reversed(edit.before), strict=True):
                    shift = abs(item.radius - place.radius)
                    assert {abs(item.x - place.x), abs(item.y - place.y)} == {shift}
            if edit.goal.region:
                words = edit.goal.region.replace("centre", "")
                assert words in text
                assert region_of(edit.after[0]) == edit.goal.region
                assert kind == "add" or region_of(edit.before[0], 0) != edit.goal.region
    assert {edit.text.split()[0] for edit in (sample_edit(8, index) for index in range(300))} > {"make", "move", "add"}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**40), st.integers(0, 2**40), splits)
def test_an_edit_depends_on_seed_and_index_only(seed: int, index: int, split: Any) -> None:
    edit = sample_edit(seed, index, split)
    sample_edit(seed, index + 1, split)
    assert sample_edit(seed, index, split) == edit
    assert sample_edit(seed + 1, index, split) != edit


def test_training_shows_no_held_out_composition_and_held_out_targets_always_do() -> None:
    sources = 0
    for index in range(200):
        edit = sample_edit(1, index, "train")
        assert not is_held_out(edit.source)
        assert not is_held_out(edit.target)
        edit = sample_edit(1, index, "held-out")
        assert is_held_out(edit.target)
        sources += is_held_out(edit.source)
    assert 80 < sources < 150  # the others are made by the edit


@pytest.mark.parametrize("split", ["train", "held-out"])
@pytest.mark.parametrize("objects", [1, 2, 3, 4])
def test_sources_have_the_number_of_objects_that_is_asked_for(split: Any, objects: int) -> None:
    seen = Counter()
    for index in range(60):
        edit = sample_edit(2, index, split, objects=objects)
        assert len(edit.source.objects) == objects
        seen[edit.kind] += 1
    assert set(seen) == set(possible_kinds(objects))


def test_a_kind_that_is_named_twice_comes_twice_as_often() -> None:
    seen = Counter(sample_edit(3, index, "train", ("move", "move", "add")).kind for index in range(300))
    assert set(seen) == {"move", "add"}
    assert 160 < seen["move"] < 240


def test_what_is_not_possible_is_refused() -> None:
    with pytest.raises(ValueError, match="a picture of one object does not allow the edit swap, but recolour, move"):
        sample_edit(0, 0, "train", ("swap",), 1)
    with pytest.raises(ValueError, match="a picture of 4 objects does not allow the edit add"):
        sample_edit(0, 0, "train", ("add",), 4)
    with pytest.raises(ValueError, match="the edit 'rotate' does not exist; the edits are recolour"):
        sample_edit(0, 0, "train", ("rotate",))
    with pytest.raises(ValueError, match="the splits are train, held-out"):
        sample_edit(0, 0, "test")  # type: ignore[arg-type]


@settings(max_examples=80, deadline=None)
@given(edits)
def test_the_target_is_right_and_the_source_is_not(edit: Edit) -> None:
    right = judged(edit, edit.target.objects)
    assert right.right
    assert right.made
    assert right.kept == 1
    unchanged = judged(edit, edit.source.objects)
    assert not unchanged.made
    assert not unchanged.right
    assert unchanged.kept == 1


@settings(max_examples=60, deadline=None)
@given(edits, st.randoms(use_true_random=False))
def test_what_else_is_changed_is_wrong(edit: Edit, random: Any) -> None:
    objects = edit.target.objects
    if edit.kept:
        number = random.randrange(len(edit.kept))
        spoilt = edit.kept[number]
        others = [*objects[:number], *objects[number + 1 :]]
        for worse in (
            replace(spoilt, colour=random.choice([colour for colour in COLOURS if colour != spoilt.colour])),
            replace(spoilt, shape=random.choice([shape for shape in SHAPES if shape != spoilt.shape])),
        ):
            result = judged(edit, (*others, worse))
            assert not result.right
            assert result.kept == pytest.approx(1 - 1 / len(edit.kept))
        lost = judged(edit, tuple(others))
        assert not lost.right
        assert lost.kept < 1
    places = free_places("small", objects)
    if places:
        x, y = random.choice(places)
        more = judged(edit, (*objects, Object("circle", "red", "small", x, y)))
        assert not more.right
        assert more.kept == 1


def test_another_place_is_not_kept_but_a_few_pixels_are() -> None:
    edit = next(edit for index in range(100) if len((edit := sample_edit(4, index, "train", ("recolour",))).kept) == 1)
    (item,) = edit.kept
    (changed,) = edit.after
    for shift, kept in ((3, 1.0), (8, 0.0)):
        sign = 1 if item.x < PICTURE_SIZE / 2 else -1
        moved = replace(item, x=item.x + sign * shift)
        if max(abs(moved.x - changed.x), abs(moved.y - changed.y)) > moved.radius + changed.radius:
            assert judged(edit, (moved, changed)).kept == kept


def test_a_copy_that_stays_behind_is_not_a_move() -> None:
    tried = 0
    for index in range(60):
        edit = sample_edit(5, index, "train", ("move",))
        (old,), (new,) = edit.before, edit.after
        if max(abs(old.x - new.x), abs(old.y - new.y)) <= old.radius + new.radius:
            continue
        tried += 1
        result = judged(edit, (*edit.target.objects, old))
        assert not result.made
        assert result.kept == 1
    assert tried > 20


def test_any_place_in_the_region_or_relation_is_right() -> None:
    """A model may move or add an object to another place than the target does."""
    other_places = 0
    for index in range(80):
        edit = sample_edit(6, index, "held-out", ("move", "add"))
        if edit.goal.region is None:
            continue
        (new,) = edit.after
        for x, y in free_places(new.size, edit.kept):
            placed = replace(new, x=x, y=y)
            expected = region_of(placed, 0) == edit.goal.region
            assert judged(edit, (*edit.kept, placed)).made == expected
            other_places += expected and placed != new
    assert other_places > 20


def test_an_unclear_object_is_neither_changed_nor_kept() -> None:
    edit = next(edit for index in range(50) if (edit := sample_edit(7, index, "train", ("recolour",))).kept)
    seen = detect_objects(render(edit.target))
    blurred = [replace(item, confidence=0.4) for item in seen]
    result = judge_edit(edit, blurred)
    assert (result.made, result.kept, result.right, result.extra) == (False, 0.0, False, len(seen))


def test_pixels_are_kept_outside_of_the_change_only() -> None:
    for index in range(30):
        edit = sample_edit(9, index, "train")
        source, target = render(edit.source), render(edit.target)
        changed = judge_edit(edit, detect_objects(target)).changed
        assert pixels_kept(edit, source, target, changed) == 1
        noisy = np.clip(target.astype(int) + np.random.default_rng(index).integers(-20, 21, target.shape), 0, 255)
        assert pixels_kept(edit, source, noisy.astype(np.uint8), changed) > 0.99
        assert pixels_kept(edit, source, 255 - target, changed) < 0.2


@settings(max_examples=60, deadline=None)
@given(edits)
def test_a_plan_is_enough_to_make_the_edit(edit: Edit) -> None:
    objects = list(edit.source.objects)
    for change in plan_edit(edit).split(", "):
        before, after = (_read(words) for words in change.split(" becomes "))
        if before is not None:
            objects.remove(before)
        if after is not None:
            objects.append(after)
    assert Counter(objects) == Counter(edit.target.objects)


def _read(words: str) -> Object | None:
    if words == "nothing":
        return None
    size, colour, shape, row, column = words.split()
    low = RADII[size] + MARGIN
    return Object(shape, colour, size, low + STEP * (int(column) - 1), low + STEP * (int(row) - 1))
