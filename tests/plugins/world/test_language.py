"""Captions, questions and statements are true: checked by a reader of their English that shares nothing with them."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise, permutations
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform_plugins.world import (
    HELD_OUT,
    QUESTION_TYPES,
    SPLITS,
    Object,
    Question,
    Scene,
    Split,
    caption,
    is_held_out,
    prompt,
    questions,
    sample_scene,
    texts_about,
    understanding_questions,
)
from janiform_plugins.world.captions import description
from janiform_plugins.world.compositions import Related
from janiform_plugins.world.questions import CLAIM_TYPES, questions_of
from janiform_plugins.world.scene import TINTS, in_reading_order

NUMBERS = {"a": 1, "an": 1, "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "2": 2, "3": 3, "4": 4}
WORDS = ("zero", "one", "two", "three", "four")
NOUN_PHRASE = re.compile(
    r"\b(?:(?P<number>an?|the|zero|one|two|three|four|[234]) )?(?:(?P<size>small|little|large|big) )?"
    r"(?:(?P<colour>red|green|blue|yellow|purple|orange) )?"
    r"(?P<noun>circle|square|triangle|cross|object|shape)(?:e?s)?\b"
)
REGIONS = [f"{y} {x}".strip() or "centre" for y in ("top", "", "bottom") for x in ("left", "", "right")]
RELATION = re.compile(r"\b(left of|right of|above|over|below|under)\b")


class Said(NamedTuple):
    """A noun phrase as read."""

    number: str | None
    size: str | None
    colour: str | None
    shape: str | None
    start: int
    end: int

    def fits(self, item: Object) -> bool:
        wanted = (self.size, self.colour, self.shape)
        return all(a in (None, b) for a, b in zip(wanted, (item.size, item.colour, item.shape), strict=True))

    def of(self, scene: Scene) -> list[Object]:
        return [item for item in scene.objects if self.fits(item)]


def noun_phrases(text: str) -> list[Said]:
    sizes = {"little": "small", "big": "large"}
    return [
        Said(
            match["number"],
            sizes.get(match["size"], match["size"]),
            match["colour"],
            None if match["noun"] in ("object", "shape") else match["noun"],
            match.start(),
            match.end(),
        )
        for match in NOUN_PHRASE.finditer(text)
    ]


def stands(a: Object, words: str, b: Object) -> bool:
    dx, dy = a.x - b.x, a.y - b.y
    sideways = abs(dx) > abs(dy)
    return {
        "left of": sideways and dx < 0,
        "right of": sideways and dx > 0,
        "above": not sideways and dy < 0,
        "over": not sideways and dy < 0,
        "below": not sideways and dy > 0,
        "under": not sideways and dy > 0,
    }[words]


def in_region(item: Object, region: str) -> bool:
    column = "left" if item.x < 25.6 else "right" if item.x > 38.4 else ""
    row = "top" if item.y < 25.6 else "bottom" if item.y > 38.4 else ""
    return region in (f"{row} {column}".strip() or "centre", "middle" if not row + column else None)


def caption_is_true(text: str, scene: Scene) -> bool:
    text = text.removesuffix(".")
    background = re.search(r" on an? (\w+) background$", text)
    if background:
        dark = sum(TINTS[scene.background]) < 3 * 128
        if background[1] not in (scene.background, "dark" if dark else "light"):
            return False
        text = text[: background.start()]
    phrases = noun_phrases(text)
    numbers = [NUMBERS[phrase.number or ""] for phrase in phrases]
    region = re.search(r"(?:in|at|on) the ((?:top|bottom)(?: (?:left|right))?|left|right|centre|middle)\b(?! of)", text)
    relations = {
        here: match[1]
        for here, (one, other) in enumerate(pairwise(phrases))
        if (match := RELATION.search(text[one.end : other.start]))
    }
    return sum(numbers) == len(scene.objects) and any(
        reading_is_true(phrases, numbers, relations, region[1] if region else None, order)
        for order in permutations(scene.objects)
    )


def reading_is_true(
    phrases: list[Said], numbers: list[int], relations: dict[int, str], region: str | None, order: Iterable[Object]
) -> bool:
    items = iter(order)
    groups = [[next(items) for _ in range(number)] for number in numbers]
    return (
        all(phrase.fits(item) for phrase, group in zip(phrases, groups, strict=True) for item in group)
        and all(stands(groups[here][0], words, groups[here + 1][0]) for here, words in relations.items())
        and (region is None or in_region(groups[0][0], region))
    )


def answers(question: Question, scene: Scene) -> set[str]:
    """Every answer that the scene allows; a good question has one."""
    text = question.text
    phrases = noun_phrases(text)
    match question.type:
        case "how_many":
            return {WORDS[len(phrases[0].of(scene))]}
        case "which_colour":
            return {item.colour for item in phrases[-1].of(scene)}
        case "which_shape":
            assert len(phrases[-1].of(scene)) == 1
            return {item.shape for item in phrases[-1].of(scene)}
        case "where":
            (item,) = phrases[-1].of(scene)
            names = [
                f"{row} {column}".strip() or "centre"
                for row in ("top", "", "bottom")
                for column in ("left", "", "right")
            ]
            return {name for name in names if in_region(item, name)}
        case "left_of":
            (reference,) = phrases[-1].of(scene)
            words = RELATION.findall(text)[-1]
            others = [item for item in scene.objects if item is not reference and stands(item, words, reference)]
            names = [f"{item.colour} {item.shape}" for item in others]
            return {f"{'an' if name[0] == 'o' else 'a'} {name}" for name in names}
    return {"yes" if claim_is_true(text, phrases, scene) else "no"}


def claim_is_true(text: str, phrases: list[Said], scene: Scene) -> bool:
    relation = RELATION.search(text)
    if relation:
        (reference,) = phrases[1].of(scene)
        return any(stands(item, relation[1], reference) for item in phrases[0].of(scene) if item is not reference)
    (phrase,) = phrases
    if text.startswith("are there"):
        return len(phrase.of(scene)) == NUMBERS[phrase.number or ""]
    return bool(phrase.of(scene))


scenes = st.builds(sample_scene, st.just(31), st.integers(0, 10**9), st.sampled_from(SPLITS))
generators = st.builds(np.random.default_rng, st.integers(0, 2**32))


@given(scenes, generators)
@settings(deadline=None, max_examples=200)
def test_captions_and_prompts_are_true_and_complete(scene: Scene, rng: np.random.Generator) -> None:
    for text in (caption(scene, rng), prompt(scene, rng)):
        assert caption_is_true(text, scene), (text, scene)
        assert text == text.lower().strip()


@given(scenes)
@settings(deadline=None, max_examples=200)
def test_a_description_tells_everything_as_one_reads(scene: Scene) -> None:
    parts = re.split(r", | and ", description(scene))
    objects = in_reading_order(scene.objects)

    assert len(parts) == len(objects)
    for part, item in zip(parts, objects, strict=True):
        report = re.fullmatch(r"an? (\w+) (\w+) (\w+)(?: (?:in|at|on) the ([a-z ]+))?", part)
        assert report is not None, part
        assert report.groups()[:3] == (item.size, item.colour, item.shape)
        near = any(abs(value - border) < 2 for value in (item.x, item.y) for border in (25.6, 38.4))
        assert report[4] is None if near else in_region(item, report[4]), (part, item)


@given(scenes, generators)
@settings(deadline=None, max_examples=200)
def test_questions_have_one_answer_and_it_is_right(scene: Scene, rng: np.random.Generator) -> None:
    asked = questions(scene, rng)

    assert {question.type for question in asked} >= {"yes_no", "how_many"}
    assert [question.type for question in asked].count("yes_no") == 2
    for question in asked:
        assert answers(question, scene) == {question.answer}, (question, scene)


some_kinds = st.lists(st.sampled_from(QUESTION_TYPES + CLAIM_TYPES), min_size=1, unique=True)


@given(scenes, generators, some_kinds, st.integers(1, 6))
@settings(deadline=None, max_examples=200)
def test_questions_of_some_kinds_are_of_these_kinds_different_and_right(
    scene: Scene, rng: np.random.Generator, kinds: list[str], most: int
) -> None:
    found = questions_of(scene, rng, kinds, most)

    assert len({question.text for question in found}) == len(found) <= most
    wanted = {"yes_no" if kind in CLAIM_TYPES else kind for kind in kinds}
    assert {question.type for question in found} <= wanted
    if most >= len(kinds) and {"yes_no", "yes_no_existence"} & set(kinds):
        assert "yes_no" in {question.type for question in found}
    for question in found:
        assert answers(question, scene) == {question.answer}, (question, scene)


@pytest.mark.parametrize(
    ("kind", "claims"),
    [
        ("yes_no_existence", lambda text: not text.startswith("are there") and not RELATION.search(text)),
        ("yes_no_number", lambda text: text.startswith("are there")),
        ("yes_no_relation", RELATION.search),
    ],
)
def test_claims_are_of_one_sort_and_as_often_true_as_false(kind: str, claims: Callable[[str], object]) -> None:
    rng = np.random.default_rng(0)
    found = [question for index in range(300) for question in questions_of(sample_scene(7, index), rng, [kind], 3)]

    assert len(found) > 300
    assert all(claims(question.text) for question in found)
    assert 0.4 < sum(question.answer == "yes" for question in found) / len(found) < 0.6


@given(scenes, generators)
@settings(deadline=None, max_examples=100)
def test_statements_are_true(scene: Scene, rng: np.random.Generator) -> None:
    first, count, dialogue = texts_about(scene, rng)

    assert caption_is_true(first, scene)
    assert WORDS[len(scene.objects)] in count
    opening, *rest = re.split(r"(?<=[.?]) ", dialogue)
    assert caption_is_true(opening, scene), dialogue
    assert len(rest) >= 2
    for text, answer in zip(rest[::2], rest[1::2], strict=True):
        kinds = [kind for kind in QUESTION_TYPES if {answer.removesuffix(".")} == safe_answers(kind, text, scene)]
        assert kinds, dialogue


def safe_answers(kind: str, text: str, scene: Scene) -> set[str]:
    try:
        return answers(Question(kind, text, ""), scene)
    except (AssertionError, IndexError, KeyError, ValueError):
        return set()


def test_wording_depends_on_nothing_but_the_generator() -> None:
    for index in range(50):
        scene = sample_scene(0, index)
        one, other = np.random.default_rng(index), np.random.default_rng(index)
        assert caption(scene, one) == caption(scene, other)
        assert questions(scene, one) == questions(scene, other)
        assert texts_about(scene, one) == texts_about(scene, other)


def test_captions_vary() -> None:
    scene = next(s for s in (sample_scene(0, index) for index in range(100)) if len(s.objects) == 2)
    rng = np.random.default_rng(0)

    assert len({caption(scene, rng) for _ in range(100)}) > 60


def test_no_answer_of_yes_or_no_and_how_many_prevails() -> None:
    rng = np.random.default_rng(0)
    asked = [question for index in range(1000) for question in questions(sample_scene(1, index), rng)]
    numbers = Counter(question.answer for question in asked if question.type == "how_many")

    assert min(numbers.values()) > 0.1 * numbers.total()
    for opening in ("is there", "are there", "can you", "does the"):
        of_form = Counter(q.answer for q in asked if q.type == "yes_no" and q.text.startswith(opening))
        assert 0.42 < of_form["yes"] / of_form.total() < 0.58, opening


def test_training_never_denies_a_held_out_composition() -> None:
    rng = np.random.default_rng(0)
    for index in range(1000):
        scene = sample_scene(2, index)
        for question in questions(scene, rng) + questions_of(scene, rng, CLAIM_TYPES, 6):
            if question.answer != "no":
                continue
            phrases = noun_phrases(question.text)
            relation = RELATION.search(question.text)
            if relation and phrases[0].colour and phrases[0].shape:
                words = {"over": "above", "under": "below"}.get(relation[1], relation[1])
                assert Related(phrases[0].colour, phrases[0].shape, words) not in HELD_OUT, question


@pytest.mark.parametrize("split", SPLITS)
def test_every_kind_of_question_is_asked(split: Split) -> None:
    rng = np.random.default_rng(0)

    kinds = {question.type for index in range(50) for question in questions(sample_scene(4, index, split), rng)}

    assert kinds == set(QUESTION_TYPES)


def test_the_benchmark_is_balanced_held_out_and_right() -> None:
    asked = understanding_questions(50, seed=0)

    assert Counter(question.type for _, question in asked) == dict.fromkeys(QUESTION_TYPES, 50)
    assert Counter(q.answer for _, q in asked if q.type == "yes_no") == {"yes": 25, "no": 25}
    assert Counter(q.answer for _, q in asked if q.type == "how_many") == dict.fromkeys(WORDS, 10)
    for scene, question in asked:
        assert answers(question, scene) == {question.answer}
    assert asked == understanding_questions(50, seed=0)
    assert asked[:20] == understanding_questions(20, seed=0)[:20]


@pytest.mark.parametrize("objects", [1, 2, 3, 4])
def test_the_benchmark_can_be_about_scenes_of_one_number_of_objects(objects: int) -> None:
    each = 2 * (objects + 1)
    asked = understanding_questions(each, 7, ("how_many", "yes_no", "which_shape"), objects)

    assert Counter(question.type for _, question in asked) == {"how_many": each, "yes_no": each, "which_shape": each}
    assert Counter(q.answer for _, q in asked if q.type == "how_many") == dict.fromkeys(WORDS[: objects + 1], 2)
    for scene, question in asked:
        assert len(scene.objects) == objects
        assert is_held_out(scene)
        assert answers(question, scene) == {question.answer}


def test_questions_of_a_type_do_not_depend_on_the_other_types() -> None:
    asked = understanding_questions(10, seed=3)

    for name in QUESTION_TYPES:
        assert understanding_questions(10, 3, (name,)) == [pair for pair in asked if pair[1].type == name]


def test_one_object_is_left_of_nothing() -> None:
    with pytest.raises(ValueError, match="left_of need scenes of two objects or more, but objects is 1"):
        understanding_questions(1, 0, objects=1)
