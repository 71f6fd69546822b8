"""The live table of a study: cells in rows, seeds in columns, and what every run does."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..console import SafeConsole
from .prepare import PreparedStudy
from .run_place import RunPlace, Status
from .study import Cell

_STYLES = {"done": "green", "failed": "red", "running": "cyan", "waiting": "yellow", "stopped": "yellow"}


class Watch:
    """Shows the states of all runs on standard error: a live table on a terminal, else a line for each change."""

    def __init__(self, prepared: PreparedStudy, console: Console | None = None) -> None:
        self.prepared = prepared
        self.console = console or SafeConsole(stderr=True)
        self._live = Live(console=self.console, refresh_per_second=2) if self.console.is_terminal else None
        self._last: dict[tuple[str, int], tuple[str, str]] = {}

    def say(self, sentence: str) -> None:
        """Print a line that stays."""
        self.console.print(sentence, markup=False, soft_wrap=True)

    def update(self) -> None:
        """Show the states as they are now."""
        if self._live is not None:
            self._live.update(self._table())
            return
        for cell, seed in self.prepared.study.runs():
            place = self.prepared.folder.place(cell.name, seed)
            status = place.status()
            stage = next(reversed(list(status.stages)), "") if status.state == "running" else ""
            now = (status.state, stage or status.reason)
            if self._last.get((cell.name, seed), ("planned", "")) != now:
                self._last[cell.name, seed] = now
                detail = f": {now[1]}" if now[1] else ""
                self.say(f"{cell.name}, seed {seed}: {status.state}{detail}")

    def _table(self) -> Table:
        study = self.prepared.study
        table = Table(box=None, pad_edge=False, title=self._title(), title_justify="left")
        table.add_column("cell")
        for seed in study.settings.all_seeds:
            table.add_column(f"seed {seed}")
        for cell in study.cells:
            table.add_row(cell.name, *(self._cell(cell, seed) for seed in study.settings.all_seeds))
        return table

    def _title(self) -> str:
        runs = list(self.prepared.study.runs())
        done = sum(self.prepared.folder.place(cell.name, seed).status().state == "done" for cell, seed in runs)
        return f"{self.prepared.study.name}: {done} of {len(runs)} runs done"

    def _cell(self, cell: Cell, seed: int) -> Text:
        place = self.prepared.folder.place(cell.name, seed)
        status = place.status()
        return Text(_words(place, status), style=_STYLES.get(status.state, "dim"))

    def __enter__(self) -> Watch:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.update()
        if self._live is not None:
            self._live.stop()


def _words(place: RunPlace, status: Status) -> str:
    if status.state != "running":
        return status.state if status.state != "failed" else f"failed: {status.reason[:40]}"
    if status.reason:
        return status.reason
    entry = _last_entry(place.run / "log.jsonl")
    stage = next(reversed(list(status.stages)), "")
    if entry.get("stage") == stage:
        return f"{stage} {entry.get('step', 0)}/{entry.get('steps', '?')}"
    return stage or "starting"


def _last_entry(path: Path) -> dict[str, object]:
    """The last whole line of a log; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 8192))
            lines = [line for line in file.read().split(b"\n")[:-1] if line.startswith(b"{")]
        value = json.loads(lines[-1]) if lines else {}
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
