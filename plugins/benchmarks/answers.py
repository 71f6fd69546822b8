"""Rules that read an answer: yes or no, the letter of an option, and normalised texts. Each follows one evaluator.

The names of the rules are those of the extraction profiles. ``OTHER`` stands for an answer that a rule cannot read.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping
from typing import Literal

YES, NO, OTHER = "yes", "no", "other"

Rules = Literal["2024-10", "2025-08", "2026-06"]
"""Versions of VLMEvalKit's rules for letters: those of the Janus papers, and the two changes since."""

UNANSWERED = "Z"
"""The letter with which VLMEvalKit marks an answer that fits none of the options."""

_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_DIGIT_COMMA = re.compile(r"\d,\d")
_PERIOD = re.compile(r"(?<!\d)\.(?!\d)")
MAX_PERIODS = 32
"""The most periods that are deleted: VLMEvalKit passes ``re.UNICODE``, which is 32, as the count."""

_REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
_FAILED = "Failed to obtain answer via API"
_AROUND_LETTERS = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_ANSWER_IS = re.compile(r"(?:correct )?answer is\s+\**([A-D])", re.IGNORECASE)

_LMMS_AFFIXES = (
    ("", "."), ("", ","), ("", ":"), ("", ")"), ("", ")."), ("(", ")"), ("(", ")."),
    (":", ""), (":", ","), (":", "."), (":", ")"), (":", ")."),
)  # fmt: skip

_LAST_TOKENS = 4


def pope_yes_no(answer: str) -> str:
    """POPE's and LLaVA's rule: no if one of the words before the first period is No, not or no, else yes.

    Words are split at single spaces, so that ``"no\\n"``, ``"NO"`` and an empty answer are read as yes.
    """
    words = answer.partition(".")[0].replace(",", "").split(" ")
    return NO if not {"No", "not", "no"}.isdisjoint(words) else YES


def vlmevalkit_yes_no(answer: str) -> str:
    """VLMEvalKit's rule: yes or no where exactly one of the two is a word of the answer."""
    words = without_punctuation(answer.lower()).split()
    if (YES in words) == (NO in words):
        return OTHER
    return YES if YES in words else NO


def exact_yes_no(answer: str) -> str:
    """The rule of lmms-eval for POPE: the stripped answer is exactly yes or no, in any case."""
    word = answer.strip().lower()
    return word if word in (YES, NO) else OTHER


def mme_yes_no(answer: str) -> str:
    """MME's rule: the first four characters contain yes, or else no. The answer is not stripped."""
    start = answer.lower()[:4]
    return YES if YES in start else NO if NO in start else OTHER


def lmms_mme_yes_no(answer: str) -> str:
    """The rule of lmms-eval for MME: MME's, after stripping and without periods; y and n alone count."""
    text = answer.lower().strip().replace(".", "")
    return {"y": YES, "n": NO}.get(text) or mme_yes_no(text)


YES_NO: Mapping[str, Callable[[str], str]] = {
    "pope": pope_yes_no,
    "mme": mme_yes_no,
    "vlmevalkit": vlmevalkit_yes_no,
    "exact": exact_yes_no,
    "lmms-mme": lmms_mme_yes_no,
}
"""The rules for yes and no by their names in settings."""


def without_signs(text: str) -> str:
    """The text without punctuation except periods, as in VQA's normaliser.

    A sign is deleted where the text has it next to a space, or has a comma between two digits anywhere; else it becomes
    a space.
    """
    result, numbers = text, _DIGIT_COMMA.search(text) is not None
    for sign in _PUNCTUATION:
        spaced = f"{sign} " in text or f" {sign}" in text
        result = result.replace(sign, "" if spaced or numbers else " ")
    return result


def without_punctuation(text: str) -> str:
    """VLMEvalKit's punctuation step: ``without_signs``, and without periods that have no digit on either side."""
    return _PERIOD.sub("", without_signs(text), count=MAX_PERIODS)


def inferred_option(answer: str, options: Mapping[str, str], rules: Rules = "2026-06") -> str | None:
    """VLMEvalKit's ``can_infer``: the letter of an option, ``UNANSWERED`` for a refusal, or None.

    Args:
        answer: the model's output.
        options: the texts of the options by their letters, without empty ones.
        rules: ``"2025-08"`` takes a letter only among the last four words, and an option's text only in a short
            answer; ``"2026-06"`` also looks for "answer is B", in any case, so that "the answer is blue" is B.
    """
    return _option_letter(answer, options, rules) or _option_text(answer, options, rules)


def _option_letter(answer: str, options: Mapping[str, str], rules: Rules) -> str | None:
    if _FAILED in answer:
        return None
    if any(refusal in answer for refusal in _REFUSALS):
        return UNANSWERED
    words = answer.translate(_AROUND_LETTERS).split()
    letters = [letter for letter in options if letter in words]
    if len(letters) == 1 and (rules == "2024-10" or words.index(letters[0]) >= len(words) - _LAST_TOKENS):
        return letters[0]
    if not letters and UNANSWERED in words:
        return UNANSWERED
    match = _ANSWER_IS.search(answer) if rules == "2026-06" else None
    return match[1].upper() if match and match[1].upper() in options else None


def _option_text(answer: str, options: Mapping[str, str], rules: Rules) -> str | None:
    text = answer.lower()
    if rules != "2024-10" and len(text) > 2 * sum(map(len, options.values())):
        return None
    return _only([letter for letter, option in options.items() if option.lower() in text])


def lmms_option(answer: str, options: Mapping[str, str]) -> str | None:
    """The rule of lmms-eval for MMBench: a letter from A to D as a word, perhaps with signs around it, or a text."""
    options = {letter: option for letter, option in options.items() if letter in "ABCD"}
    words = answer.split()
    if letter := _only([letter for letter in options if letter in words]):
        return None if "A" in words and len(words) > 3 else letter  # it may be an article
    for before, after in _LMMS_AFFIXES:
        if letter := _only([letter for letter in options if f"{before}{letter}{after}" in words]):
            return letter
    return _only([letter for letter, option in options.items() if option.lower() in answer.lower()])


def exact_letter(answer: str) -> str | None:
    """LLaVA's rule for SEED-Bench: the whole answer is one capital letter."""
    return answer if len(answer) == 1 and answer in string.ascii_uppercase else None


def first_letter(answer: str) -> str | None:
    """The rule of lmms-eval for SEED-Bench: the first character of the stripped answer, as a capital letter."""
    start = answer.strip()[:1].upper()
    return start if start and start in string.ascii_uppercase else None


def _only(values: list[str]) -> str | None:
    return values[0] if len(values) == 1 else None
