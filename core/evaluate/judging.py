"""Judgements of outputs: one at a time, or several where a benchmark waits for another model's answers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

from ..contracts import Item, Progress, Request
from ..errors import ComponentError, Problem
from .checked import CheckedBenchmark, JudgeError
from .store import shortened

if TYPE_CHECKING:
    from PIL.Image import Image

Judged = tuple[Request, Callable[[], "str | Image"]]
"""A request, and what gives its output, which may be read from a file."""

_Result = list[Item] | BaseException


class Judging:
    """Judges the outputs of a benchmark, and keeps what its judge failed for. ``total``: all that will be judged.

    ``progress`` is called in the thread of the caller.
    """

    def __init__(self, benchmark: CheckedBenchmark, total: int, progress: Progress) -> None:
        self.benchmark, self.total, self.progress = benchmark, total, progress
        self.failures: list[tuple[str, str]] = []
        """The items that were not judged, in the order of the requests, each with the reason."""
        self._done = 0

    def items(self, outputs: Sequence[Judged]) -> list[list[Item]]:
        """The items of each output, in their order; none for one that the judge failed for.

        Where an error other than of the judge is raised, as by a benchmark that breaks its contract, or where Ctrl-C
        is pressed, no further output is judged.
        """
        items: dict[int, list[Item]] = {}
        failures: dict[int, str] = {}
        with closing(self._results(outputs)) as results:
            for number, result in results:
                if isinstance(result, JudgeError):
                    failures[number] = str(result)
                elif isinstance(result, BaseException):
                    raise result
                else:
                    items[number] = result
                self._done += 1
                self.progress("judging", self._done, self.total)
        self.failures += [(outputs[number][0].item, failures[number]) for number in sorted(failures)]
        return [items.get(number, []) for number in range(len(outputs))]

    def check(self, *, allow_failures: bool, hint: str = "") -> None:
        """Raise ``ComponentError`` where outputs were not judged, unless that is allowed and others were.

        ``hint``: where the outputs are kept.
        """
        if not self.failures or (allow_failures and len(self.failures) < self._done):
            return
        names = [name for name, _ in self.failures]
        message = f"{len(names)} of {self._done} outputs were not judged: {shortened(names)}"
        allowed = "allow failures, and the others are scored"
        raise ComponentError(
            [Problem(self.failures[0][1]), Problem(message, hint=f"{hint}; or {allowed}" if hint else allowed)]
        )

    def _results(self, outputs: Sequence[Judged]) -> Generator[tuple[int, _Result]]:
        """The result of each output with its number, as soon as it is there."""
        threads = min(self.benchmark.judged_at_once, len(outputs))
        if threads <= 1:  # some judges, as those that compute, belong to the thread of the caller
            yield from ((number, self._result(*each)) for number, each in enumerate(outputs))
            return
        results: SimpleQueue[tuple[int, _Result]] = SimpleQueue()
        waiting, lock, stopped = iter(enumerate(outputs)), Lock(), Event()

        def work() -> None:
            while not stopped.is_set():
                with lock:
                    number, each = next(waiting, (-1, None))
                if each is None:
                    return
                try:
                    result = self._result(*each)
                except BaseException as error:  # the caller waits for a result of every output
                    result = error
                results.put((number, result))

        # As daemons they do not keep the program after Ctrl-C, until an endpoint answers that will not be heard.
        for _ in range(threads):
            Thread(target=work, name="janiform-judge", daemon=True).start()
        try:
            for _ in outputs:
                yield results.get()
        finally:
            stopped.set()

    def _result(self, request: Request, output: Callable[[], str | Image]) -> _Result:
        try:
            return self.benchmark.judge(request, output())
        except Exception as error:
            return error
