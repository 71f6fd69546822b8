"""What a head that draws single places is given: random numbers in training, and guidance as well in drawing.

n, B pictures    N places of a picture    M places of each that a step draws    R places of all    G guidance rows
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from attrs import frozen
from torch import Tensor

from ..guidance import Guidance
from ..seeds import derived_seed
from .corruption import normal, seed_list


@frozen(eq=False)
class PlaceNoise:
    """Random numbers for the loss of R places of n pictures: those of a place depend on its picture's seed alone.

    So they are the same however pictures are split into batches, and the same in every call. ``seeds``: int64 [n], on
    the CPU; ``places``: int64 [R], counted over all n·N; ``of``: N, the places of a picture.
    """

    seeds: Tensor
    places: Tensor
    of: int

    def normal(self, width: int) -> Tensor:
        """Standard normal numbers [R, width], float32."""
        seeds = [derived_seed("places", seed) for seed in seed_list(self.seeds)]
        return normal(seeds, (self.of, width), self.places.device).flatten(0, 1)[self.places]

    def uniform(self, width: int) -> Tensor:
        """Numbers [R, width] from 0 to below 1, float32, that do not depend on those of ``normal``."""
        seeds = [derived_seed("places, uniform", seed) for seed in seed_list(self.seeds)]
        rows = [
            torch.rand(self.of, width, generator=torch.Generator().manual_seed(seed), device="cpu") for seed in seeds
        ]
        return torch.cat(rows).to(self.places.device)[self.places]


class PlaceSampling:
    """Given to ``PlaceHead.sample``, whose conditions are those of the R places for each of the G guidance rows.

    Args:
        generators: one per picture, on the CPU; each gives ``places`` rows in every call of ``normal``.
        places: M.
        strength: of the guidance, see ``Guidance.mix``.
        temperature: factor of the random numbers that the head adds; 1 samples what it has learned.
    """

    def __init__(
        self,
        guidance: Guidance,
        generators: Sequence[torch.Generator],
        places: int,
        *,
        strength: float = 1.0,
        temperature: float = 1.0,
        device: str | torch.device = "cpu",
    ) -> None:
        self.guidance, self.strength, self.temperature = guidance, strength, temperature
        self._generators, self._places, self._device = generators, places, device

    def normal(self, width: int) -> Tensor:
        """The next standard normal numbers [R, width], float32, those of each picture from its own generator."""
        shape = self._places, width
        return torch.cat([torch.randn(shape, generator=each, device="cpu") for each in self._generators]).to(
            self._device
        )

    def repeated(self, values: Tensor) -> Tensor:
        """Values [R, …] once for each guidance row, [G·R, …]."""
        return values.repeat(len(self.guidance), *[1] * (values.dim() - 1))

    def mixed(self, predicted: Tensor) -> Tensor:
        """Predictions [G·R, …] to those that guidance makes of them, [R, …]."""
        return self.guidance.mix(predicted, self.strength)

    def plain(self, predicted: Tensor) -> Tensor:
        """Predictions [G·R, …] to those of the row that sees the whole prompt, [R, …], or of the first row."""
        return predicted.chunk(len(self.guidance))[self.guidance.whole or 0]
