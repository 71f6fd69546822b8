"""The settings of the attention kernels, and what each of them supports. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from attrs import field, frozen, validators
from janiform import AttentionRequest, KernelSupport

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen(kw_only=True)
class SdpaConfig:
    def serves(self) -> KernelSupport:
        devices = ("cpu", "cuda", "meta", "mps", "xpu")
        dtypes = ("float64", "float32", "bfloat16", "float16")
        return KernelSupport(devices=devices, learns=devices, dtypes=dtypes, holes=True)

    def advantage(self, asked: AttentionRequest) -> str:
        return ""  # it is the baseline that the others are compared with


@frozen(kw_only=True)
class FlexConfig:
    compiled: Literal["cuda", "never"] = field(
        default="cuda",
        metadata={
            "help": "where torch.compile makes one kernel of it; elsewhere all scores are held in memory, in float32"
        },
    )
    block: int = field(
        default=128,
        validator=validators.in_((128, 256)),
        metadata={"help": "queries and keys per tile; tiles that the mask empties are skipped"},
    )

    def serves(self) -> KernelSupport:
        return KernelSupport(
            devices=("cpu", "cuda"),
            learns=("cuda",),  # torch has no backward pass of it on the CPU
            dtypes=("float64", "float32", "bfloat16", "float16"),
            holes=True,
        )

    def advantage(self, asked: AttentionRequest) -> str:
        # It is 1.8 times as fast as varlen on an H100, but compiling it takes minutes for some shapes.
        return ""


@frozen(kw_only=True)
class VarlenConfig:
    def serves(self) -> KernelSupport:
        return _flash_attention({"torch.nn.attention.varlen": "torch 2.10 or later"})

    def advantage(self, asked: AttentionRequest) -> str:
        if not asked.learning:
            return ""
        return "it skips pairs of positions of different documents, and holds no mask that grows with their square"


@frozen(kw_only=True)
class XformersConfig:
    def serves(self) -> KernelSupport:
        return _flash_attention({"xformers": "pip install 'janiform[xformers]'"})

    def advantage(self, asked: AttentionRequest) -> str:
        return ""  # no measurement shows one over torch's own kernels


def _flash_attention(needs: Mapping[str, str]) -> KernelSupport:
    """What FlashAttention (arXiv:2307.08691) supports; ``needs`` is what must be installed for its wrapper."""
    return KernelSupport(
        devices=("cuda",),
        learns=("cuda",),
        dtypes=("bfloat16", "float16"),
        multiple=8,
        widest=256,
        needs=needs,
        capability=(8, 0),
    )
