"""GenEval's rules: the probe vectors of the original functions, and a second implementation on random detections."""

from __future__ import annotations

import numpy as np
import pytest
from data_drawing import thing
from hypothesis import given
from hypothesis import strategies as st
from janiform_plugins.benchmarks.geneval.rules import (
    COLOURS,
    RELATIONS,
    Requirement,
    Unwanted,
    Wanted,
    counted,
    faults,
    overlap,
    relations,
)
from janiform_plugins.benchmarks.vision import Detection


def no_colours(objects, noun):
    raise AssertionError("no colour is asked for")


@pytest.mark.parametrize(
    ("other", "held"),
    [
        ((200, 0), {"left of"}),
        ((100, 100), {"above", "left of"}),
        ((40, 0), set()),
        ((45, 0), {"left of"}),
        ((60, 30), {"left of"}),
        ((-200, 0), {"right of"}),
        ((0, -45), {"below"}),
        ((0, 0), set()),
        ((20, 20), set()),
    ],
)
def test_relations_of_the_probes(other, held):
    assert relations(thing(), thing(*other)) == held


def test_thresholds_are_exclusive_and_stricter_for_counting():
    found = {"dog": [thing(score=score) for score in (0.3, 0.31, 0.9, 0.91, 0.2)], "cat": [thing(score=0.1)]}
    assert [some.score for some in counted(found, "colors")["dog"]] == [0.91, 0.9, 0.31]
    assert [some.score for some in counted(found, "counting")["dog"]] == [0.91]
    assert "cat" not in counted(found, "colors")


def test_at_most_sixteen_objects_of_a_class_count():
    found = {"dog": [thing(score=0.5 + index / 100) for index in range(20)]}
    kept = counted(found, "two_object")["dog"]
    assert len(kept) == 16
    assert kept[0].score == pytest.approx(0.69)


def test_overlapping_objects_are_dropped_only_where_it_is_asked_for():
    found = {"dog": [thing(0, score=0.9), thing(10, score=0.8), thing(90, score=0.7)]}
    assert len(counted(found, "two_object")["dog"]) == 3
    assert [some.score for some in counted(found, "two_object", 0.5)["dog"]] == [0.9, 0.7]
    # +1 pixel: 101 × 101 pixels each, 91 × 101 of them in both.
    assert overlap(thing(0), thing(10)) == pytest.approx(91 * 101 / (2 * 101 * 101 - 91 * 101))
    assert overlap(thing(0), thing(500)) == 0


def test_counting_means_exactly_that_many():
    two_clocks = Requirement((Wanted("clock", 2),), (Unwanted("clock", 3),))
    for number, right in ((1, False), (2, True), (3, False)):
        found = {"clock": [thing(150 * index) for index in range(number)]}
        assert (not faults(two_clocks, found, no_colours)) is right
    assert faults(two_clocks, {}, no_colours) == ["expected clock>=2, found 0"]


def test_further_objects_do_not_matter_without_exclusions():
    assert not faults(Requirement((Wanted("dog", 1),)), {"dog": [thing(), thing(200)], "cat": [thing()]}, no_colours)


def test_only_the_most_certain_object_is_asked_for_its_colour_and_place():
    asked = []

    def classify(objects, noun):
        asked.append((noun, [some.score for some in objects]))
        return ["red"] * len(objects)

    found = {"dog": [thing(0, score=0.9), thing(200, score=0.8)], "bench": [thing(100)]}
    assert not faults(Requirement((Wanted("dog", 1, "red"),)), found, classify)
    assert asked == [("dog", [0.9])]
    right_of = Requirement((Wanted("bench", 1), Wanted("dog", 1, "", "right of", 0)))
    assert faults(right_of, found, no_colours) == ["expected dog right of target, found left of target"]


def test_a_colour_is_needed_by_as_many_objects_as_are_asked_for():
    two_red = Requirement((Wanted("dog", 2, "red"),))
    found = {"dog": [thing(), thing(200)]}
    assert not faults(two_red, found, lambda objects, noun: ["red", "red"])
    assert faults(two_red, found, lambda objects, noun: ["red", "blue"]) == [
        "expected red dog>=2, found 1 red; and 1 red, 1 blue"
    ]


