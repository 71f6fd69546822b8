"""The queue of a model: in turns between users, with a limit, and without losing anything."""

from __future__ import annotations

from collections import Counter

import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st
from janiform.serve.fair_queue import FairQueue, QueueFullError


@define(eq=False)
class Item:
    user: str
    parts: int = 1
    taken: int = 0


def order(queue: FairQueue[Item]) -> list[str]:
    """The users whose parts are taken, until nothing is ready."""
    users = []
    while (taken := queue.take()) is not None:
        users.append(taken[0].user)
    return users


def test_users_take_turns_however_much_one_of_them_asks_for() -> None:
    queue: FairQueue[Item] = FairQueue(10)
    for user in "aaab":
        queue.join(Item(user))
    queue.join(Item("c", parts=3))
    assert order(queue) == list("abcacac")
    assert queue.waiting == 0
    assert not list(queue)


def test_what_is_not_prepared_yet_is_skipped_and_keeps_its_place() -> None:
    queue: FairQueue[Item] = FairQueue(10)
    slow, fast = Item("a", parts=0), Item("a")
    queue.join(slow)
    queue.join(fast)
    assert order(queue) == ["a"]
    assert fast.taken == 1
    assert not queue.ready
    slow.parts = 1
    assert queue.ready
    assert order(queue) == ["a"]


def test_a_full_queue_refuses_the_user_with_the_most_and_gives_places_to_others() -> None:
    queue: FairQueue[Item] = FairQueue(4)
    first = [Item("a") for _ in range(4)]
    for item in first:
        assert queue.join(item) is None
    with pytest.raises(QueueFullError):
        queue.join(Item("a"))
    assert queue.join(Item("b")) is first[3]
    assert queue.join(Item("b")) is first[2]
    with pytest.raises(QueueFullError):  # both have two
        queue.join(Item("b"))
    assert order(queue) == list("abab")


USERS = st.sampled_from("abcd")
ACTIONS = st.one_of(
    st.tuples(st.just("join"), USERS, st.integers(0, 3)),
    st.tuples(st.just("take"), USERS, st.just(0)),
    st.tuples(st.just("remove"), USERS, st.integers(0, 5)),
    st.tuples(st.just("ready"), USERS, st.just(0)),
)


@given(st.integers(1, 5), st.lists(ACTIONS, max_size=60))
def test_every_part_is_taken_once_or_given_back(limit: int, actions: list[tuple[str, str, int]]) -> None:
    queue: FairQueue[Item] = FairQueue(limit)
    inside: list[Item] = []
    kept: list[Item] = []  # so that no later item has the id of an earlier one
    taken: Counter[int] = Counter()
    for action, user, number in actions:
        if action == "join":
            item = Item(user, number)
            kept.append(item)
            try:
                lost = queue.join(item)
            except QueueFullError:
                assert sum(not other.taken for other in inside) == limit
                continue
            inside.append(item)
            if lost is not None:
                assert lost is not item
                assert not lost.taken
                inside.remove(lost)
        elif action == "take":
            ready = {item.user for item in inside if item.taken < item.parts}
            given_out = queue.take()
            assert (given_out is None) == (not ready)
            if given_out is not None:
                item, part = given_out
                assert part == taken[id(item)]
                taken[id(item)] += 1
                if taken[id(item)] == item.parts:
                    inside.remove(item)
        elif action == "remove" and number < len(inside):
            queue.remove(inside.pop(number))
        elif action == "ready":
            for item in inside:
                item.parts = max(1, item.parts)
        assert sorted(map(id, queue)) == sorted(map(id, inside))
        assert queue.waiting == sum(not item.taken for item in inside) <= limit
