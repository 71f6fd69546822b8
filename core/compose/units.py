"""Large numbers as people write them."""

from __future__ import annotations

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


def work(number: int) -> str:
    """Floating-point operations: ``3.31 GFLOP``."""
    return count(number).replace(" B", " G") + ("FLOP" if number >= 1000 else " FLOP")


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
