"""Batches made ahead of the step that needs them, in worker processes.

What a batch holds follows from the seed, the stage, the step and the positions of the sources alone; workers change
when it is made, never what it is. A ticket says what the whole step takes, whatever the number of processes that train,
and ``share`` cuts out what one of them prepares.

An example that cannot be used is replaced by the next one of its source that can, for this one place in the step only:
positions count on as if it had been used, so that they depend on no file's state, and neither batches nor a resumed run
shift. That next example comes again in its own turn.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from attrs import evolve, field, frozen
from torch.utils.data import DataLoader, Dataset

from ...contracts import Source
from ...contracts.factories import make
from ...errors import JaniformError, PictureError, Problem, RecipeError, SampleError
from ...recipe import Recipe
from ...sequence.conversation import Conversation
from .mixture import Mixture
from .skipped_samples import Skip

AHEAD = 4
"""Batches that wait ready at most."""

PATIENCE = 64
"""Unusable examples in a row after which a source is given up."""

UNUSABLE = (SampleError, PictureError)
"""What a source or an objective raises where only the one example is to blame."""


class DataError(JaniformError):
    """A source or the preparation of its examples failed."""


@frozen
class Ticket:
    """What one step takes: sample indices by source in order, and the sources' positions after the whole step.

    ``first`` is the place in the step of the first sample here, which is not 0 in a later share of a step.
    """

    step: int
    samples: tuple[tuple[str, int], ...]
    positions: dict[str, int]
    first: int = 0


@frozen
class Prepared:
    """A batch, or the reason that there is none; and which examples were passed over, or cut, on the way to it."""

    ticket: Ticket
    batch: Any = None
    problems: tuple[Problem, ...] = field(default=())
    skips: tuple[Skip, ...] = field(default=())

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


def share(ticket: Ticket, rank: int, world: int) -> Ticket:
    """What process ``rank`` of ``world`` prepares of a step: a contiguous slice, in sizes that differ by one at most.

    The shares of all ranks in order are the step. A share may be shared further, as into micro-batches.
    """
    if not 0 <= rank < world:
        raise ValueError(f"rank {rank} is none of {world}")
    count = len(ticket.samples)
    start, stop = count * rank // world, count * (rank + 1) // world
    return evolve(ticket, samples=ticket.samples[start:stop], first=ticket.first + start)


Prepare = Callable[[Sequence[Any], np.random.Generator], Any]
"""``Objective.prepare``: conversations and a generator to a batch."""

PrepareOne = Callable[[Any, np.random.Generator, Callable[[str, str], None]], Any]
"""``Objective.prepare_one``: a conversation, a generator and a way to note what was cut, to one prepared example."""

Join = Callable[[Sequence[Any]], Any]
"""``Objective.join``: prepared examples to a batch."""


@frozen
class Kitchen(Dataset[Prepared]):
    """Makes the batch of a ticket: reads the examples and prepares them.

    Each example is prepared by itself where there is ``prepare_one``, with a generator seeded by ``entropy`` (seed and
    stage), the step and its place in the step; else all together by ``prepare``, with one for the step.

    Args:
        strict: an example that cannot be used is a problem, instead of being replaced.
    """

    sources: Mapping[str, Source]
    prepare: Prepare
    entropy: tuple[int, ...]
    prepare_one: PrepareOne | None = None
    join: Join | None = None
    strict: bool = False

    @classmethod
    def of(
        cls, sources: Mapping[str, Source], objective: object, entropy: tuple[int, ...], *, strict: bool = False
    ) -> Kitchen:
        """With what an objective has to prepare examples."""
        one, join = (getattr(objective, name, None) for name in ("prepare_one", "join"))
        return cls(sources, cast(Any, objective).prepare, entropy, one, join, strict)

    def __getitem__(self, ticket: Ticket) -> Prepared:
        cook = _Cook(self, ticket)
        try:
            return Prepared(ticket, cook.batch(), skips=tuple(cook.skips))
        except JaniformError as error:
            problems = tuple(Problem(f"{cook.where}: {problem}") for problem in error.problems)
            return Prepared(ticket, problems=problems, skips=tuple(cook.skips))
        except Exception as error:
            said = f"{cook.where} failed: {type(error).__name__}: {error}{_place(error)}"
            return Prepared(ticket, problems=(Problem(said),), skips=tuple(cook.skips))


class _Cook:
    """The making of one batch. ``where`` says what is being worked on."""

    def __init__(self, kitchen: Kitchen, ticket: Ticket) -> None:
        self.kitchen = kitchen
        self.ticket = ticket
        self.skips: list[Skip] = []
        self.where = ""

    def batch(self) -> Any:
        kitchen, ticket = self.kitchen, self.ticket
        parts = [self.part(place, *sample) for place, sample in enumerate(ticket.samples, start=ticket.first)]
        self.where = f"the batch of step {ticket.step + 1}"
        if kitchen.join is not None:
            return kitchen.join(parts)
        return kitchen.prepare(parts, self.chance(*([ticket.first] if ticket.first else [])))

    def part(self, place: int, source: str, index: int) -> Any:
        """The example, prepared if it can be by itself; or the next of its source that can be used."""
        first: dict[str, str] = {}
        kinds: Counter[str] = Counter()
        for tried in range(index, index + PATIENCE):
            self.where = f"example {tried} of source '{source}'"
            try:
                example = self.kitchen.sources[source].example(tried)
                if self.kitchen.prepare_one is None:
                    return example
                note = partial(self.note, source, tried, True)
                return self.kitchen.prepare_one(example, self.chance(place), note)
            except UNUSABLE as error:
                if self.kitchen.strict:
                    raise
                if tried == index:  # those after it are counted in their own turn
                    self.note(source, tried, False, error.kind, str(error))
                kinds[error.kind] += 1
                first.setdefault(error.kind, str(error))
        counted = ", ".join(f"{count} × {kind}" for kind, count in kinds.most_common())
        self.where = f"source '{source}'"
        raise DataError(
            [
                Problem(f"{PATIENCE} examples in a row, from {index} on, cannot be used: {counted}"),
                *(Problem(f"the first with {kind}: {said}") for kind, said in first.items()),
            ]
        )

    def note(self, source: str, index: int, kept: bool, kind: str, said: str) -> None:
        self.skips.append(Skip(self.ticket.step, source, index, kind, said, kept))

    def chance(self, *place: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence((*self.kitchen.entropy, self.ticket.step, *place)))


def open_sources(recipe: Recipe, names: Iterable[str]) -> dict[str, Source]:
    """Build the named sources of a recipe.

    Raises:
        RecipeError: what is wrong with all of them, each with the place of its table.
    """
    found: dict[str, Source] = {}
    problems: list[Problem] = []
    for name in dict.fromkeys(names):
        use, path = recipe.sources[name], f"source.{name}"
        try:
            found[name] = make(use.component, use.config)
        except JaniformError as error:
            origin = recipe.origins.get(f"{path}.use")
            problems += [evolve(problem, path=path, origin=problem.origin or origin) for problem in error.problems]
    if problems:
        raise RecipeError(problems)
    return found


def usable(source: Source, count: int) -> Iterator[Conversation]:
    """The examples that can be used among the first ``count`` of a source; fewer where it is finite and shorter."""
    for index in range(count):
        try:
            yield source.example(index)
        except UNUSABLE:
            continue
        except IndexError:
            return


def batches(
    kitchen: Kitchen, orders: Iterator[Ticket], *, ahead: int = AHEAD, pin: bool = False, workers: int = 1
) -> Generator[Prepared]:
    """Batches in the order of the tickets, made ahead in worker processes (a thread where processes cannot fork).

    Args:
        ahead: batches that may wait ready, at least one for each worker; 0 makes each where it is asked for.
        pin: put the tensors in page-locked memory, for copies to a GPU that nothing waits for.
        workers: how many processes; each makes whole batches. 0 is the same as none ahead.

    Raises:
        DataError: a source or the preparation failed, or a worker died.
    """
    if ahead == 0 or workers == 0:
        made: Generator[Prepared] = (kitchen[order] for order in orders)
    elif "fork" in multiprocessing.get_all_start_methods():
        made = _in_processes(kitchen, orders, ahead, pin, workers)
    else:
        made = _in_thread(kitchen, orders, ahead)
    with contextlib.closing(made):
        for prepared in made:
            if prepared.problems:
                raise DataError(prepared.problems)
            yield prepared


def _in_processes(
    kitchen: Kitchen, orders: Iterator[Ticket], ahead: int, pin: bool, workers: int
) -> Generator[Prepared]:
    loader = DataLoader(
        kitchen,
        batch_size=None,
        sampler=_Once(orders),
        num_workers=workers,
        prefetch_factor=-(-ahead // workers),
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
        # Its frames hold the loader, which ends the other workers when nothing holds it any more.
        traceback.clear_frames(error.__traceback__)
        raise DataError(f"the process that prepares batches ended: {error}") from error


class _Once:
    """A sampler over tickets; DataLoader wants something that it can iterate and nothing else of it."""

    def __init__(self, orders: Iterator[Ticket]) -> None:
        self._orders = orders

    def __iter__(self) -> Iterator[Ticket]:
        return self._orders


def _start_worker(_: int) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    # Ctrl-C and the SIGTERM of a job that has to go reach all its processes; the run decides when the worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_when_told, args=(os.getppid(),), daemon=True, name="end").start()


def _end_when_told(parent: int) -> None:
    """End this process at a SIGTERM of its parent's, and at nobody else's."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)


def _in_thread(kitchen: Kitchen, orders: Iterator[Ticket], ahead: int) -> Generator[Prepared]:
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
