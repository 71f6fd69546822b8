"""Batches are the same wherever they are made, and a failing source is reported with its place."""

from __future__ import annotations

import errno
import multiprocessing
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from janiform import Objective, PictureError, SampleError, UsageError
from janiform.train.data import batches as data
from janiform.train.data.batches import batches
from janiform.train.data.builder import BatchBuilder, DataError, PreparedBatch
from janiform.train.data.mixture import Mixture
from janiform.train.data.sources import usable
from janiform.train.data.specs import BatchSpec, batch_specs, shard
from janiform.train.progress.skipped_samples import SkippedSample


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


class Whole(Objective):
    """Prepares the examples of a batch together."""

    def prepare(self, examples: Sequence[Any], generator: np.random.Generator) -> Any:
        return examples, torch.from_numpy(generator.random(3)), torch.get_num_threads()

    def losses(self, batch: Any) -> Any:
        raise AssertionError("nothing is trained")


def make(
    ahead: int, steps: range = range(6), start: dict[str, int] | None = None, **sources: Numbers
) -> list[PreparedBatch]:
    sources = sources or {"a": Numbers("a"), "b": Numbers("b")}
    builder = BatchBuilder(sources, Whole(), (1, 0))  # type: ignore[arg-type]
    mixture = Mixture(dict.fromkeys(sources, 1))
    return list(batches(builder, batch_specs(mixture, 3, steps, start or {}, {}), ahead=ahead))


def same(left: list[PreparedBatch], right: list[PreparedBatch]) -> bool:
    return len(left) == len(right) and all(
        a.spec == b.spec and list(a.batch[0]) == list(b.batch[0]) and torch.equal(a.batch[1], b.batch[1])
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
    assert made[-1].spec.taken == {"a": 9, "b": 9}
    assert len({tuple(prepared.batch[1].tolist()) for prepared in made}) == len(made)


def test_a_run_goes_on_where_it_stopped() -> None:
    whole = make(0)
    middle = whole[2].spec.taken
    assert same(whole[3:], make(1, range(3, 6), middle))


@pytest.mark.parametrize("ahead", [0, 1])
def test_a_failing_source_is_named_with_its_example_and_line(ahead: int) -> None:
    with pytest.raises(DataError, match=r"example 4 of source 'a' failed: ValueError: no \(.*test_batches.py:\d+\)"):
        make(ahead, a=Numbers("a", 4, ValueError("no")))
    with pytest.raises(DataError, match="example 4 of source 'a': the caption is empty"):
        make(ahead, a=Numbers("a", 4, UsageError("the caption is empty")))


def test_batches_before_a_failing_one_are_delivered() -> None:
    builder = BatchBuilder({"a": Numbers("a", 7, ValueError("no"))}, Whole(), (1, 0))  # type: ignore[arg-type, dict-item]
    made = batches(builder, batch_specs(Mixture({"a": 1}), 3, range(6), {}, {}), ahead=3)
    assert [next(made).spec.step, next(made).spec.step] == [0, 1]
    with pytest.raises(DataError):
        next(made)


def test_a_worker_that_dies_is_reported() -> None:
    with pytest.raises(DataError, match="the process that prepares batches ended"):
        make(1, a=Numbers("a", 4))


@pytest.mark.parametrize("error", [None, ValueError("no")])
def test_no_worker_outlives_a_failure(error: Exception | None) -> None:
    builder = BatchBuilder({"a": Numbers("a", 7, error)}, Whole(), (1, 0))  # type: ignore[dict-item]
    before = set(multiprocessing.active_children())
    with pytest.raises(DataError) as caught:
        list(batches(builder, batch_specs(Mixture({"a": 1}), 3, range(9), {}, {}), ahead=4, workers=2))
    assert set(multiprocessing.active_children()) <= before
    assert caught.traceback  # which is what may hold them


def test_a_worker_ends_when_its_parent_says_so() -> None:
    builder = BatchBuilder({"a": Numbers("a")}, Whole(), (1, 0))  # type: ignore[dict-item]
    before = set(multiprocessing.active_children())
    made = batches(builder, batch_specs(Mixture({"a": 1}), 3, range(9), {}, {}), ahead=4)
    next(made)
    (worker,) = set(multiprocessing.active_children()) - before
    subprocess.run(["kill", str(worker.pid)], check=True)
    worker.join(0.5)
    assert worker.is_alive()
    worker.terminate()  # what multiprocessing does where a program ends, and then it waits for the worker
    worker.join(30)
    assert not worker.is_alive()
    made.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the loader itself looks for its parent every 5 seconds")
@pytest.mark.parametrize("started", [3, 2])
def test_workers_end_when_their_parent_is_killed(started: int) -> None:
    """Killed after all three were started, or in the middle of starting them."""
    reading, writing = os.pipe()
    parent = os.fork()
    if parent == 0:
        os.close(reading)
        fork, forks = os.fork, 0

        def counted() -> int:
            nonlocal forks
            if forks == started:
                os.kill(os.getpid(), signal.SIGKILL)
            forks += 1
            return fork()

        os.fork = counted
        try:
            builder = BatchBuilder({"a": Numbers("a")}, Whole(), (1, 0))  # type: ignore[dict-item]
            next(batches(builder, batch_specs(Mixture({"a": 1}), 3, range(9), {}, {}), ahead=3, workers=3))
            os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    os.close(writing)
    assert os.waitpid(parent, 0)[1] == signal.SIGKILL
    # Every worker holds the other end of the pipe until it ends.
    assert select.select([reading], [], [], 2)[0], "workers outlive their parent"
    os.close(reading)


def test_workers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "most_workers", lambda: 2)
    builder = BatchBuilder({"a": Numbers("a")}, Whole(), (1, 0))  # type: ignore[dict-item]
    before = set(multiprocessing.active_children())
    made = batches(builder, batch_specs(Mixture({"a": 1}), 3, range(9), {}, {}), workers=200)
    next(made)
    assert len(set(multiprocessing.active_children()) - before) == 2
    made.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_workers_that_cannot_be_started_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    forks = iter([os.fork])

    def refusing() -> int:
        for fork in forks:
            return fork()
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refusing)
    builder = BatchBuilder({"a": Numbers("a")}, Whole(), (1, 0))  # type: ignore[dict-item]
    before = set(multiprocessing.active_children())
    with pytest.raises(DataError, match=r"training\.workers: 3 processes .* could not be started: Resource"):
        next(batches(builder, batch_specs(Mixture({"a": 1}), 3, range(9), {}, {}), workers=3))
    assert set(multiprocessing.active_children()) <= before


