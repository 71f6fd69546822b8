"""How many samples of each source a step takes.

Ratios hold exactly in the long run and nearly so at every step: after n samples each source has given its share of
them to within one. The rule is Tijdeman's (The chairman assignment problem, 1980): of the sources whose share is due,
the one whose deadline is nearest goes next. It looks only at what was taken so far, so a position is a few integers.

A group takes its turns as one source does, and hands each on to its members by the same rule: the shares of a step hold
to within one whatever is in the groups.
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
        ratios: of each source or group, numbers from 0 up of which one is above; ``{"ask": 1, "draw": 3}``.
        path: where the ratios stand in the recipe, for errors.

    Raises:
        RecipeError: a negative ratio, or nothing to take from.
    """

    def __init__(self, ratios: Ratios, path: str = "mixture") -> None:
        own = {name: item.ratio if isinstance(item, SourceGroup) else item for name, item in ratios.items()}
        wrong = [name for name, ratio in own.items() if not 0 <= ratio < float("inf")]
        if wrong:
            raise RecipeError(
                [Problem(f"the ratio is {own[name]}", f"{path}.{name}", hint="0 or more") for name in wrong]
            )
        # Through the shortest decimal, so that 0.1 is a tenth.
        exact = {name: Fraction(str(ratio)) for name, ratio in own.items() if ratio > 0}
        if not exact:
            raise RecipeError(Problem("names no source to take samples from", path, hint="give one a ratio above 0"))
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
