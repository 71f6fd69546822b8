"""Every epoch is a permutation, computed place by place, and orders are as mixed as a shuffled list's."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from janiform import Epochs

seeds = st.integers(0, 2**64)


@given(st.integers(1, 700), seeds, st.integers(0, 10**6), st.booleans())
def test_an_epoch_shows_every_sample_once(count: int, seed: int, epoch: int, shuffle: bool) -> None:
    epochs = Epochs(count, seed, shuffle)
    shown = [epochs.at(epoch * count + place) for place in range(count)]
    assert sorted(shown) == list(range(count))
    assert shuffle or shown == list(range(count))


@given(st.integers(1, 300), st.integers(1, 400), seeds, st.booleans())
def test_a_limited_source_shows_the_same_samples_in_every_epoch(
    count: int, limit: int, seed: int, shuffle: bool
) -> None:
    epochs = Epochs(count, seed, shuffle, limit)
    length = epochs.length
    assert length == min(count, limit)
    first, other = ([epochs.at(epoch * length + place) for place in range(length)] for epoch in (0, 3))
    assert len(set(first)) == length
    assert set(first) == set(other) <= set(range(count))
    assert shuffle or first == list(range(length))


@given(st.integers(1, 2**45), seeds, st.data())
def test_places_of_sources_of_any_size_are_found_at_once(count: int, seed: int, data: st.DataObject) -> None:
    epochs = Epochs(count, seed)
    places = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=20, unique=True))
    assert len({epochs.at(place) for place in places}) == len(places)
    assert all(0 <= epochs.at(place) < count for place in places)


def test_every_order_of_few_samples_comes_about_as_often() -> None:
    orders = Counter(tuple(Epochs(4, seed=7).at(epoch * 4 + place) for place in range(4)) for epoch in range(4800))
    assert orders.keys() == set(permutations(range(4)))
    assert all(abs(seen - 200) < 6 * 200**0.5 for seen in orders.values())


@pytest.mark.parametrize("count", [50, 997, 1000])
def test_orders_are_mixed_as_a_shuffled_list_is(count: int) -> None:
    """Fixed points, rising neighbours and the pull between a place and its sample, over many epochs."""
    epochs, rounds = Epochs(count, seed=1), 20
    orders = [[epochs.at(epoch * count + place) for place in range(count)] for epoch in range(rounds)]
    assert sum(place == sample for order in orders for place, sample in enumerate(order)) < rounds + 6 * rounds**0.5
    rising = sum(left < right for order in orders for left, right in pairwise(order))
    expected = rounds * (count - 1) / 2
    assert abs(rising - expected) < 6 * (rounds * count / 12) ** 0.5
    middle = (count - 1) / 2
    pull = sum((place - middle) * (sample - middle) for order in orders for place, sample in enumerate(order))
    spread = (count**2 - 1) / 12 * (rounds * count) ** 0.5
    assert abs(pull) < 5 * spread
    assert len({tuple(order) for order in orders}) == rounds


def test_an_epoch_needs_samples() -> None:
    with pytest.raises(ValueError, match="count"):
        Epochs(0)
