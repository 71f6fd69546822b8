"""The answer normaliser of VQA (arXiv:1505.00468), in the variants of LLaVA and of VLMEvalKit.

TextVQA, VizWiz and VQAv2 are scored with it. None of the evaluators uses it for the benchmarks here, so that scores
with it have another name.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from .answers import MAX_PERIODS, without_signs

_NUMBERS = {
    "none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "ten": "10",
}  # fmt: skip
_ARTICLES = ("a", "an", "the")

_PERIODS = {"llava": re.compile(r"\.(?!\d)"), "vlmevalkit": re.compile(r"(?<!\d)\.(?!\d)")}
"""LLaVA deletes every period that no digit follows, since the check of what precedes it is mistyped."""

_IRREGULAR = {
    "let's": "let's", "she's": "she's", "somebody'd": "somebodyd", "ow's'at": "'ow's'at", "'ows'at": "'ow's'at",
    "'ow'sat": "'ow's'at", "twas": "'twas", "yall'd've": "y'all'd've",
    "y'alld've": "y'all'd've", "y'all'dve": "y'all'd've",
}  # fmt: skip


def _contractions() -> dict[str, str]:
    """Words with one or two apostrophes by their forms that lack one; were, shell, wed, ill and id are other words."""
    table = dict(_IRREGULAR)
    for word in Path(__file__).with_name("contractions.txt").read_text("utf-8").split():
        first, *rest = word.split("'")
        if len(rest) == 1:
            table[f"{first}{rest[0]}"] = word
        else:
            table |= {f"{first}{rest[0]}'{rest[1]}": word, f"{first}'{rest[0]}{rest[1]}": word}
    return table


_CONTRACTIONS = _contractions()


def normal_answer(text: str, variant: Literal["llava", "vlmevalkit"] = "llava") -> str:
    """The answer in lower case with digits for numbers, without articles and punctuation, apostrophes restored."""
    if variant == "llava":
        text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    text = text.replace("\n", " ").replace("\t", " ").strip()
    words = _PERIODS[variant].sub("", without_signs(text), count=MAX_PERIODS).lower().split()
    words = [_NUMBERS.get(word, word) for word in words]
    return " ".join(_CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)
