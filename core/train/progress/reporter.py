"""The terminal's view of a run: bars and a live table, or a line every ten seconds where output goes elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ...console import SafeConsole
from ...units import count
from .dashboard import Dashboard, values
from .log import LogEntry

_SECONDS_BETWEEN_LINES = 10.0


class Reporter:
    """Shows stages, steps, losses and messages on the console (standard error by default)."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or SafeConsole(stderr=True)
        self._live: Live | None = None
        self._task: TaskID | None = None
        self._last_line = float("-inf")
        self._began, self._done = time.monotonic(), 0
        self._dashboard = Dashboard()
        self._bars = Progress(
            TextColumn("{task.description}", markup=False, style="bold"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
        )
        if self.console.is_terminal:
            self._live = Live(Group(self._bars, self._dashboard), console=self.console, refresh_per_second=4)

    def say(self, message: str) -> None:
        """Print a line that stays."""
        self.console.print(message, markup=False, soft_wrap=True)

    def stage(self, name: str, done: int, steps: int) -> None:
        """Begin or resume a stage, of which ``done`` steps are done."""
        self._last_line = float("-inf")
        self._began, self._done = time.monotonic(), done
        self._dashboard.clear()
        if self._live is not None:
            if self._task is not None:
                self._bars.stop_task(self._task)
            self._task = self._bars.add_task(name, total=steps, completed=done)
        else:
            self.say(f"{name}: {steps} steps" + (f", {done} of them done" if done else ""))

    def advance(self) -> None:
        """Advance the bar by a step, without waiting for the device."""
        if self._live is not None and self._task is not None:
            self._bars.advance(self._task)

    def entry(self, entry: LogEntry) -> None:
        """Show the figures of the last steps."""
        self._dashboard.take(entry)
        if self._live is not None:
            return
        now = time.monotonic()
        if entry.step == entry.steps or now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            left = (now - self._began) / max(entry.step - self._done, 1) * (entry.steps - entry.step)
            self.say(f"{entry.stage} {entry.step}/{entry.steps}  {_line(entry)}  {_minutes(left)} left")

    def __enter__(self) -> Reporter:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()


def _line(entry: LogEntry) -> str:
    """An entry on one line, for the logs of batch systems."""
    pieces = [f"{name} {'–' if value is None else f'{value:.4g}'}" for name, value in values(entry).items()]
    pieces.append(f"lr {entry.learning_rate:.3g}")
    if entry.tokens_per_second is not None:
        pieces.append(f"{count(round(entry.tokens_per_second))} tokens/s")
    pieces.append(f"{entry.samples_per_second:.3g} samples/s")
    if entry.mfu is not None:
        pieces.append(f"MFU {100 * entry.mfu:.0f} %")
    if entry.data_wait >= 0.01:
        pieces.append(f"data wait {100 * entry.data_wait:.0f} %")
    if entry.skipped_steps:
        pieces.append(f"{entry.skipped_steps} step{'s' if entry.skipped_steps > 1 else ''} skipped")
    return "  ".join(pieces)


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min" if seconds < 5400 else _hours(seconds)


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"