def test_batches_are_made_before_they_are_asked_for() -> None:
    made_ahead = multiprocessing.get_context("fork").Event()

    class Telling(Numbers):
        def example(self, index: int) -> Any:
            if index == 5:
                made_ahead.set()
            return super().example(index)

    builder = BatchBuilder({"a": Telling("a")}, Whole(), (1, 0))  # type: ignore[dict-item]
    made = batches(builder, batch_specs(Mixture({"a": 1}), 2, range(8), {}, {}), ahead=2)
    assert next(made).spec.step == 0
    assert made_ahead.wait(30), "the third batch was to be made while the first is used"
    assert next(made).spec.step == 1
    made.close()


def test_batches_that_know_how_are_put_into_page_locked_memory() -> None:
    class Pinnable:
        def pin_memory(self) -> str:
            return "pinned"

    spec = next(batch_specs(Mixture({"a": 1}), 1, range(1), {}, {}))
    assert PreparedBatch(spec, Pinnable()).pin_memory().batch == "pinned"
    assert PreparedBatch(spec, [1]).pin_memory().batch == [1]


class Holey:
    """Some of its examples cannot be used, by their indices."""

    def __init__(self, holes: set[int], error: Exception | None = None) -> None:
        self.holes, self.error = holes, error or SampleError("line 3: no caption", "no caption")

    def example(self, index: int) -> Any:
        if index in self.holes:
            raise self.error
        return index


class OneByOne(Objective):
    """Prepares each example by itself, and refuses multiples of seven."""

    def prepare(self, examples: Sequence[Any], generator: np.random.Generator) -> Any:
        raise AssertionError("there is prepare_one")

    def prepare_one(self, example: int, generator: np.random.Generator, note: Any) -> Any:
        if example % 7 == 0:
            raise SampleError("far too long", "too long")
        if example % 5 == 0:
            note("cut", "a little too long")
        return example, float(generator.random())

    def collate(self, prepared: Sequence[Any], generator: np.random.Generator) -> Any:
        return tuple(prepared)

    def losses(self, batch: Any) -> Any:
        raise AssertionError("nothing is trained")


def build(builder: BatchBuilder, batch: int = 4, steps: int = 5, **options: Any) -> list[PreparedBatch]:
    specs = batch_specs(Mixture(dict.fromkeys(builder.sources, 1)), batch, range(steps), {}, {})
    return list(batches(builder, specs, **options))


