"""Pictures of latents with hidden places, as training sees them. Torch-free.

n pictures    N places of a picture    C width of latents
"""

from __future__ import annotations

from math import ceil
from statistics import NormalDist
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from janiform import Corrupted, Corruption
    from numpy.random import Generator
    from torch import Tensor

DEVIATION = 0.25
"""Of the share of hidden places around 1, as in MAR."""


@frozen
class MaskedLatentsProcess:
    """See ``janiform.contracts.Process``. The loss is that of the hidden places, a share of at least ``least``."""

    least: float

    def corrupt(self, places: int, chance: Generator) -> Corruption:
        """Hide ⌈N·r⌉ places, any of them with equal probability; r is normal around 1, from ``least`` up to 1.

        MAR draws r once per batch; here each picture has its own, so that its loss does not depend on the batch.
        """
        import numpy as np
        from janiform import Corruption  # brings numpy along, which listing components does without

        hidden = np.zeros(places, bool)
        hidden[chance.permutation(places)[: self.count(places, chance.random())]] = True
        return Corruption(None, hidden, int(chance.integers(2**62)))

    def count(self, places: int, chance: float) -> int:
        """The number of hidden places at a uniform number from 0 to below 1."""
        share = NormalDist(1, DEVIATION)
        lowest = share.cdf(self.least)
        return min(places, max(1, ceil(places * share.inv_cdf(lowest + chance * (0.5 - lowest)))))

    def complete(self, places: int) -> Corruption:
        """Nothing is hidden; that is declared, so that all pictures of a batch declare the same."""
        import numpy as np
        from janiform import Corruption

        return Corruption(None, np.zeros(places, bool))

    def read(self, drawn: Tensor, corrupted: Corrupted) -> Tensor:
        """The latents as they are: the embedding hides those of hidden places."""
        return drawn

    def target(self, drawn: Tensor, corrupted: Corrupted) -> Tensor:
        """The latents."""
        return drawn
