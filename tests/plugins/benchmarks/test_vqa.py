"""VQA's normaliser restores, maps and drops what the evaluators' do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from janiform_plugins.benchmarks.vqa import _CONTRACTIONS, normal_answer


@pytest.mark.parametrize(
    ("text", "llava", "vlmevalkit"),
    [
        ("The Dogs.", "dogs", "dogs"),
        ("Two", "2", "2"),
        ("none", "0", "0"),
        ("it isnt a cat", "it isn't cat", "it isn't cat"),
        ("couldntve", "couldntve", "couldntve"),  # two are missing, which the table does not restore
        ("couldnt've", "couldn't've", "couldn't've"),
        ("well-known, 1,000", "well known 1000", "wellknown 1000"),  # LLaVA deletes the commas first
        ("well-known", "well known", "well known"),
        ("dog's ball", "dog 's ball", "dog's ball"),
        ("3.5", "3.5", "3.5"),
        ("a 5. b", "5 b", "5. b"),  # LLaVA's expression does not look at what precedes the period
        ("were\tshell\nill", "were shell ill", "were shell ill"),
        ("twas y'alld've", "'twas y'all'd've", "'twas y'all'd've"),
        ("Im", "im", "im"),  # the table has Im, but the text is in lower case
    ],
)
def test_answers_are_normalised_as_by_each_evaluator(text: str, llava: str, vlmevalkit: str) -> None:
    assert (normal_answer(text, "llava"), normal_answer(text, "vlmevalkit")) == (llava, vlmevalkit)


def test_the_table_of_contractions_is_complete() -> None:
    assert len(_CONTRACTIONS) == 116  # of 120, of which four with capitals never match
    assert _CONTRACTIONS["somebody'd"] == "somebodyd"
    assert not {"were", "well", "shell", "wed", "ill", "id"} & set(_CONTRACTIONS)


@pytest.mark.parametrize(
    ("text", "standard"),
    [
        ("aint", "ain't"), ("youve", "you've"), ("couldn'tve", "couldn't've"), ("let's", "let's"), ("she's", "she's"),
        ("somebody'd", "somebodyd"), ("ow's'at", "'ow's'at"), ("'ows'at", "'ow's'at"), ("'ow'sat", "'ow's'at"),
        ("twas", "'twas"), ("oclock", "o'clock"), ("maam", "ma'am"), ("yall", "y'all"),
    ],
)  # fmt: skip
def test_contractions_are_restored_as_by_the_table(text: str, standard: str) -> None:
    assert normal_answer(text, "vlmevalkit") == standard


@given(st.text())
def test_every_text_has_a_normal_form_in_lower_case(text: str) -> None:
    normal = normal_answer(text)
    assert normal == normal.strip()
    assert not {"a", "an", "the"} & set(normal.split())
