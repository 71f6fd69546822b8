"""The rules for answers give what the evaluators that they follow gave for the same answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from janiform_plugins.benchmarks.answers import (
    YES_NO,
    exact_letter,
    first_letter,
    inferred_option,
    lmms_option,
    without_punctuation,
)

# answer -> what POPE, VLMEvalKit, lmms-eval for POPE, MME and lmms-eval for MME read in it
YES_NO_VECTORS = {
    "yes.": "yes yes other yes yes",
    "No, there is no dog.": "no no other no no",
    "NO": "yes no no no no",
    "No!": "yes no other no no",
    "no\n": "yes no no no no",
    "There is a dog.": "yes other other other other",
    "There is not a dog.": "no other other other other",
    "The answer is yes": "yes yes other other other",
    "Not sure": "yes other other no no",
    "I do not know": "no other other other other",
    "": "yes other other other other",
    "Yes, there is no doubt": "no other other yes yes",
    "y": "yes other other other yes",
    "nope": "yes other other no no",
}
OPTIONS = {"A": "A dog", "B": "A cat", "C": "Two birds", "D": "horse"}


@pytest.mark.parametrize("answer", YES_NO_VECTORS)
def test_yes_and_no_are_read_as_by_each_evaluator(answer: str) -> None:
    rules = ("pope", "vlmevalkit", "exact", "mme", "lmms-mme")
    assert " ".join(YES_NO[rule](answer) for rule in rules) == YES_NO_VECTORS[answer]


def test_popes_rule_reads_more_as_yes_than_people_do() -> None:
    assert [YES_NO["pope"](answer) for answer in ("isn't", "no", "It is, no", "not. yes")] == ["yes", "no", "no", "no"]


@pytest.mark.parametrize(
    ("answer", "now", "before"),
    [
        ("(C)", "C", "C"),
        ("Option B: A cat", "B", "B"),
        ("a cat", "B", "B"),
        ("cat", None, None),
        ("**B**", "B", "B"),
        ("A dog and B", "A", "A"),
        ("A and B", None, None),
        ("The best choice is A because the animal in the picture is barking loudly", None, "A"),
        ("b", None, None),
        ("Z", "Z", "Z"),
        ("A horse is there", "A", "A"),
        ("Sorry, I can't help with images of people yet. It is B", "Z", "Z"),
        ("I can't process this file.", "Z", "Z"),
        ("I'm sorry, but without the image provided I choose B", "Z", "Z"),
        ("Cannot determine the answer", "Z", "Z"),
        ("Failed to obtain answer via API: B", "B", "B"),
    ],
)
def test_options_are_inferred_as_by_vlmevalkit(answer: str, now: str | None, before: str | None) -> None:
    if answer.startswith("Failed"):  # not inferred as a letter; nor is any option's text in it
        now = before = None
    assert inferred_option(answer, OPTIONS, "2026-06") == now
    assert inferred_option(answer, OPTIONS, "2025-08") == now
    assert inferred_option(answer, OPTIONS, "2024-10") == before


def test_only_the_newest_rules_look_for_the_words_before_an_answer() -> None:
    answer = "the correct answer is **b** and this is far more text than all of the options together have in them"
    assert [inferred_option(answer, OPTIONS, rules) for rules in ("2024-10", "2025-08", "2026-06")] == [None, None, "B"]
    assert inferred_option("the answer is D", {"A": "x", "B": "y"}) is None  # D is not an option


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"), ("B.", "B"), ("(B)", "B"), ("(B).", "B"), ("it is :B", "B"), ("B: A cat", "A"), ("B: cat", "B"),
        ("**B**", None), ("A", "A"), ("A fine day indeed", None), ("A dog", "A"), ("two birds", "C"),
        ("A cat or a horse", None),
    ],
)  # fmt: skip
def test_options_are_read_as_by_lmms_eval(answer: str, letter: str | None) -> None:
    assert lmms_option(answer, OPTIONS) == letter


def test_letters_alone() -> None:
    assert [exact_letter(answer) for answer in ("B", "b", "B.", " B", "", "BB")] == ["B", None, None, None, None, None]
    assert [first_letter(answer) for answer in ("B", " b.", "(B)", "", "Because")] == ["B", "B", None, None, "B"]


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("yes!", "yes "),
        ("yes, no", "yes no"),
        ("well-known", "well known"),
        ("well - known", "well  known"),
        ("a/b 1,000 c", "ab 1000 c"),
        ("3.5 a.b .5 5.", "3.5 ab .5 5."),
        ("." * 40, "." * 8),
    ],
)
def test_punctuation_step(text: str, result: str) -> None:
    assert without_punctuation(text) == result


@given(st.text())
def test_every_text_can_be_read(answer: str) -> None:
    assert all(rule(answer) in ("yes", "no", "other") for rule in YES_NO.values())
    assert inferred_option(answer, OPTIONS) in (*OPTIONS, "Z", None)
    assert lmms_option(answer, OPTIONS) in (*OPTIONS, None)
