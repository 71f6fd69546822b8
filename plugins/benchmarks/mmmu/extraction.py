"""MMMU's official rules that read an answer, and the variant of lmms-eval.

Nothing is stripped that the rules do not strip: ``"B\\n"`` names no option, so callers strip the model's output first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

Value: TypeAlias = str | float
"""A normalised answer to an open question: a text in lower case, or a number with two decimals."""

_STRIPPED = ",.!?;:'"
_MIN_WORDS = 6
"""The fewest words of an answer in which the texts of options are looked for."""

_INDICATORS = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
_NUMBERS = (
    re.compile(r"-?\b\d{1,3}(?:,\d{3})+\b"),
    re.compile(r"-?\d+(?:\.\d+)?[eE][+-]?\d+"),
    re.compile(r"-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d])"),
)
"""Numbers with commas between thousands, in scientific notation, and plain ones."""


def official_option(answer: str, options: Mapping[str, str]) -> str | None:
    """The official rule: ``(B)``, else B between spaces, else an option's text in an answer of at least six words.

    Of several options the one that occurs furthest to the right; None where there is none, for which the official code
    draws a random option. ``options``: their texts by their letters.
    """
    return _option(answer, options, [("(", ")"), (" ", " ")])


def lmms_option(answer: str, options: Mapping[str, str]) -> str | None:
    """The rule of lmms-eval: also a letter at the end of a word, and a letter before a period.

    So ``"A. $6"`` is A, and "CIA is right" as well.
    """
    return _option(answer, options, [("(", ")"), ("", " "), ("", ".")])


def _option(answer: str, options: Mapping[str, str], affixes: Sequence[tuple[str, str]]) -> str | None:
    for sign in _STRIPPED:
        answer = answer.strip(sign)
    answer = f" {answer} "
    for before, after in affixes:
        if letters := [letter for letter in options if f"{before}{letter}{after}" in answer]:
            # lmms-eval, too, compares the positions of letters between spaces, however it found them.
            before, after = ("(", ")") if before == "(" else (" ", " ")
            return _last(letters, [answer.rfind(f"{before}{letter}{after}") for letter in letters])
    if len(answer.split()) < _MIN_WORDS:
        return None
    text = answer.lower()
    letters = [letter for letter, option in options.items() if option.lower() in text]
    return _last(letters, [text.rfind(options[letter].lower()) for letter in letters]) if letters else None


def _last(letters: Sequence[str], positions: Sequence[int]) -> str:
    """The letter with the largest position; the first of several such."""
    return letters[positions.index(max(positions))]


def open_values(answer: str) -> list[Value]:
    """The values in an answer to an open question: what follows words such as "answer", and all numbers in it."""
    tails = _tails(answer)
    texts = [*tails, *(number for tail in tails for pattern in _NUMBERS for number in pattern.findall(tail))]
    return list(dict.fromkeys(value for text in texts for value in normalised(text)))


def _tails(answer: str) -> list[str]:
    """What follows the indicators in each line, the shortest tail per line; the whole answer where nothing does."""
    answer = answer.strip().strip(".").lower()
    # The official code also splits at periods before capital letters, which the text in lower case does not have.
    lines = answer.split("\n")
    tails = []
    for number, line in enumerate(lines, start=1):
        indicators = (*_INDICATORS, "=") if number == len(lines) else _INDICATORS
        tail = ""
        for indicator in indicators:
            if indicator in line:
                # An empty tail is replaced by the next one, of any length.
                candidate = line.rpartition(indicator)[2].strip()
                tail = candidate if not tail or len(candidate) < len(tail) else tail
        if tail and tail not in _STRIPPED:
            tails.append(tail)
    return tails or [answer]


def normalised(text: str) -> list[Value]:
    """A number with two decimals, or a text in lower case; a single character is two texts, with a space on a side.

    So a single character matches only at the edge of a word.
    """
    text = text.strip()
    try:
        return [round(float(text.replace(",", "")), 2)]
    except ValueError:
        text = text.lower()
        return [f" {text}", f"{text} "] if len(text) == 1 else [text]


def open_matches(values: Iterable[Value], golds: Sequence[str]) -> bool:
    """Whether a text among the values contains a text of the correct answers, or a number equals one of them."""
    expected = [value for gold in golds for value in normalised(gold)]
    texts = [value for value in expected if isinstance(value, str)]
    return any(
        any(text in value for text in texts) if isinstance(value, str) else value in expected for value in values
    )


def lmms_open_matches(values: Iterable[Value], golds: Sequence[str]) -> bool:
    """The comparison of lmms-eval since 2025-07-30: it takes the characters of the first value, each as a value.

    No correct answer of MMMU's open questions is found in a single character.
    """
    first = next(iter(values), "")
    return open_matches(list(str(first)), golds)
