"""Progress of a command on stderr: a bar in a terminal, elsewhere one line per task."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..contracts import Progress


@contextmanager
def progress_shown() -> Iterator[Progress]:
    """Yield the function to call with (what, done, of). The bars disappear when the context ends."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    from ..console import SafeConsole

    console = SafeConsole(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    tasks: dict[str, object] = {}
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:

        def report(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=of)
                if not console.is_terminal:
                    console.print(f"{what} …")
            bars.update(tasks[what], completed=done, total=of)  # type: ignore[arg-type]

        yield report
