"""Batches are the same wherever they are made, and a failing source is reported with its place."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from janiform import UsageError
from janiform.train import data
from janiform.train.data import DataError, Kitchen, Prepared, batches, tickets
from janiform.train.mixture import Mixture


class Numbers:
    """Gives its name and the index."""

    def __init__(self, name: str, broken: int | None = None, error: Exception | None = None) -> None:
        self.name, self.broken, self.error = name, broken, error

    def example(self, index: int) -> Any:
        if index == self.broken:
            if self.error is None:
                os.kill(os.getpid(), signal.SIGKILL)
            raise self.error  # type: ignore[misc]
        return (self.name, index)


def prepare(examples: Sequence[Any], generator: np.random.Generator) -> Any:
    return examples, torch.from_numpy(generator.random(3)), torch.get_num_threads()


def make(
    ahead: int, steps: range = range(6), start: dict[str, int] | None = None, **sources: Numbers
) -> list[Prepared]:
    sources = sources or {"a": Numbers("a"), "b": Numbers("b")}
    kitchen = Kitchen(sources, prepare, (1, 0))  # type: ignore[arg-type]
    mixture = Mixture(dict.fromkeys(sources, 1))
    return list(batches(kitchen, tickets(mixture, 3, steps, start or {}, start or {}), ahead=ahead))


def same(left: list[Prepared], right: list[Prepared]) -> bool:
    return len(left) == len(right) and all(
        a.ticket == b.ticket and list(a.batch[0]) == list(b.batch[0]) and torch.equal(a.batch[1], b.batch[1])
        for a, b in zip(left, right, strict=True)
    )


def test_a_worker_changes_nothing() -> None:
    before = torch.get_rng_state()
    here = make(0)
    there = make(2)
    assert torch.equal(torch.get_rng_state(), before), "the chance of the training is not touched"
    assert same(here, there)
    assert there[0].batch[2] == 1, "a worker computes on one thread beside the training"


def test_a_thread_does_it_where_processes_cannot_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    here = make(0)
    monkeypatch.setattr(data.multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    assert same(here, make(2))


def test_samples_follow_one_another_and_chance_differs_from_step_to_step() -> None:
    made = make(0)
    read = [sample for prepared in made for sample in prepared.batch[0]]
    assert sorted(read) == [("a", index) for index in range(9)] + [("b", index) for index in range(9)]
    assert made[-1].ticket.positions == {"a": 9, "b": 9}
    assert len({tuple(prepared.batch[1].tolist()) for prepared in made}) == len(made)


def test_a_run_goes_on_where_it_stopped() -> None:
    whole = make(0)
    middle = whole[2].ticket.positions
    assert same(whole[3:], make(1, range(3, 6), middle))


@pytest.mark.parametrize("ahead", [0, 1])
def test_a_failing_source_is_named_with_its_example_and_line(ahead: int) -> None:
    with pytest.raises(DataError, match=r"example 4 of source 'a' failed: ValueError: no \(.*test_data.py:\d+\)"):
        make(ahead, a=Numbers("a", 4, ValueError("no")))
    with pytest.raises(DataError, match="example 4 of source 'a': the caption is empty"):
        make(ahead, a=Numbers("a", 4, UsageError("the caption is empty")))


def test_batches_before_a_failing_one_are_delivered() -> None:
    kitchen = Kitchen({"a": Numbers("a", 7, ValueError("no"))}, prepare, (1, 0))  # type: ignore[arg-type, dict-item]
    made = batches(kitchen, tickets(Mixture({"a": 1}), 3, range(6), {}, {}), ahead=3)
    assert [next(made).ticket.step, next(made).ticket.step] == [0, 1]
    with pytest.raises(DataError):
        next(made)


def test_a_worker_that_dies_is_reported() -> None:
    with pytest.raises(DataError, match="the process that prepares batches ended"):
        make(1, a=Numbers("a", 4))


def test_batches_are_made_before_they_are_asked_for() -> None:
    made_ahead = multiprocessing.get_context("fork").Event()

    class Telling(Numbers):
        def example(self, index: int) -> Any:
            if index == 5:
                made_ahead.set()
            return super().example(index)

    kitchen = Kitchen({"a": Telling("a")}, prepare, (1, 0))  # type: ignore[dict-item]
    made = batches(kitchen, tickets(Mixture({"a": 1}), 2, range(8), {}, {}), ahead=2)
    assert next(made).ticket.step == 0
    assert made_ahead.wait(30), "the third batch was to be made while the first is used"
    assert next(made).ticket.step == 1
    made.close()  # type: ignore[attr-defined]


def test_batches_that_know_how_are_put_into_page_locked_memory() -> None:
    class Pinnable:
        def pin_memory(self) -> str:
            return "pinned"

    ticket = next(tickets(Mixture({"a": 1}), 1, range(1), {}, {}))
    assert Prepared(ticket, Pinnable()).pin_memory().batch == "pinned"
    assert Prepared(ticket, [1]).pin_memory().batch == [1]
