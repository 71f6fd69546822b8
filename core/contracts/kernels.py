"""What an attention kernel supports, and what a model requires of one. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen


@frozen(kw_only=True)
class KernelSupport:
    """What a kernel can compute, as its config declares it."""

    devices: tuple[str, ...]
    """Types of devices that it runs on."""
    learns: tuple[str, ...]
    """Types of devices on which it passes gradients."""
    dtypes: tuple[str, ...]
    """Data types of queries, keys and values, such as ``"float32"``."""
    multiple: int = 1
    """Number that must divide the width of a head."""
    widest: int = 0
    """Largest width of a head; 0 means no limit."""
    blocks: bool = True
    """Whether it supports full blocks inside causal documents."""
    holes: bool = False
    """Whether it supports positions that later ones do not see; another kernel computes those masks otherwise."""
    grouped: bool = True
    """Whether several query heads may read one key head."""
    cached: bool = True
    """Whether there may be fewer queries than keys."""
    needs: Mapping[str, str] = field(factory=dict)
    """Modules that must be installed -> how to install them."""
    capability: tuple[int, int] = (0, 0)
    """Lowest compute capability of a CUDA device."""


@frozen(kw_only=True)
class AttentionRequest:
    """What a kernel must compute. ``device`` may have a number, ``cuda:1``; ``head_width`` 0 means not known yet."""

    device: str
    dtype: str
    learning: bool = False
    head_width: int = 0
    blocks: bool = False
    grouped: bool = False
    cached: bool = False

    @property
    def kind(self) -> str:
        """The device's type."""
        return self.device.partition(":")[0]

    def __str__(self) -> str:
        heads = f", heads of width {self.head_width}" if self.head_width else ""
        return f"{'training' if self.learning else 'inference'} on {self.kind} in {self.dtype}{heads}"
