"""The check that predictions made elsewhere are those of a benchmark's items."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..arguments import shown
from ..errors import Problem, UsageError


def check_joined(path: Path, given: Sequence[str], items: Sequence[str], *, allow_missing: bool) -> None:
    """Raise ``UsageError`` where predictions are for unknown items, or items have none, with the first ones of each."""
    chosen, present = set(items), set(given)
    unknown = [shown(item) for item in given if item not in chosen]
    missing = [] if allow_missing else [shown(item) for item in items if item not in present]
    problems = [
        Problem(f"'{path}': {len(names)} of {total} {what}: {', '.join(names[:5])}{' …' * (len(names) > 5)}", hint=hint)
        for names, total, what, hint in (
            (unknown, len(given), "predictions are for items that the data do not have", ""),
            (missing, len(items), "items have no prediction", "--allow-missing counts them as wrong"),
        )
        if names
    ]
    if problems:
        raise UsageError(problems)
