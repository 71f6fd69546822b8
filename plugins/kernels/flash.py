"""What kernels serve that are FlashAttention (arXiv:2307.08691) underneath, whoever wraps it."""

from collections.abc import Mapping

from janiform import KernelSupport


def flash_serves(needs: Mapping[str, str]) -> KernelSupport:
    """Its devices, types and head widths; ``needs`` is what must be installed for the wrapper."""
    return KernelSupport(
        devices=("cuda",),
        learns=("cuda",),
        dtypes=("bfloat16", "float16"),
        multiple=8,
        widest=256,
        needs=needs,
        capability=(8, 0),
    )
