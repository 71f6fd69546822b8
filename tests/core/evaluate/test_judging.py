"""Outputs are judged in the order of the requests or several at a time, with the same items in the end."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest
from benchmarks_for_tests import Simple, ask, quiet
from janiform import ComponentError, Request, StorageError
from janiform.evaluate.checked import CheckedBenchmark
from janiform.evaluate.judging import Judged, Judging


def outputs(count: int) -> list[Judged]:
    return [(ask(number), lambda number=number: "x" * number) for number in range(count)]  # type: ignore[misc]


def judging(benchmark: Any, count: int, progress: Any = quiet) -> Judging:
    return Judging(CheckedBenchmark(benchmark), count, progress)


class Waiting(Simple):
    """Judges four outputs together or not at all, and fails for some."""

    judged_at_once = 4
    failing: tuple[str, ...] = ()

    def __init__(self, **members: Any) -> None:
        super().__init__(**members)
        self.barrier = threading.Barrier(4)

    def judge(self, request: Request, output: Any) -> Mapping[str, float]:
        self.barrier.wait(20)
        if request.item in self.failing:
            raise TimeoutError(f"no verdict of {request.item}")
        return super().judge(request, output)


def test_as_many_are_judged_at_once_as_the_benchmark_says() -> None:
    calls: list[tuple[int, str]] = []
    progress = lambda what, done, of: calls.append((done, threading.current_thread().name))  # noqa: E731
    together = judging(Waiting(), 12, progress).items(outputs(12))
    assert together == judging(Simple(), 12).items(outputs(12))
    assert calls == [(number, "MainThread") for number in range(1, 13)]


def test_an_output_that_cannot_be_judged_leaves_the_others() -> None:
    failing = ("ask/6", "ask/1")
    own = judging(Waiting(failing=failing), 8)
    items = own.items(outputs(8))
    assert [len(one) for one in items] == [1, 0, 1, 1, 1, 1, 0, 1]
    assert [item for item, _ in own.failures] == ["ask/1", "ask/6"], "in the order of the requests"
    with pytest.raises(ComponentError, match=r"no verdict of ask/1[\s\S]*2 of 8 outputs were not judged: 'ask/1', 'as"):
        own.check(allow_failures=False)
    own.check(allow_failures=True)


def test_failures_are_not_allowed_where_nothing_was_judged() -> None:
    own = judging(Waiting(failing=tuple(f"ask/{number}" for number in range(4))), 4)
    assert own.items(outputs(4)) == [[], [], [], []]
    with pytest.raises(ComponentError, match="4 of 4 outputs were not judged"):
        own.check(allow_failures=True)


@pytest.mark.parametrize("at_once", [1, 3])
@pytest.mark.parametrize("error", [StorageError("the picture is gone"), SystemExit(5)])
def test_an_error_that_is_not_the_judges_ends_it(error: BaseException, at_once: int) -> None:
    def damaged() -> str:
        raise error

    given = outputs(60)
    given[2] = (given[2][0], damaged)
    judged: list[str] = []

    class Counting(Simple):
        judged_at_once = at_once

        def judge(self, request: Request, output: Any) -> Mapping[str, float]:
            judged.append(request.item)
            return super().judge(request, output)

    with pytest.raises(type(error), match=str(error)):
        judging(Counting(), 60).items(given)
    if at_once == 1:
        assert judged == ["ask/0", "ask/1"]


def test_nothing_is_judged_after_ctrl_c() -> None:
    """The interrupt reaches the thread of the caller, here in what it does for an output that was judged."""
    begun: list[str] = []
    gate = threading.Semaphore(3)

    class Slow(Simple):
        judged_at_once = 2

        def judge(self, request: Request, output: Any) -> Mapping[str, float]:
            begun.append(request.item)
            gate.acquire()
            return super().judge(request, output)

    def interrupted(what: str, done: int, of: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judging(Slow(), 40, interrupted).items(outputs(40))
    gate.release(40)
    for thread in threading.enumerate():
        if thread.name == "janiform-judge":
            thread.join(20)
    assert len(begun) <= 5, "those that had begun: at most three were judged, and two more wait"


@pytest.mark.parametrize("number", [0, 2.0, "4", True])
def test_a_number_that_is_not_one_is_named(number: Any) -> None:
    with pytest.raises(ComponentError, match="as judged_at_once, expected a whole number from 1"):
        judging(Simple(judged_at_once=number), 3).items(outputs(3))
