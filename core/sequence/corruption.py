"""Pictures that are drawn in part: what is noise or not drawn yet, of single pictures and as tensors.

A picture that is not drawn place by place comes about by a process: from noise in steps of a time, or from hidden
places of which more and more are drawn. Training starts somewhere in between, at a picture that is corrupted at random.

n pictures    N places of a picture
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor


@frozen(eq=False)
class Corruption:
    """How one picture is corrupted, drawn at random where examples are prepared. Torch-free.

    ``time``: that of the process, which says at which end the picture is; None where it has no time. ``hidden``: bool
    [N], the places that are not drawn yet; None where all are there. ``seed``: of the picture's noise.
    """

    time: float | None = None
    hidden: NDArray[np.bool_] | None = field(default=None, repr=False)
    seed: int = 0


@frozen(eq=False)
class Corrupted:
    """n pictures that are drawn in part: ``times`` float32 [n], ``hidden`` bool [n, N], ``seeds`` int64 [n].

    Each is None where the process of their pathway does not use it. ``seeds`` are on the CPU. ``places`` int64 are the
    hidden places of a batch of training, counted over all n·N, so that a device need not look for them.
    """

    times: Tensor | None = None
    hidden: Tensor | None = None
    seeds: Tensor | None = field(default=None, repr=False)
    places: Tensor | None = field(default=None, repr=False)
    _noise: list[Tensor] = field(factory=list, init=False, repr=False)

    def noise(self, drawn: Tensor) -> Tensor:
        """Standard normal numbers of the shape of latents [n, N, C], float32, from the seeds; computed once.

        A training step needs them for what the embedding reads, for the target and for the head. Raises ``ValueError``
        without seeds.
        """
        if self.seeds is None:
            raise ValueError("pictures without seeds have no noise")
        if not self._noise or self._noise[0].shape != drawn.shape:
            self._noise[:] = [normal(self.seeds, drawn.shape[1:], drawn.device)]
        return self._noise[0]


def seed_list(seeds: Sequence[int] | Tensor) -> list[int]:
    """Seeds as whole numbers; zeros where their values are not known, as while planning traces a step."""
    import torch
    from torch._subclasses.fake_tensor import DataDependentOutputException

    if not isinstance(seeds, torch.Tensor):
        return [int(seed) for seed in seeds]
    try:
        return [int(seed) for seed in seeds]
    except DataDependentOutputException:
        return [0] * len(seeds)


def normal(seeds: Sequence[int] | Tensor, shape: Sequence[int], device: str | torch.device = "cpu") -> Tensor:
    """Standard normal numbers [n, *shape], float32: those of each picture depend on its seed only, on every device."""
    import torch

    rows = [
        torch.randn(tuple(shape), generator=torch.Generator().manual_seed(seed), device="cpu")
        for seed in seed_list(seeds)
    ]
    return torch.stack(rows).to(device) if rows else torch.zeros(0, *shape, device=device)
