"""The figures of a run as a live table: each loss with its history, and the throughput."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from math import isnan, nan

from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ...units import count, size
from .log import LogEntry

_KEPT = 32
"""Values of each loss that its sparkline shows."""

_SIDE_BY_SIDE = 84
"""Width of a terminal, in columns, from which losses and figures are side by side."""

_LEVELS = "▁▂▃▄▅▆▇█"


class Dashboard:
    """Shows the newest entry of a log. ``clear`` drops the losses of a finished stage."""

    def __init__(self) -> None:
        self._entry: LogEntry | None = None
        self._losses: dict[str, deque[float]] = {}

    def clear(self) -> None:
        self._entry = None
        self._losses = {}

    def take(self, entry: LogEntry) -> None:
        self._entry = entry
        for name, value in values(entry).items():
            self._losses.setdefault(name, deque(maxlen=_KEPT)).append(nan if value is None else value)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._entry is None:
            return
        whole = Table.grid(padding=(0, 4))
        parts = [self._loss_table(), _grid(facts(self._entry), columns=2)]
        if options.max_width >= _SIDE_BY_SIDE:
            whole.add_row(*parts)
        else:
            for part in parts:
                whole.add_row(part)
        yield Padding(whole, (0, 0, 0, 2))

    def _loss_table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for name, history in self._losses.items():
            shown = _shown(None if isnan(history[-1]) else history[-1], 4)
            table.add_row(Text(name, style="cyan"), Text(shown, style="bold", justify="right"), sparkline(history))
        return table


def values(entry: LogEntry) -> dict[str, float | None]:
    """The losses of an entry; None for those without a prediction that counts, as where no step was finite."""
    return {name: entry.losses.get(name) for name in {**entry.losses, **entry.predictions}}


def _shown(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}g}"


def facts(entry: LogEntry) -> list[tuple[str, str]]:
    """The figures of an entry beside its losses, as (name, value); unknown ones are left out."""
    shown = [("learning rate", f"{entry.learning_rate:.3g}"), ("gradient norm", _shown(entry.grad_norm, 3))]
    if entry.tokens_per_second is not None:
        shown.append(("tokens/s", count(round(entry.tokens_per_second))))
    shown.append(("samples/s", f"{entry.samples_per_second:.3g}"))
    if entry.mfu is not None:
        shown.append(("MFU", f"{100 * entry.mfu:.1f} %"))
    if entry.packing is not None:
        shown.append(("packing", f"{100 * entry.packing:.1f} %"))
    shown.append(("data wait", f"{100 * entry.data_wait:.1f} %"))
    if entry.memory:
        shown.append(("memory", size(entry.memory)))
    shown += [(name, f"{value:.4g}") for name, value in entry.figures.items()]
    if entry.skipped_steps:
        shown.append(("skipped steps", str(entry.skipped_steps)))
    return shown


def sparkline(values: Iterable[float]) -> str:
    """The values as bars of eight heights, the highest for the largest; a blank for values that are not finite."""
    values = list(values)
    finite = [value for value in values if abs(value) < float("inf")]
    if not finite:
        return ""
    low, span = min(finite), max(finite) - min(finite)
    top = len(_LEVELS) - 1

    def bar(value: float) -> str:
        if value not in finite:
            return " "
        return _LEVELS[round((value - low) / span * top) if span > 0 else 0]

    return "".join(bar(value) for value in values)


def _grid(pairs: Sequence[tuple[str, str]], columns: int) -> Table:
    table = Table.grid(padding=(0, 2))
    height = -(-len(pairs) // columns)
    for row in range(height):
        cells: list[Text] = []
        for name, value in pairs[row::height]:
            cells += [Text(name, style="dim"), Text(value, justify="right")]
        table.add_row(*cells)
    return table