@given(st.sets(st.integers(0, 30)), st.integers(0, 2**32))
def test_an_example_that_cannot_be_used_is_replaced_by_the_next_and_counted_once(holes: set[int], seed: int) -> None:
    made = build(BatchBuilder({"a": Holey(holes)}, OneByOne(), (seed,)), ahead=0)  # type: ignore[dict-item]
    places = [(spec.step, index) for spec in (p.spec for p in made) for _, index in spec.samples]
    unusable = {index for index in range(100) if index in holes or index % 7 == 0}
    used = [value for prepared in made for value, _ in prepared.batch]
    assert used == [next(i for i in range(index, 100) if i not in unusable) for _, index in places]
    skips = [skip for prepared in made for skip in prepared.skipped if not skip.kept]
    assert [(skip.step, skip.index) for skip in skips] == [place for place in places if place[1] in unusable]
    assert all((skip.kind == "no caption") == (skip.index in holes) for skip in skips)
    cuts = [skip for prepared in made for skip in prepared.skipped if skip.kept]
    assert sum(value % 5 == 0 for value in used) == len(cuts)
    assert made[-1].spec.taken == {"a": 20}, "a hole moves no position"


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_change_nothing_whatever_their_number(workers: int) -> None:
    builder = BatchBuilder({"a": Holey({1, 2, 11}), "b": Holey({4})}, OneByOne(), (3, 1))  # type: ignore[dict-item]
    assert build(builder, workers=workers, ahead=4) == build(builder, workers=0)


@given(st.integers(0, 40), st.integers(1, 9), st.integers(1, 4))
def test_the_shards_of_all_processes_are_the_step(batch: int, processes: int, parts: int) -> None:
    whole = next(batch_specs(Mixture({"a": 1, "b": 2}), batch, range(7, 8), {"a": 3, "b": 6}, {}))
    shards = [shard(whole, rank, processes) for rank in range(processes)]
    assert sum((part.samples for part in shards), ()) == whole.samples
    assert all(part.taken == whole.taken and part.step == whole.step for part in shards)
    assert all(whole.samples[part.first : part.first + len(part.samples)] == part.samples for part in shards)
    sizes = [len(part.samples) for part in shards]
    assert max(sizes) - min(sizes) <= 1
    nested = [shard(part, number, parts) for part in shards for number in range(parts)]
    assert sum((part.samples for part in nested), ()) == whole.samples
    assert all(whole.samples[part.first : part.first + len(part.samples)] == part.samples for part in nested)


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_a_step_that_is_split_among_processes_holds_what_it_holds_whole(processes: int) -> None:
    builder = BatchBuilder({"a": Holey({1, 5}), "b": Holey(set())}, OneByOne(), (3, 1))  # type: ignore[dict-item]
    specs = list(batch_specs(Mixture({"a": 1, "b": 3}), 8, range(4), {}, {}))
    whole = [builder[spec] for spec in specs]
    split = [[builder[shard(spec, rank, processes)] for rank in range(processes)] for spec in specs]
    assert [prepared.batch for prepared in whole] == [sum((one.batch for one in parts), ()) for parts in split]
    assert [prepared.skipped for prepared in whole] == [sum((one.skipped for one in parts), ()) for parts in split]
    with pytest.raises(ValueError, match=r"rank 2 is not in 0 .. 1"):
        shard(specs[0], 2, 2)


def test_strict_stops_at_an_example_that_cannot_be_used() -> None:
    builder = BatchBuilder({"a": Holey({6})}, OneByOne(), (0,), strict=True)  # type: ignore[dict-item]
    with pytest.raises(DataError, match="example 0 of source 'a': far too long"):
        build(builder)
    plain = BatchBuilder({"a": Holey({6})}, Whole(), (0,), strict=True)  # type: ignore[dict-item]
    with pytest.raises(DataError, match="example 6 of source 'a': line 3: no caption"):
        build(plain)


def test_a_source_of_which_nothing_can_be_used_is_given_up_with_its_kinds() -> None:
    missing = PictureError("there is no file 'x.jpg'", "missing picture")
    builder = BatchBuilder({"a": Holey(set(range(5, 200)), missing)}, Whole(), (0,))  # type: ignore[dict-item]
    with pytest.raises(DataError) as caught:
        build(builder)
    assert str(caught.value).splitlines() == [
        "source 'a': 64 examples in a row, from 5 on, cannot be used: 64 × missing picture",
        "source 'a': the first with missing picture: there is no file 'x.jpg'",
    ]


def test_examples_are_looked_at_without_minding_holes() -> None:
    assert list(usable(Holey({0, 2, 3}), 6)) == [1, 4, 5]  # type: ignore[arg-type]
    assert list(usable(Holey({4}, IndexError("the end")), 9)) == [0, 1, 2, 3]  # type: ignore[arg-type]
    spec = BatchSpec(2, (("a", 0), ("a", 1)), {"a": 2})
    assert BatchBuilder({"a": Holey({0})}, Whole(), (0,))[spec].skipped == (  # type: ignore[dict-item]
        SkippedSample(2, "a", 0, "no caption", "line 3: no caption"),
    )
