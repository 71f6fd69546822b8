"""What an attention kernel declares that it serves, and what is asked of one. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen


@frozen(kw_only=True)
class KernelSupport:
    """What a kernel can do, as its config declares it.

    ``devices``: types of devices that it computes on; ``learns``: those of them where gradients pass. ``dtypes``: of
    queries, keys and values, ``"float32"``. ``multiple`` divides the width of a head, which is ``widest`` at most (0 is
    any). ``blocks``: full blocks inside of causal documents; ``grouped``: several query heads to a key head;
    ``cached``: fewer queries than keys. ``needs``: modules that must be there -> how to get them. ``capability``: the
    least compute capability of a CUDA device.
    """

    devices: tuple[str, ...]
    learns: tuple[str, ...]
    dtypes: tuple[str, ...]
    multiple: int = 1
    widest: int = 0
    blocks: bool = True
    grouped: bool = True
    cached: bool = True
    needs: Mapping[str, str] = field(factory=dict)
    capability: tuple[int, int] = (0, 0)


@frozen(kw_only=True)
class AttentionRequest:
    """What a kernel is wanted for. ``device`` may have a number, ``cuda:1``; ``head_width`` 0 is not known yet."""

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
