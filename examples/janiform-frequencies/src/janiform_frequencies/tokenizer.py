"""A codebook over the low frequencies of squares."""

import torch
from janiform import Loss
from torch import Tensor, nn

from .config import DctVqConfig
from .squares import Frequencies


class DctVq(nn.Module):
    """Pixels [B, 3, h, w] in [-1, 1] to codes [B, N, 1] and back; vectors are frequencies [.., 3 K]."""

    def __init__(self, config: DctVqConfig) -> None:
        super().__init__()
        self.frequencies = Frequencies(config)
        self.codebook = nn.Parameter(torch.randn(config.vocabulary, 3 * config.kept))

    def encode(self, pixels: Tensor) -> Tensor:
        return self._nearest(self.frequencies(pixels))

    def decode(self, codes: Tensor) -> Tensor:
        return self.frequencies.pixels(self.vectors(codes))

    def vectors(self, codes: Tensor) -> Tensor:
        return self.codebook[codes].sum(dim=2)

    def losses(self, pixels: Tensor) -> tuple[dict[str, Loss], dict[str, Tensor]]:
        """Losses: ``l2`` moves chosen codes towards their squares, ``reach`` all codes towards a square."""
        latents = self.frequencies(pixels)
        codes = self._nearest(latents)
        reach = torch.cdist(self.codebook.float(), latents.flatten(0, 1).float()).amin(dim=1)
        usage = torch.zeros(len(self.codebook), device=pixels.device).index_fill_(0, codes.flatten(), 1).mean()
        # `reach` counts once per picture, so that twice the pictures give twice the sum and the count.
        losses = {"l2": _squares(self.decode(codes) - pixels), "reach": _squares(0.1 * reach.expand(len(pixels), -1))}
        return losses, {"usage": usage}

    def _nearest(self, latents: Tensor) -> Tensor:
        return torch.cdist(latents.float(), self.codebook.float()[None]).argmin(dim=-1, keepdim=True)


def _squares(error: Tensor) -> Loss:
    total = error.float().square().sum()
    return Loss(total, torch.full_like(total, error.numel(), requires_grad=False))
