"""How many samples of each source a step takes.

Ratios hold exactly in the long run and nearly so at every step: after n samples each source has given its share of
them to within one. The rule is Tijdeman's (The chairman assignment problem, 1980): of the sources whose share is due,
the one whose deadline is nearest goes next. It looks only at what was taken so far, so a position is a few integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import lcm

from ..errors import Problem, RecipeError


class Mixture:
    """The order in which samples are taken from sources with given ratios.

    Args:
        ratios: of each source, numbers from 0 up of which one is above; ``{"ask": 1, "draw": 3}``.
        path: where the ratios stand in the recipe, for errors.

    Raises:
        RecipeError: a negative ratio, or nothing to take from.
    """

    def __init__(self, ratios: Mapping[str, float], path: str = "mixture") -> None:
        wrong = [name for name, ratio in ratios.items() if not 0 <= ratio < float("inf")]
        if wrong:
            raise RecipeError(
                [Problem(f"the ratio is {ratios[name]}", f"{path}.{name}", hint="0 or more") for name in wrong]
            )
        # Through the shortest decimal, so that 0.1 is a tenth.
        exact = {name: Fraction(str(ratio)) for name, ratio in ratios.items() if ratio > 0}
        if not exact:
            raise RecipeError(Problem("names no source to take samples from", path, hint="give one a ratio above 0"))
        scale = lcm(*(ratio.denominator for ratio in exact.values()))
        self.weights = {name: int(ratio * scale) for name, ratio in exact.items()}
        self._total = sum(self.weights.values())

    def order(self, taken: Mapping[str, int], count: int) -> list[str]:
        """The sources of the next ``count`` samples after those ``taken`` so far from each."""
        given = {name: taken.get(name, 0) for name in self.weights}
        start = sum(given.values())
        order = []
        for n in range(start + 1, start + count + 1):
            name = self._next(given, n)
            given[name] += 1
            order.append(name)
        return order

    def _next(self, given: Mapping[str, int], n: int) -> str:
        # All in integers, times 2(k-1)·total: due when n·w/total - given >= 1/(2(k-1)); the deadline is when the source
        # would lag by 1 - 1/(2(k-1)).
        slots = 2 * (len(self.weights) - 1)
        if slots == 0:
            return next(iter(self.weights))
        lag = {name: slots * (n * weight - given[name] * self._total) for name, weight in self.weights.items()}
        due = [name for name in self.weights if lag[name] >= self._total]
        return min(due, key=lambda name: Fraction((slots - 1) * self._total - lag[name], self.weights[name]))
