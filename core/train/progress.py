"""What a person sees of a run: a bar per stage in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .log import Entry

_SECONDS_BETWEEN_LINES = 10.0


class Reporter:
    """Shows stages, steps, losses and messages on the console (standard error by default)."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, soft_wrap=True, highlight=False)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._spoken = float("-inf")
        self._began, self._done = time.monotonic(), 0
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                TextColumn("{task.completed}/{task.total}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[losses]}", markup=False),
                console=self.console,
                refresh_per_second=4,
            )

    def say(self, message: str) -> None:
        """A line that stays."""
        self.console.print(message, markup=False)

    def stage(self, name: str, done: int, steps: int) -> None:
        """A stage begins, or goes on, with ``done`` of its steps behind it."""
        self._spoken = float("-inf")
        self._began, self._done = time.monotonic(), done
        if self._bar is not None:
            self._task = self._bar.add_task(name, total=steps, completed=done, losses="")
        else:
            self.say(f"{name}: {steps} steps" + (f", {done} of them done" if done else ""))

    def advance(self) -> None:
        """One step more; never looks at a tensor."""
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)

    def entry(self, entry: Entry) -> None:
        """The figures of the last steps."""
        losses = "  ".join(f"{name} {value:.4g}" for name, value in entry.losses.items())
        rate = f"{entry.samples_per_second:.3g} samples/s"
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, losses=f"{losses}  {rate}")
            return
        now = time.monotonic()
        if entry.step == entry.steps or now - self._spoken >= _SECONDS_BETWEEN_LINES:
            self._spoken = now
            left = (now - self._began) / max(entry.step - self._done, 1) * (entry.steps - entry.step)
            self.say(f"{entry.stage} {entry.step}/{entry.steps}  {losses}  {rate}  {_minutes(left)} left")

    def __enter__(self) -> Reporter:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
