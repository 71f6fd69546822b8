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
    numbers: dict[tuple[Hashable, ...], int] = {}
    held = [sum(1 << numbers.setdefault(pair, len(numbers)) for pair in pairs(choice)) for choice in choices]
    missing = (1 << len(numbers)) - 1
    chosen = []
    while missing:
        best = max(range(len(held)), key=lambda index: (held[index] & missing).bit_count())
        chosen.append(best)
        missing &= ~held[best]
    return chosen
