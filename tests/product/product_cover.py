"""A few of many combinations in which every pair of choices that can stand together does."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations


def pairs(choice: Mapping[str, Hashable]) -> set[tuple[Hashable, ...]]:
    """Every two choices of a combination (factor to level), each with its factor."""
    return {(*one, *other) for one, other in combinations(sorted(choice.items()), 2)}


def pairwise(choices: Sequence[Mapping[str, Hashable]]) -> list[int]:
    """Indices of combinations that hold every pair which any of them holds: greedily, the most new ones first.

    Few, though not fewest, which would be NP-hard to find.
    """
    return _cover([pairs(choice) for choice in choices])


def each_once(choices: Sequence[Mapping[str, Hashable]]) -> list[int]:
    """Indices of combinations that hold every choice which any of them holds, as few as ``pairwise`` has for pairs."""
    return _cover([set(choice.items()) for choice in choices])


def _cover(held_by: Sequence[set[tuple[Hashable, ...]]]) -> list[int]:
    numbers: dict[tuple[Hashable, ...], int] = {}
    held = [sum(1 << numbers.setdefault(one, len(numbers)) for one in sorted(some)) for some in held_by]
    missing = (1 << len(numbers)) - 1
    chosen = []
    while missing:
        best = max(range(len(held)), key=lambda index: (held[index] & missing).bit_count())
        chosen.append(best)
        missing &= ~held[best]
    return chosen
