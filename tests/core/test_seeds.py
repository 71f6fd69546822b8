"""Derived seeds are the same everywhere, and differ for different words."""

from __future__ import annotations

import json
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as some
from janiform.seeds import derived_seed

WORDS = some.lists(some.one_of(some.text(max_size=8), some.integers(-(2**70), 2**70)), max_size=4).map(tuple)


def test_a_seed_is_that_of_the_command_line_tools() -> None:
    # printf '["weights",0,"backbone"]' | sha256sum  gives  0cc96295b228a6a0…
    assert derived_seed("weights", 0, "backbone") == 0x0CC96295B228A6A0 >> 1
    assert derived_seed("é") == int(sha256(b'["\\u00e9"]').hexdigest()[:16], 16) >> 1


@given(WORDS, WORDS)
def test_other_words_have_another_seed(left: tuple[str | int, ...], right: tuple[str | int, ...]) -> None:
    assert 0 <= derived_seed(*left) < 2**63
    assert (derived_seed(*left) == derived_seed(*right)) == (json.dumps(left) == json.dumps(right))


def test_words_are_neither_joined_nor_converted() -> None:
    seeds = [derived_seed(*words) for words in (("ab",), ("a", "b"), ("b", "a"), (1,), ("1",), (), ("",))]
    assert len(set(seeds)) == len(seeds)
