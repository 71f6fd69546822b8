"""Ratios hold at every step to within one sample, and a mixture goes on from anywhere."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from janiform import RecipeError
from janiform.recipe import SourceGroup
from janiform.train.data.mixture import Mixture

ratio = st.one_of(st.integers(0, 9), st.floats(0, 1).map(lambda value: round(value, 2)))
ratios = st.dictionaries(st.sampled_from("abcdef"), ratio, min_size=1).filter(lambda values: sum(values.values()) > 0)


@given(ratios, st.integers(1, 300))
def test_every_source_has_its_share_to_within_one(values: dict[str, float], samples: int) -> None:
    total = sum(values.values())
    taken: Counter[str] = Counter()
    for n, name in enumerate(Mixture(values).order({}, samples), start=1):
        taken[name] += 1
        assert all(abs(taken[source] - n * value / total) < 1 + 1e-9 for source, value in values.items())


@given(ratios, st.lists(st.integers(0, 20), max_size=6))
def test_pieces_join_to_the_whole(values: dict[str, float], pieces: list[int]) -> None:
    mixture = Mixture(values)
    order: list[str] = []
    for piece in pieces:
        order += mixture.order(Counter(order), piece)
    assert order == mixture.order({}, sum(pieces))


def test_the_ratios_of_janus_are_exact_in_every_step_of_their_sum() -> None:
    mixture = Mixture({"look": 5, "text": 1, "draw": 4})
    order = mixture.order({}, 100)
    for start in range(0, 100, 10):
        assert Counter(order[start : start + 10]) == {"look": 5, "text": 1, "draw": 4}
    assert Counter(Mixture({"look": 1, "text": 0, "draw": 3}).order({}, 64)) == {"look": 16, "draw": 48}


def test_a_group_takes_its_turns_as_one_source_and_its_members_share_them() -> None:
    drawing = SourceGroup(ratio=5, of={"real": 1, "synthetic": 1})
    looking = SourceGroup(ratio=2, of={"chat": 3, "more": SourceGroup(ratio=1, of={"x": 2, "y": 1})})
    mixture = Mixture({"looking": looking, "text": 3, "drawing": drawing})
    assert mixture.sources == ("chat", "x", "y", "text", "real", "synthetic")
    order = mixture.order({}, 240)
    for start in range(0, 240, 10):
        step = Counter(order[start : start + 10])
        assert step["text"] == 3
        assert step["real"] + step["synthetic"] == 5
        assert abs(step["real"] - step["synthetic"]) == 1
    assert Counter(order) == {"text": 72, "real": 60, "synthetic": 60, "chat": 36, "x": 8, "y": 4}
    for cut in (1, 7, 100):
        assert order[:cut] + mixture.order(Counter(order[:cut]), 240 - cut) == order


@given(ratios, ratios, st.integers(1, 200))
def test_members_of_a_group_have_their_shares_of_it(
    outer: dict[str, float], inner: dict[str, float], samples: int
) -> None:
    members = {name.upper(): value for name, value in inner.items()}
    order = Mixture({**outer, "group": SourceGroup(ratio=2, of=members)}).order({}, samples)
    taken, whole = Counter(order), sum(outer.values()) + 2
    group = sum(taken[name] for name in members)
    assert abs(group - samples * 2 / whole) < 1 + 1e-9
    assert all(abs(taken[name] - group * value / sum(members.values())) < 1 + 1e-9 for name, value in members.items())


@pytest.mark.parametrize("values", [{}, {"a": 0}, {"a": -1, "b": 1}, {"a": float("nan")}, {"a": float("inf")}])
def test_impossible_ratios_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(RecipeError):
        Mixture(values)
