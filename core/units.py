"""Large numbers as people write them."""

from __future__ import annotations

import re

from .errors import Problem, UsageError

_STEPS = (("T", 10**12), ("B", 10**9), ("M", 10**6), ("k", 10**3))


def count(number: int) -> str:
    """Three digits and a unit: ``2.09 B``, ``303 M``, ``16.4 k``, ``12``."""
    for unit, size in _STEPS:
        if number >= size * 0.9995:
            return f"{_digits(number / size)} {unit}"
    return str(number)


def size(number: int) -> str:
    """Bytes in powers of ten: ``4.17 GB``."""
    return count(number).replace(" B", " G") + ("B" if number >= 1000 else " B")


def bytes_in(text: str) -> int:
    """The bytes that ``5GB``, ``800 MB`` or ``2GiB`` stands for. Raises ``UsageError`` for what is no such size."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)\s*([kMGT]i?)?B?", text.strip(), re.IGNORECASE)
    unit = (found.group(2) or "").lower() if found else ""
    number = 0
    if found:
        base, power = 1024 if unit.endswith("i") else 1000, "kmgt".find(unit[:1]) + 1 if unit else 0
        number = round(float(found.group(1)) * base**power)
    if number < 1:
        raise UsageError(Problem(f"'{text}' is no size", hint="a number and a unit: 5GB, 800MB, 2GiB"))
    return number


def work(number: int) -> str:
    """Floating-point operations: ``3.31 GFLOP``."""
    return count(number).replace(" B", " G") + ("FLOP" if number >= 1000 else " FLOP")


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
