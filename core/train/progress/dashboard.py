"""The figures of a run as a live table: each loss with the way it came, and what the machine does."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ...units import count, size
from .log import Entry

_KEPT = 32
"""Values of each loss that its line shows."""

_SIDE_BY_SIDE = 84
"""Columns of a terminal from which losses and figures stand beside each other."""

_LEVELS = "▁▂▃▄▅▆▇█"


class Dashboard:
    """Shows the newest entry of a log. ``clear`` forgets the losses of a stage that is over."""

    def __init__(self) -> None:
        self._entry: Entry | None = None
        self._losses: dict[str, deque[float]] = {}

    def clear(self) -> None:
        self._entry = None
        self._losses = {}

    def take(self, entry: Entry) -> None:
        self._entry = entry
        for name, value in entry.losses.items():
            self._losses.setdefault(name, deque(maxlen=_KEPT)).append(value)

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
        for name, values in self._losses.items():
            shown = f"{values[-1]:.4g}"
            table.add_row(Text(name, style="cyan"), Text(shown, style="bold", justify="right"), sparkline(values))
        return table


def facts(entry: Entry) -> list[tuple[str, str]]:
    """What is shown of an entry beside its losses, as (what, figure); what is not known is left out."""
    found = [("learning rate", f"{entry.learning_rate:.3g}"), ("gradient norm", f"{entry.grad_norm:.3g}")]
    if entry.tokens_per_second is not None:
        found.append(("tokens/s", count(round(entry.tokens_per_second))))
    found.append(("samples/s", f"{entry.samples_per_second:.3g}"))
    if entry.mfu is not None:
        found.append(("MFU", f"{100 * entry.mfu:.1f} %"))
    if entry.packing is not None:
        found.append(("packing", f"{100 * entry.packing:.1f} %"))
    found.append(("data wait", f"{100 * entry.data_wait:.1f} %"))
    if entry.memory:
        found.append(("memory", size(entry.memory)))
    found += [(name, f"{value:.4g}") for name, value in entry.figures.items()]
    if entry.skipped:
        found.append(("skipped", str(entry.skipped)))
    return found


def sparkline(values: Iterable[float]) -> str:
    """The values as bars of eight heights, the highest for the largest; a blank for what is no finite number."""
    values = list(values)
    known = [value for value in values if abs(value) < float("inf")]
    if not known:
        return ""
    low, span = min(known), max(known) - min(known)
    top = len(_LEVELS) - 1

    def bar(value: float) -> str:
        if value not in known:
            return " "
        return _LEVELS[round((value - low) / span * top) if span > 0 else 0]

    return "".join(bar(value) for value in values)


def _grid(pairs: Sequence[tuple[str, str]], columns: int) -> Table:
    table = Table.grid(padding=(0, 2))
    height = -(-len(pairs) // columns)
    for row in range(height):
        cells: list[Text] = []
        for what, figure in pairs[row::height]:
            cells += [Text(what, style="dim"), Text(figure, justify="right")]
        table.add_row(*cells)
    return table
