"""Batches made ahead of the step that needs them, in one worker process.

What a batch holds follows from the seed, the stage, the step and the positions of the sources alone; the worker changes
when it is made, never what it is.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from attrs import evolve, field, frozen
from torch.utils.data import DataLoader, Dataset

from ..contracts import Source
from ..errors import JaniformError, Problem
from .mixture import Mixture

AHEAD = 4
"""Batches that wait ready at most."""


class DataError(JaniformError):
    """A source or the preparation of its examples failed."""


@frozen
class Ticket:
    """What one step takes: sample indices by source in order, and the sources' positions after it."""

    step: int
    samples: tuple[tuple[str, int], ...]
    positions: dict[str, int]


@frozen
class Prepared:
    """A batch, or the reason that there is none."""

    ticket: Ticket
    batch: Any = None
    problems: tuple[Problem, ...] = field(default=())

    def pin_memory(self) -> Prepared:
        """The same in page-locked memory, where the batch knows how."""
        return evolve(self, batch=self.batch.pin_memory()) if hasattr(self.batch, "pin_memory") else self


def tickets(
    mixture: Mixture, batch: int, steps: range, taken: Mapping[str, int], positions: Mapping[str, int]
) -> Iterator[Ticket]:
    """The tickets of some steps of a stage.

    Args:
        taken: samples taken from each source since the stage began, which the mixture goes by.
        positions: samples taken from each source since the run began, which is the index of its next sample.
    """
    taken, positions = dict(taken), dict(positions)
    for step in steps:
        samples = []
        for name in mixture.order(taken, batch):
            samples.append((name, positions.get(name, 0)))
            positions[name] = positions.get(name, 0) + 1
            taken[name] = taken.get(name, 0) + 1
        yield Ticket(step, tuple(samples), dict(positions))


Prepare = Callable[[Sequence[Any], np.random.Generator], Any]
"""``Objective.prepare``: conversations and a generator to a batch."""


@frozen
class Kitchen(Dataset[Prepared]):
    """Makes the batch of a ticket: reads the examples and prepares them.

    ``entropy`` (seed and stage) with the step seeds the generator that ``prepare`` gets.
    """

    sources: Mapping[str, Source]
    prepare: Prepare
    entropy: tuple[int, ...]

    def __getitem__(self, ticket: Ticket) -> Prepared:
        where = ""
        try:
            examples = []
            for name, index in ticket.samples:
                where = f"example {index} of source '{name}'"
                examples.append(self.sources[name].example(index))
            where = f"the batch of step {ticket.step + 1}"
            generator = np.random.default_rng(np.random.SeedSequence((*self.entropy, ticket.step)))
            return Prepared(ticket, self.prepare(examples, generator))
        except JaniformError as error:
            problems = tuple(Problem(f"{where}: {problem}") for problem in error.problems)
            return Prepared(ticket, problems=problems)
        except Exception as error:
            return Prepared(
                ticket, problems=(Problem(f"{where} failed: {type(error).__name__}: {error}{_place(error)}"),)
            )


def batches(
    kitchen: Kitchen, orders: Iterator[Ticket], *, ahead: int = AHEAD, pin: bool = False
) -> Generator[Prepared]:
    """Batches in the order of the tickets, made ahead in a worker process (a thread where processes cannot fork).

    Args:
        ahead: batches that may wait ready; 0 makes each where it is asked for.
        pin: put the tensors in page-locked memory, for copies to a GPU that nothing waits for.

    Raises:
        DataError: a source or the preparation failed, or the worker died.
    """
    if ahead == 0:
        made: Iterator[Prepared] = map(kitchen.__getitem__, orders)
    elif "fork" in multiprocessing.get_all_start_methods():
        made = _in_process(kitchen, orders, ahead, pin)
    else:
        made = _in_thread(kitchen, orders, ahead)
    for prepared in made:
        if prepared.problems:
            raise DataError(prepared.problems)
        yield prepared


def _in_process(kitchen: Kitchen, orders: Iterator[Ticket], ahead: int, pin: bool) -> Iterator[Prepared]:
    loader = DataLoader(
        kitchen,
        batch_size=None,
        sampler=_Once(orders),
        num_workers=1,
        prefetch_factor=ahead,
        worker_init_fn=_start_worker,
        multiprocessing_context="fork",
        pin_memory=pin,
        # Its own, since a loader that starts would otherwise take a number from the generator of the training.
        generator=torch.Generator(),
    )
    try:
        yield from loader
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise DataError(f"the process that prepares batches ended: {error}") from error


class _Once:
    """A sampler over tickets; DataLoader wants something that it can iterate and nothing else of it."""

    def __init__(self, orders: Iterator[Ticket]) -> None:
        self._orders = orders

    def __iter__(self) -> Iterator[Ticket]:
        return self._orders


def _start_worker(_: int) -> None:
    # Ctrl-C reaches the whole process group; the run decides when the worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def _in_thread(kitchen: Kitchen, orders: Iterator[Ticket], ahead: int) -> Iterator[Prepared]:
    ready: queue.Queue[Prepared | None] = queue.Queue(ahead)
    stopped = threading.Event()

    def put(item: Prepared | None) -> bool:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        for ticket in orders:
            if not put(kitchen[ticket]):
                return
        put(None)

    thread = threading.Thread(target=work, daemon=True, name="batches")
    thread.start()
    try:
        yield from iter(partial(ready.get), None)
    finally:
        stopped.set()
        thread.join()


def _place(error: Exception) -> str:
    """File and line at which an unexpected error arose: a plugin's author needs no more to find it."""
    trace = error.__traceback__
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})"
