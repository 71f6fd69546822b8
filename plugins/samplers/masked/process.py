"""Pictures with hidden places, as training sees them. Torch-free.

n pictures    N places of a picture
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from janiform import Corruption

if TYPE_CHECKING:
    from janiform import Corrupted
    from torch import Tensor


class MaskedProcess:
    """See ``janiform.contracts.Process``. The loss is that of the hidden places, as in Show-o's ``mask_or_random``."""

    def corrupt(self, places: int, chance: np.random.Generator) -> Corruption:
        """Hide max(1, round(N·cos(r·π/2))) places with r ~ U(0, 1), any of them with equal probability."""
        count = max(1, round(places * np.cos(chance.random() * np.pi / 2)))
        hidden = np.zeros(places, bool)
        hidden[chance.permutation(places)[:count]] = True
        return Corruption(hidden=hidden)

    def complete(self, places: int) -> Corruption:
        """Nothing is hidden; that is declared, so that all pictures of a batch declare the same."""
        return Corruption(hidden=np.zeros(places, bool))

    def read(self, drawn: Tensor, corrupted: Corrupted) -> Tensor:
        """The codes as they are: the embedding hides those of hidden places."""
        return drawn

    def target(self, drawn: Tensor, corrupted: Corrupted) -> Tensor:
        """The codes."""
        return drawn
