"""Arguments of public functions: those of plain types are checked before any work. Torch-free.

Numbers of numpy and of torch count as numbers; texts, truth values and None do not.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from numbers import Real
from typing import Any

from .errors import Problem, UsageError, nearest

MAX_SEED = 2**63 - 1
"""The largest random seed."""


def whole_number(name: str, value: Any, low: int = 0, high: int | None = None) -> int:
    """The value as an int. Raise ``UsageError`` unless it is a whole number from ``low`` to ``high``; 2.0 is not."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except (TypeError, ValueError, RuntimeError):  # torch raises any of them for a tensor
        number = None
    if number is not None and low <= number and (high is None or number <= high):
        return number
    bounds = f"of at least {low}" if high is None else f"from {low} to {'2^63 - 1' if high == MAX_SEED else high}"
    what = f"at least {low}" if number is not None and high is None else f"a whole number {bounds}"
    raise UsageError(f"{name} must be {what}, not {shown(value)}")


def number(name: str, value: Any, what: str = "a finite number", fits: Callable[[float], bool] | None = None) -> float:
    """The value as a float. Raise ``UsageError`` unless it is a finite number that fits; ``what`` says which do."""
    try:
        plain = value.item() if hasattr(value, "item") and not getattr(value, "ndim", 0) else value
        result = float(plain) if isinstance(plain, Real) and not isinstance(plain, bool) else math.nan
    except (OverflowError, ValueError, RuntimeError):
        result = math.nan
    if not math.isfinite(result) or (fits is not None and not fits(result)):
        raise UsageError(f"{name} must be {what}, not {shown(value)}")
    return result


def choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """The value. Raise ``UsageError`` unless it is one of the choices."""
    choices = list(choices)
    if isinstance(value, str) and value in choices:
        return value
    listed = " or ".join(map(repr, choices))
    hint = nearest(value, choices) if isinstance(value, str) else ""
    hint = hint if hint.startswith("did") else ""
    raise UsageError(Problem(f"{name} must be {listed}, got {shown(value)}", hint=hint))


def text(name: str, value: Any) -> str:
    """The value. Raise ``UsageError`` unless it is a text."""
    if not isinstance(value, str):
        raise UsageError(f"{name} must be a text, not {shown(value)}")
    return value


def members(name: str, value: Any, what: str) -> list[Any]:
    """The members of a list, tuple, generator or other iterable. Raise ``UsageError`` for a text and all else."""
    if isinstance(value, str | bytes | bytearray | memoryview | dict) or not isinstance(value, Iterable):
        raise UsageError(f"{name} must be {what}, not {shown(value)}")
    return list(value)


def callback(name: str, value: Any) -> None:
    """Raise ``UsageError`` unless the value is a function or None."""
    if value is not None and not callable(value):
        raise UsageError(f"{name} must be a function, not {shown(value)}")


def shown(value: Any) -> str:
    """A wrong value for a message, shortened; its type where that says more."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        written = repr(value)
        return written if len(written) <= 60 else f"{written[:59]}…"
    return f"a value of type {type(value).__name__}"
