"""An endless walk over the samples of a source, each epoch in an order of its own. Torch-free."""

from __future__ import annotations

from functools import lru_cache
from math import isqrt

from attrs import field, frozen, validators

_MASK = (1 << 64) - 1
_ROUNDS = 8


@frozen
class Epochs:
    """Which of ``count`` samples comes at an index, for every index from 0 up.

    Every epoch shows each sample once. Orders are permutations that are computed for one place at a time (a Feistel
    network over the numbers below ``count``; Black and Rogaway, Ciphers with arbitrary finite domains, 2002), so that
    nothing is kept in memory, any position can be gone to at once, and a position is one integer.

    Args:
        count: how many samples there are, at least one.
        seed: another seed gives other orders.
        shuffle: False shows the samples in their own order, epoch after epoch.
        limit: use only so many of the samples, drawn by the seed (the first ones without ``shuffle``); 0 uses all.
    """

    count: int = field(validator=validators.ge(1))
    seed: int = 0
    shuffle: bool = True
    limit: int = field(default=0, validator=validators.ge(0))

    @property
    def length(self) -> int:
        """Samples of an epoch."""
        return min(self.limit, self.count) if self.limit else self.count

    def at(self, index: int) -> int:
        """The number of the sample at an index, from 0 to ``count`` - 1."""
        epoch, place = divmod(index, self.length)
        if not self.shuffle:
            return place
        place = permuted(place, self.length, self.seed, epoch + 1)
        # The order of number 0 chooses the samples of a limited source; all epochs order these.
        return permuted(place, self.count, self.seed, 0) if self.length < self.count else place


def permuted(place: int, count: int, seed: int, order: int) -> int:
    """Where a place from 0 to ``count`` - 1 goes in the permutation of a seed and the number of an order.

    The halves of the network are the two digits of a number in a rectangle of rows × columns that barely holds
    ``count``. Its rounds add to one digit what a hash makes of the other, which can be undone whatever the hash; what
    ends up behind ``count`` is sent on through the network until it falls below, as it must, because the network
    permutes the rectangle.
    """
    columns = isqrt(count - 1) + 1
    rows = -(-count // columns)
    keys = _keys(seed, order)
    while True:
        row, column = divmod(place, columns)
        for number in range(0, _ROUNDS, 2):
            column = (column + _mixed(row ^ keys[number])) % columns
            row = (row + _mixed(column ^ keys[number + 1])) % rows
        place = row * columns + column
        if place < count:
            return place


@lru_cache(maxsize=64)
def _keys(seed: int, order: int) -> tuple[int, ...]:
    return tuple(_mixed(_mixed(seed) ^ _mixed(order * _ROUNDS + number + 1)) for number in range(_ROUNDS))


def _mixed(value: int) -> int:
    """SplitMix64's finaliser (Steele, Lea and Flood, 2014): 64 bits, each of which hangs on all bits of the value."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)
