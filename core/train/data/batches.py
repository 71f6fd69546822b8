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
import traceback
from collections.abc import Generator, Iterator
from functools import partial

import torch
from torch.utils.data import DataLoader

from .builder import BatchBuilder, DataError, PreparedBatch
from .specs import BatchSpec

AHEAD = 4
"""Batches that wait ready at most."""


def batches(
    builder: BatchBuilder, specs: Iterator[BatchSpec], *, ahead: int = AHEAD, pin: bool = False, workers: int = 1
) -> Generator[PreparedBatch]:
    """Yield batches in the order of their specs, made ahead in worker processes (a thread where processes cannot fork).

    Args:
        ahead: batches that may wait ready, at least one for each worker; 0 makes each when it is needed.
        pin: put the tensors in page-locked memory, for asynchronous copies to a GPU.
        workers: the number of processes; each makes whole batches. 0 is the same as ``ahead=0``.

    Raises:
        DataError: a source or the preparation failed, or a worker died.
    """
    if ahead == 0 or workers == 0:
        made: Generator[PreparedBatch] = (builder[spec] for spec in specs)
    elif "fork" in multiprocessing.get_all_start_methods():
        made = _in_processes(builder, specs, ahead, pin, workers)
    else:
        made = _in_thread(builder, specs, ahead)
    with contextlib.closing(made):
        for prepared in made:
            if prepared.problems:
                raise DataError(prepared.problems)
            yield prepared


def _in_processes(
    builder: BatchBuilder, specs: Iterator[BatchSpec], ahead: int, pin: bool, workers: int
) -> Generator[PreparedBatch]:
    loader = DataLoader(
        builder,
        batch_size=None,
        sampler=_Once(specs),
        num_workers=workers,
        prefetch_factor=-(-ahead // workers),
        worker_init_fn=_start_worker,
        multiprocessing_context="fork",
        pin_memory=pin,
        # A generator of its own: without one, a loader that starts draws a number from the training's.
        generator=torch.Generator(),
    )
    try:
        yield from loader
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        # The error's frames hold the loader, which ends the other workers once it is released.
        traceback.clear_frames(error.__traceback__)
        raise DataError(f"the process that prepares batches ended: {error}") from error


class _Once:
    """A sampler over specs; all that DataLoader does with it is iterate."""

    def __init__(self, specs: Iterator[BatchSpec]) -> None:
        self._specs = specs

    def __iter__(self) -> Iterator[BatchSpec]:
        return self._specs


def _start_worker(_: int) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    # Ctrl-C and a job's SIGTERM reach all its processes; the run decides when the worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True, name="end").start()


def _end_with_parent(parent: int) -> None:
    """End this process at a SIGTERM from its parent; ignore those from other processes."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
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
