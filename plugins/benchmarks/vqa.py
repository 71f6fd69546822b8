"""The answer normaliser of VQA (arXiv:1505.00468), in the variants of LLaVA and of VLMEvalKit.

TextVQA, VizWiz and VQAv2 are scored with it. None of the evaluators uses it for the benchmarks here, so that scores
with it have another name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from .answers import MAX_PERIODS, without_signs

_NUMBERS = {
    "none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "ten": "10",
}  # fmt: skip
_ARTICLES = ("a", "an", "the")

_PERIODS = {"llava": re.compile(r"\.(?!\d)"), "vlmevalkit": re.compile(r"(?<!\d)\.(?!\d)")}
"""LLaVA deletes every period that no digit follows, since the check of what precedes it is mistyped."""

_APOSTROPHES = """
    ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll how's isn't
    it'd it'll ma'am mightn't might've mustn't must've needn't not've o'clock oughtn't shan't should've shouldn't
    somebody'll somebody's someone'd someone'll someone's something'd something'll that's there'd there're there's
    they'd they'll they're they've wasn't we've weren't what'll what're what's what've when's where'd where's where've
    who'd who'll who's who've why'll why're why's won't would've wouldn't y'all you'd you'll you're you've
"""
"""Words that are restored where their apostrophe is missing; were, well, shell, wed, ill and id are other words."""

_DOUBLE = """
    couldn't've hadn't've he'd've it'd've mightn't've she'd've shouldn't've somebody'd've someone'd've something'd've
    there'd've they'd've we'd've who'd've wouldn't've y'all'll you'd've
"""
"""Words with two apostrophes, which are restored where either is missing."""

_IRREGULAR = {
    "let's": "let's", "she's": "she's", "somebody'd": "somebodyd", "ow's'at": "'ow's'at", "'ows'at": "'ow's'at",
    "'ow'sat": "'ow's'at", "twas": "'twas", "yall'd've": "y'all'd've",
    "y'alld've": "y'all'd've", "y'all'dve": "y'all'd've",
}  # fmt: skip


def _contractions() -> dict[str, str]:
    table = {word.replace("'", ""): word for word in _APOSTROPHES.split()}
    for word in _DOUBLE.split():
        first, second, third = word.split("'")
        table |= {f"{first}{second}'{third}": word, f"{first}'{second}{third}": word}
    return table | _IRREGULAR


_CONTRACTIONS = _contractions()


def normal_answer(text: str, variant: Literal["llava", "vlmevalkit"] = "llava") -> str:
    """The answer in lower case with digits for numbers, without articles and punctuation, apostrophes restored."""
    if variant == "llava":
        text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    text = text.replace("\n", " ").replace("\t", " ").strip()
    words = _PERIODS[variant].sub("", without_signs(text), count=MAX_PERIODS).lower().split()
    words = [_NUMBERS.get(word, word) for word in words]
    return " ".join(_CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)


def soft_accuracy(answer: str, given: Sequence[str]) -> float:
    """VQA's accuracy of a normalised answer: min(1, matches / 3), averaged over all but one of the annotators.

    ``given``: the normalised answers of at least two annotators.
    """
    matches = [answer == each for each in given]
    total = sum(matches)
    return sum(min(1.0, (total - match) / 3) for match in matches) / len(matches)
