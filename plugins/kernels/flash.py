"""What kernels serve that are FlashAttention (arXiv:2307.08691) underneath, whoever wraps it."""

from collections.abc import Mapping

from janiform import Serves


def flash_serves(needs: Mapping[str, str]) -> Serves:
    """Its devices, types and head widths; ``needs`` is what must be installed for the wrapper."""
    return Serves(
        devices=("cuda",),
        learns=("cuda",),
        dtypes=("bfloat16", "float16"),
        multiple=8,
        widest=256,
        needs=needs,
        capability=(8, 0),
    )
