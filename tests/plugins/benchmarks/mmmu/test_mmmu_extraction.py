"""Answers of MMMU are read as by the official code, and as by lmms-eval."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from janiform_plugins.benchmarks.mmmu.extraction import (
    lmms_open_matches,
    lmms_option,
    normalised,
    official_option,
    open_matches,
    open_values,
)

PRICES = {"A": "$6", "B": "$7", "C": "$8", "D": "$9"}


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"),
        ("B.", "B"),
        ("The answer is (B).", "B"),
        ("A B", "B"),
        ("The answer is B, not C.", "C"),
        ("A. $6", None),
        ("B) $7", None),
        ("**B**", None),
        ("B\n", None),
        ("$8", None),
        ("", None),
        ("(A) or (B) or (A)", "A"),
        ("I would say that it is $8", "C"),
        ("first I thought of $8 and then of $6", "A"),
    ],
)
def test_options_are_read_as_by_the_official_code(answer: str, letter: str | None) -> None:
    assert official_option(answer, PRICES) == letter


@pytest.mark.parametrize(
    ("answer", "letter"),
    [("A. $6", "A"), ("CIA is right", "A"), ("B.", "B"), ("A.C. or B.x", "A"), ("B) $7", None), ("**B**", None)],
)
def test_options_are_read_as_by_lmms_eval(answer: str, letter: str | None) -> None:
    assert lmms_option(answer, PRICES) == letter


def twin(answer: str, options: Mapping[str, str]) -> str | None:
    """The official rule, written once more with regular expressions over reversed text."""
    for sign in ",.!?;:'":
        answer = re.sub(f"^{re.escape(sign)}+|{re.escape(sign)}+$", "", answer)
    answer = f" {answer} "
    for pattern in (r"\({}\)", " {} "):
        ends = {
            letter: max(match.start() for match in re.finditer(f"(?={pattern.format(letter)})", answer))
            for letter in options
            if re.search(pattern.format(letter), answer)
        }
        if ends:
            return max(ends, key=lambda letter: ends[letter])
    if len(answer.split()) <= 5:
        return None
    places = {letter: answer.lower().rfind(text.lower()) for letter, text in options.items()}
    best = max(places, key=lambda letter: places[letter])
    return best if places[best] >= 0 else None


WORDS = st.sampled_from(["A", "B", "(C)", "(A)", "D.", "'B'", "$6", "$9", "is", "not", ",", "dog", "\n", "a cat"])


@given(st.lists(WORDS, max_size=12).map(" ".join))
def test_options_are_read_as_by_a_twin_of_the_rule(answer: str) -> None:
    assert official_option(answer, PRICES) == twin(answer, PRICES)


@pytest.mark.parametrize(
    ("answer", "golds", "correct"),
    [
        ("36 watts", ["30"], False),
        ("x = 1,249", ["1249"], True),
        ("So the result is 0.2857", ["0.286"], True),
        ("1/64", ["1/64"], True),
        ("Tampa, Florida", ["Tampa", "Florida"], True),
        ("C", ["C"], True),
        ("CA", ["C"], False),
        ("it is MgS.", ["$MgS$", "MgS"], True),
        ("The ratio is 24/7", ["24/7", "3.429"], True),
        ("3.4286", ["24/7", "3.429"], True),
        ("1.5e3", ["1500"], True),
        ("", ["0"], False),
        ("-3", ["3"], False),
        ("answer: nothing\nTherefore 12", ["12"], True),
    ],
)
def test_open_answers_are_compared_as_by_the_official_code(answer: str, golds: list[str], correct: bool) -> None:
    assert open_matches(open_values(answer), golds) == correct


def test_values_of_an_open_answer() -> None:
    assert open_values("x = 1,249") == [1249.0, 249.0]
    assert open_values("So the result is 0.2857") == [0.29]
    assert open_values("it is 5 watts\nso the answer is final") == ["5 watts", "final", 5.0]
    assert open_values("the answer is .") == ["is"], "the next tail replaces an empty one"
    assert open_values("No idea") == ["no idea"]
    assert normalised(" B ") == [" b", "b "]
    assert normalised("1,234.567") == [1234.57]


def test_lmms_evals_comparison_finds_no_correct_answer() -> None:
    for gold in ("30", "C", "Tampa", "24/7", "0.286"):
        assert open_matches(open_values(gold), [gold])
        assert not lmms_open_matches(open_values(gold), [gold])


@given(st.text())
def test_every_text_can_be_read(answer: str) -> None:
    assert official_option(answer, PRICES) in (*PRICES, None)
    assert lmms_option(answer, PRICES) in (*PRICES, None)
    assert open_values(answer)
