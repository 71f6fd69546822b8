"""An endless walk over the samples of a source, in a new order every epoch. Torch-free."""

from __future__ import annotations

from functools import lru_cache
from math import isqrt

from attrs import field, frozen, validators

_MASK = (1 << 64) - 1
_ROUNDS = 8


@frozen
class Epochs:
    """The sample at every index from 0 up, out of ``count``.

    Every epoch has each sample once. Orders are permutations that are computed for one index at a time (a Feistel
    network over the numbers below ``count``; Black and Rogaway, Ciphers with arbitrary finite domains, 2002), so that
    they take no memory, every position is reached at once, and a position is one integer.

    Args:
        count: the number of samples, at least one.
        seed: of the orders.
        shuffle: False gives the samples in their own order, epoch after epoch.
        limit: the number of samples to use, drawn by the seed (the first ones without ``shuffle``); 0 uses all.
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
        epoch, position = divmod(index, self.length)
        if not self.shuffle:
            return position
        position = permuted(position, self.length, self.seed, epoch + 1)
        # Order 0 chooses the samples of a limited source; all epochs permute these.
        return permuted(position, self.count, self.seed, 0) if self.length < self.count else position


def permuted(position: int, count: int, seed: int, order: int) -> int:
    """The image of a position from 0 to ``count`` - 1 in the permutation of a seed and the number of an order.

    The halves of the network are the row and column of a number in the smallest near-square rectangle that holds
    ``count``. Its rounds add a hash of one half to the other, which is invertible for any hash. A number of ``count``
    or more goes through the network again until it is below, which must happen, as the network permutes the rectangle.
    """
    columns = isqrt(count - 1) + 1
    rows = -(-count // columns)
    keys = _keys(seed, order)
    while True:
        row, column = divmod(position, columns)
        for number in range(0, _ROUNDS, 2):
            column = (column + _mixed(row ^ keys[number])) % columns
            row = (row + _mixed(column ^ keys[number + 1])) % rows
        position = row * columns + column
        if position < count:
            return position


@lru_cache(maxsize=64)
def _keys(seed: int, order: int) -> tuple[int, ...]:
    return tuple(_mixed(_mixed(seed) ^ _mixed(order * _ROUNDS + number + 1)) for number in range(_ROUNDS))


def _mixed(value: int) -> int:
    """SplitMix64's finaliser (Steele, Lea and Flood, 2014): 64 bits, each of which depends on all bits of the value."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)
