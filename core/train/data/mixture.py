"""How many samples of each source a step takes.

Ratios hold exactly in the long run and nearly so at every step: after n samples the number from each source is within
one of its ratio. The rule is Tijdeman's (The chairman assignment problem, 1980): among the sources that are due, the
one with the nearest deadline is next. It depends only on what was taken so far, so a position is a few integers.

A group takes its turns as one source does, and passes each on to its members by the same rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import lcm

from ...errors import Problem, RecipeError
from ...recipe import SourceGroup

Ratios = Mapping[str, float | SourceGroup]


class Mixture:
    """The order in which samples are taken from sources with given ratios.

    Args:
        ratios: by source or group, 0 or more, at least one above 0; ``{"ask": 1, "draw": 3}``.
        path: of the ratios in the recipe, for errors.

    Raises:
        RecipeError: a ratio is negative, or none is above 0.
    """

    def __init__(self, ratios: Ratios, path: str = "mixture") -> None:
        own = {name: item.ratio if isinstance(item, SourceGroup) else item for name, item in ratios.items()}
        wrong = [name for name, ratio in own.items() if not 0 <= ratio < float("inf")]
        if wrong:
            raise RecipeError(
                [Problem(f"the ratio is {own[name]}", f"{path}.{name}", hint="set it to 0 or more") for name in wrong]
            )
        # By way of the shortest decimal, so that 0.1 is exactly a tenth.
        exact = {name: Fraction(str(ratio)) for name, ratio in own.items() if ratio > 0}
        if not exact:
            raise RecipeError(Problem("no source has a ratio above 0", path, hint="set one above 0"))
        scale = lcm(*(ratio.denominator for ratio in exact.values()))
        self._weights = {name: int(ratio * scale) for name, ratio in exact.items()}
        self._total = sum(self._weights.values())
        self._groups = {
            name: Mixture(item.of, f"{path}.{name}.of")
            for name, item in ratios.items()
            if isinstance(item, SourceGroup) and name in exact
        }

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources that samples are taken from."""
        return tuple(self._sources())

    def _sources(self) -> Iterator[str]:
        for name in self._weights:
            yield from self._groups[name].sources if name in self._groups else (name,)

    def order(self, taken: Mapping[str, int], count: int) -> list[str]:
        """The sources of the next ``count`` samples after those ``taken`` so far from each."""
        given = {name: self._given(name, taken) for name in self._weights}
        start = sum(given.values())
        order = []
        for n in range(start + 1, start + count + 1):
            name = self._next(given, n)
            given[name] += 1
            order.append(name)
        members = {name: iter(group.order(taken, order.count(name))) for name, group in self._groups.items()}
        return [next(members[name]) if name in members else name for name in order]

    def _given(self, name: str, taken: Mapping[str, int]) -> int:
        if name in self._groups:
            return sum(taken.get(source, 0) for source in self._groups[name].sources)
        return taken.get(name, 0)

    def _next(self, given: Mapping[str, int], n: int) -> str:
        # All in integers, times 2(k-1)·total: due when n·w/total - given >= 1/(2(k-1)); the deadline is when the source
        # would lag by 1 - 1/(2(k-1)).
        slots = 2 * (len(self._weights) - 1)
        if slots == 0:
            return next(iter(self._weights))
        lag = {name: slots * (n * weight - given[name] * self._total) for name, weight in self._weights.items()}
        due = [name for name in self._weights if lag[name] >= self._total]
        return min(due, key=lambda name: Fraction((slots - 1) * self._total - lag[name], self._weights[name]))
