"""Which set of a backbone's weights each position of a batch uses.

B rows    T positions
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from attrs import frozen
from torch import Tensor


@frozen(eq=False)
class Routes:
    """Positions [B, T] by set of weights, the first of which is the one without a name.

    ``sets``: int64 flat positions of each set among the B·T, which have each position once; None in place of a tensor
    where the set has all positions, and the others are empty. ``order``: where each of the B·T positions is among those
    of all sets, one set after the other; None where one set has all.
    """

    sets: tuple[Tensor | None, ...]
    order: Tensor | None = None

    @classmethod
    def of(cls, numbers: Tensor, count: int) -> Routes:
        """The routes of a batch on the CPU, from the number of each position's set [B, T], of ``count`` sets."""
        flat = numbers.flatten()
        for number in range(count):
            if bool((flat == number).all()):
                return cls.only(number, count)
        sets = tuple((flat == number).nonzero().flatten() for number in range(count))
        return cls(sets, torch.cat(sets).argsort())

    @classmethod
    def only(cls, number: int, count: int) -> Routes:
        """All positions of one set."""
        nothing = torch.zeros(0, dtype=torch.int64)
        return cls(tuple(None if other == number else nothing for other in range(count)))

    @property
    def one(self) -> int | None:
        """The set that has all positions; None where several have some."""
        return next((number for number, places in enumerate(self.sets) if places is None), None)

    def mapped(self, move: Callable[[Tensor], Tensor]) -> Routes:
        """The routes with something else for each tensor."""
        sets = tuple(None if places is None else move(places) for places in self.sets)
        return Routes(sets, None if self.order is None else move(self.order))
