"""Batches prepared ahead of the step that needs them, in worker processes.

Workers decide when a batch is made, never what it holds.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Generator, Iterator
from functools import partial

import torch
from torch.utils.data import DataLoader

from ...errors import Problem
from .builder import BatchBuilder, DataError, PreparedBatch
from .specs import BatchSpec

AHEAD = 4
"""Batches that wait ready at most."""
PARENT_CHECK_SECONDS = 0.25
"""Seconds between two checks of a worker whether its parent, which may have been killed, is still there."""


def batches(
    builder: BatchBuilder, specs: Iterator[BatchSpec], *, ahead: int = AHEAD, pin: bool = False, workers: int = 1
) -> Generator[PreparedBatch]:
    """Yield batches in the order of their specs, made ahead in worker processes (a thread where processes cannot fork).

    Args:
        ahead: batches that may wait ready, at least one for each worker; 0 makes each when it is needed.
        pin: put the tensors in page-locked memory, for asynchronous copies to a GPU.
        workers: the number of processes, at most ``most_workers()``; each makes whole batches. 0 is the same as
            ``ahead=0``.

    Raises:
        DataError: a source or the preparation failed, or a worker died or could not be started.
    """
    if ahead == 0 or workers == 0:
        made: Generator[PreparedBatch] = (builder[spec] for spec in specs)
    elif "fork" in multiprocessing.get_all_start_methods():
        made = _in_processes(builder, specs, ahead, pin, min(workers, most_workers()))
    else:
        made = _in_thread(builder, specs, ahead)
    with contextlib.closing(made):
        for prepared in made:
            if prepared.problems:
                raise DataError(prepared.problems)
            yield prepared


def most_workers() -> int:
    """Processes that prepare batches at most: more than two per CPU core take memory and save no time."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(8, 2 * cores)


_UNTIL_SIGNAL = 1.0
"""The longest time in seconds until the signal of a worker that ended arrives."""


def _in_processes(
    builder: BatchBuilder, specs: Iterator[BatchSpec], ahead: int, pin: bool, workers: int
) -> Generator[PreparedBatch]:
    loader = DataLoader(
        builder,
        batch_size=None,
        sampler=_Once(specs),
        num_workers=workers,
        prefetch_factor=-(-ahead // workers),
        worker_init_fn=partial(_start_worker, os.getpid()),
        multiprocessing_context="fork",
        pin_memory=pin,
        # A generator of its own: without one, a loader that starts draws a number from the training's.
        generator=torch.Generator(),
    )
    try:
        yield from _reported(_started(loader))
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        # The error's frames hold the loader, which ends the other workers once it is released.
        traceback.clear_frames(error.__traceback__)
        raise DataError(f"the process that prepares batches ended: {error}") from error


def _reported(made: Iterator[PreparedBatch]) -> Iterator[PreparedBatch]:
    """The batches. A worker that ends while its batch is received is reported by the RuntimeError of any that ends."""
    try:
        yield from made
    except (EOFError, ConnectionError) as error:
        # Torch's handler of SIGCHLD raises the error that names the worker. Here it interrupts the wait and is caught;
        # later it would interrupt whatever the caller does next.
        time.sleep(_UNTIL_SIGNAL)
        raise RuntimeError(f"DataLoader worker ended while a batch was received: {type(error).__name__}") from error


def _started(loader: DataLoader[PreparedBatch]) -> Iterator[PreparedBatch]:
    try:
        return iter(loader)
    except OSError as error:
        traceback.clear_frames(error.__traceback__)
        raise DataError(
            Problem(
                f"{loader.num_workers} processes that prepare batches could not be started: {error.strerror or error}",
                "training.workers",
                hint="set a lower number, or 0 to prepare batches between steps",
            )
        ) from error


class _Once:
    """A sampler over specs; all that DataLoader does with it is iterate."""

    def __init__(self, specs: Iterator[BatchSpec]) -> None:
        self._specs = specs

    def __iter__(self) -> Iterator[BatchSpec]:
        return self._specs


def _start_worker(parent: int, _: int) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    # Ctrl-C and a job's SIGTERM reach all its processes; the run decides when the worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_with_parent, args=(parent,), daemon=True, name="end").start()


def _end_with_parent(parent: int) -> None:
    """End this process at a SIGTERM from its parent, or soon after the parent has ended; ignore other processes."""
    while os.getppid() == parent:
        received = signal.sigtimedwait({signal.SIGTERM}, PARENT_CHECK_SECONDS)
        if received is not None and received.si_pid == parent:
            break
    os._exit(0)


def _in_thread(builder: BatchBuilder, specs: Iterator[BatchSpec], ahead: int) -> Generator[PreparedBatch]:
    ready: queue.Queue[PreparedBatch | None] = queue.Queue(ahead)
    stopped = threading.Event()

    def put(item: PreparedBatch | None) -> bool:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        for spec in specs:
            if not put(builder[spec]):
                return
        put(None)

    thread = threading.Thread(target=work, daemon=True, name="batches")
    thread.start()
    try:
        yield from iter(partial(ready.get), None)
    finally:
        stopped.set()
        thread.join()