def test_a_target_that_failed_cannot_have_a_relation():
    asked = Requirement((Wanted("bench", 1, "blue"), Wanted("dog", 1, "", "above", 0)))
    wrong = faults(asked, {"bench": [thing()], "dog": [thing(0, -200)]}, lambda objects, noun: ["red"])
    assert wrong[1] == "no target for dog to be above"
    assert not faults(asked, {"bench": [thing()], "dog": [thing(0, -200)]}, lambda objects, noun: ["blue"])


def test_every_pair_needs_the_relation():
    asked = Requirement((Wanted("bench", 2), Wanted("dog", 1, "", "left of", 0)))
    dog = [thing(0)]
    assert not faults(asked, {"bench": [thing(200), thing(300)], "dog": dog}, no_colours)
    assert faults(asked, {"bench": [thing(200), thing(-300)], "dog": dog}, no_colours)


BOXES = st.builds(
    thing,
    *(st.integers(-60, 60) for _ in range(2)),
    *(st.integers(1, 60) for _ in range(2)),
    st.sampled_from((0.2, 0.31, 0.5, 0.91, 0.95)),
)
NOUNS = ("dog", "cat")


@st.composite
def wanted(draw):
    entries = []
    for number in range(draw(st.integers(1, 3))):
        relation = draw(st.sampled_from(("", *RELATIONS))) if number else ""
        entries.append(
            Wanted(
                draw(st.sampled_from(NOUNS)),
                draw(st.integers(1, 2)),
                draw(st.sampled_from(("", "red", "blue"))),
                relation,
                draw(st.integers(0, number - 1)) if relation else 0,
            )
        )
    unwanted = draw(st.lists(st.builds(Unwanted, st.sampled_from(NOUNS), st.integers(1, 3)), max_size=1))
    return Requirement(tuple(entries), tuple(unwanted))


def colour_of(some: Detection) -> str:
    """A colour that depends on the object alone."""
    return COLOURS[int(sum(some.box)) % 3]


@given(
    asked=wanted(),
    found=st.dictionaries(st.sampled_from(NOUNS), st.lists(BOXES, max_size=5)),
    tag=st.sampled_from(("counting", "position")),
)
def test_a_second_implementation_agrees(asked, found, tag):
    judged = faults(asked, counted(found, tag), lambda objects, noun: [colour_of(some) for some in objects])
    assert (not judged) is twin(asked, found, 0.9 if tag == "counting" else 0.3)


def twin(asked, found, threshold) -> bool:
    """The rules once more, with arrays and without reasons."""
    sorted_by_score = {
        noun: [found[noun][index] for index in np.argsort([-some.score for some in found[noun]], kind="stable")]
        for noun in found
    }
    objects = {noun: [some for some in many if some.score > threshold] for noun, many in sorted_by_score.items()}
    groups, right = [], True
    for want in asked.include:
        group = objects.get(want.noun, [])[: want.count]
        fine = len(group) == want.count
        fine = fine and (not want.colour or sum(colour_of(some) == want.colour for some in group) >= want.count)
        if fine and want.relation:
            targets = groups[want.target]
            fine = targets is not None and all(is_in_relation(a, b, want.relation) for a in group for b in targets)
        groups.append(group if fine else None)
        right = right and fine
    return right and all(len(objects.get(some.noun, [])) < some.count for some in asked.exclude)


def is_in_relation(a, b, relation) -> bool:
    first, second = np.array(a.box).reshape(2, 2), np.array(b.box).reshape(2, 2)
    offset = first.mean(0) - second.mean(0)
    sizes = np.abs(first[1] - first[0]) + np.abs(second[1] - second[0])
    shrunk = np.sign(offset) * np.clip(np.abs(offset) - 0.1 * sizes, 0, None)
    if (np.abs(shrunk) < 1e-3).all():
        return False
    x, y = shrunk / np.sqrt((offset**2).sum())
    return bool({"left of": -x, "right of": x, "above": -y, "below": y}[relation] > 0.5)
