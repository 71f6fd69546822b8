"""Numbers with units as text: counts, sizes, FLOPs and durations."""

from __future__ import annotations

import re

from .errors import Problem, UsageError

_STEPS = (("T", 10**12), ("B", 10**9), ("M", 10**6), ("k", 10**3))


def count(number: int) -> str:
    """A count with three digits and a unit: ``2.09 B``, ``303 M``, ``16.4 k``, ``12``."""
    for unit, size in _STEPS:
        if number >= size * 0.9995:
            return f"{_digits(number / size)} {unit}"
    return str(number)


def size(number: int) -> str:
    """A size in bytes, in powers of ten: ``4.17 GB``."""
    return count(number).replace(" B", " G") + ("B" if number >= 1000 else " B")


def bytes_in(text: str) -> int:
    """Bytes of a size as ``5GB``, ``800 MB`` or ``2GiB``. Raises ``UsageError`` where it is not a valid size."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)\s*([kMGT]i?)?B?", text.strip(), re.IGNORECASE)
    unit = (match.group(2) or "").lower() if match else ""
    number = 0
    if match:
        base, power = 1024 if unit.endswith("i") else 1000, "kmgt".find(unit[:1]) + 1 if unit else 0
        number = round(float(match.group(1)) * base**power)
    if number < 1:
        raise UsageError(Problem(f"'{text}' is not a valid size", hint="write a number and a unit: 5GB, 800MB, 2GiB"))
    return number


def work(number: int) -> str:
    """A number of floating-point operations: ``3.31 GFLOP``."""
    return count(number).replace(" B", " G") + ("FLOP" if number >= 1000 else " FLOP")


def duration(seconds: float) -> str:
    """A time: ``42 s``, ``12 min``, ``3 h 20 min``, ``9.1 days``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"
    return f"{seconds / 86400:.1f} days"


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
