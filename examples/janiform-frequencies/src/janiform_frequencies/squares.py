"""The discrete cosine transform of squares (DCT-II, orthonormal), lowest frequencies first.

B pictures    N squares    P side of a square    K kept frequencies
"""

import torch
from torch import Tensor, nn

from .config import Squares


class Frequencies(nn.Module):
    """Pixels to frequencies and back; dropped frequencies become zero, so that a round trip is a low-pass filter."""

    def __init__(self, config: Squares) -> None:
        super().__init__()
        self.config = config
        side = config.patch_size
        position, wave = torch.arange(side) + 0.5, torch.arange(side)[:, None]
        basis_PP = torch.cos(torch.pi / side * wave * position) * (2 / side) ** 0.5
        basis_PP[0] /= 2**0.5
        order = sorted(range(side * side), key=lambda index: (sum(divmod(index, side)), index))[: config.kept]
        both = torch.einsum("ux,vy->uvxy", basis_PP, basis_PP).reshape(side * side, side * side)
        # The basis follows from the settings, so it is not saved.
        self.register_buffer("basis", both[order], persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels [B, 3, h, w] -> frequencies [B, N, 3 K]."""
        side, grid = self.config.patch_size, self.config.grid
        squares = pixels.reshape(len(pixels), 3, grid.height, side, grid.width, side).permute(0, 2, 4, 1, 3, 5)
        return (squares.reshape(len(pixels), grid.size, 3, side * side) @ self.basis.T).flatten(2)

    def pixels(self, frequencies: Tensor) -> Tensor:
        """Frequencies [B, N, 3 K] -> pixels [B, 3, h, w]."""
        side, grid = self.config.patch_size, self.config.grid
        squares = frequencies.unflatten(2, (3, -1)) @ self.basis
        squares = squares.reshape(len(frequencies), grid.height, grid.width, 3, side, side).permute(0, 3, 1, 4, 2, 5)
        return squares.reshape(len(frequencies), 3, grid.height * side, grid.width * side)
