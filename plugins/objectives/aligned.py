"""The objective `aligned`: next-token prediction, and states of pictures that are drawn like an encoder's features.

m pictures that are drawn    N places of a picture    H hidden width    W width of the encoder's features
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from janiform import Batch, Features, Grid, Loss, UsageError
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, interpolate

from .autoregressive import Autoregressive
from .config import AlignedConfig

if TYPE_CHECKING:
    from janiform import UnifiedModel

ALIGNMENT = "alignment"
"""The name of the loss."""


class Aligned(Autoregressive):
    """REPA (arXiv:2410.06940) as in JanusFlow (arXiv:2411.07975): 1 minus the cosine of features and projected states.

    States are those after one of the backbone's blocks at the places of pictures with a loss, which layers of the
    objective's own project; features are those of the encoder that looks at pictures, without gradients.
    """

    def __init__(self, config: AlignedConfig, model: UnifiedModel) -> None:
        super().__init__(config, model)
        self.drawing = config.drawing
        shape, features, self.encoder_path = _ends(config, model)
        assert shape.drawn is not None
        self.lead, self.grid, self.places = shape.features.lead, features.grid, shape.drawn.grid
        encoder = model.plan.parts[self.encoder_path].use.config
        self.mean, self.std = (tuple(getattr(encoder, name, (0.5, 0.5, 0.5))) for name in ("mean", "std"))
        _, height, width = encoder.transform()(_grey()).shape
        self.size = (height, width)
        self.block = _block(config, model)
        hidden = model.plan.hidden.width
        widths = [hidden, *[config.width or hidden] * (config.layers - 1), features.width]
        modules: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            modules += [nn.SiLU(), nn.Linear(before, after)]
        self.project = nn.Sequential(*modules[1:])

    def counts(self, batch: Batch) -> dict[str, int]:
        """The number of predictions of each loss, and of the places of pictures that are drawn."""
        counts = super().counts(batch)
        if self.drawing in batch.codes:
            counts[ALIGNMENT] = len(batch.codes[self.drawing]) * self.places.size
        return counts

    def losses(self, batch: Batch) -> tuple[dict[str, Loss], dict[str, Tensor]]:
        """Those of ``autoregressive``, and ``alignment``, counted in places.

        Raises ``UsageError`` where pictures to draw come without pixels.
        """
        if self.drawing not in batch.codes:
            return super().losses(batch)
        with _states_after(self.block) as states:
            losses, figures = super().losses(batch)
        pictures, indices = batch.pictures[self.drawing], batch.codes[self.drawing]
        if pictures.pixels is None:
            raise UsageError("the objective 'aligned' needs the pixels of pictures that are drawn, but is given codes")
        positions = pictures.positions[indices][:, self.lead :]
        projected = self.project(states[0].flatten(0, 1)[positions])
        target = self._features(pictures.pixels[indices])
        wide = torch.promote_types(projected.dtype, torch.float32)
        total = (1 - cosine_similarity(projected.to(wide), target.to(wide), dim=-1)).sum()
        count = torch.full_like(total, len(indices) * self.places.size, requires_grad=False)
        return {**losses, ALIGNMENT: Loss(total, count)}, figures

    def _features(self, pixels: Tensor) -> Tensor:
        """Pixels [m, 3, h, w] of pictures to draw, in [-1, 1] -> features [m, N, W] at their places."""
        encoder = self.model.part(self.encoder_path)
        with torch.no_grad():
            if tuple(pixels.shape[2:]) != self.size:
                pixels = interpolate(pixels, self.size, mode="bilinear", antialias=True)
            mean, std = (pixels.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
            seen = ((pixels + 1) / 2 - mean) / std
            dtype = next((weight.dtype for weight in encoder.parameters() if weight.is_floating_point()), seen.dtype)
            features: Tensor = encoder(seen.to(dtype))
            if self.grid == self.places:
                return features
            planes = features.float().transpose(1, 2).unflatten(2, (self.grid.height, self.grid.width))
            resized = interpolate(planes, (self.places.height, self.places.width), mode="bilinear")
            return resized.flatten(2).transpose(1, 2)


@contextmanager
def _states_after(block: nn.Module) -> Iterator[list[Tensor]]:
    """Within the context, keep the states [B, T, H] that the first call of a block gives."""
    states: list[Tensor] = []

    def keep(module: nn.Module, arguments: Any, output: Any) -> None:
        if not states:
            states.append(output[0] if isinstance(output, tuple) else output)

    hook = block.register_forward_hook(keep)
    try:
        yield states
    finally:
        hook.remove()


def _ends(config: AlignedConfig, model: UnifiedModel) -> tuple[Any, Any, str]:
    """The shape of the pathway that draws, the features that it is compared with, and the path of their encoder."""
    plan = model.plan
    path = f"{config.encoder}.encoder"
    if path not in plan.parts:
        raise UsageError(f"the objective 'aligned' compares with the encoder of '{config.encoder}', which has none")
    features = plan.parts[path].output
    if not isinstance(features, Features) or not isinstance(features.grid, Grid):
        raise UsageError(f"the objective 'aligned' needs features at places of a picture, but '{path}' has no grid")
    return plan.pathways[config.drawing], features, plan.owner(path)


def _block(config: AlignedConfig, model: UnifiedModel) -> nn.Module:
    backbone: Any = model.part("backbone")
    if not callable(getattr(backbone, "blocks", None)):
        raise UsageError("the objective 'aligned' needs a backbone that declares its blocks by `blocks()`")
    blocks: Any = backbone.blocks()
    if config.block > len(blocks):
        raise UsageError(f"the objective 'aligned' has block {config.block}, but the backbone has {len(blocks)} blocks")
    found: nn.Module = blocks[config.block - 1]
    return found


def _grey() -> Any:
    from PIL import Image

    return Image.new("RGB", (32, 32), (128, 128, 128))
