"""The built-in attention kernels: one mask, declared once, computed in several ways."""

from janiform import hookimpl

from .flex.config import FlexConfig
from .sdpa.config import SdpaConfig
from .varlen.config import VarlenConfig
from .xformers.config import XformersConfig


@hookimpl
def janiform_register(registrar):
    registrar.component(
        "kernel",
        "sdpa",
        version=1,
        config=SdpaConfig,
        factory="janiform_plugins.kernels.sdpa.kernel:SdpaKernel",
        summary="PyTorch's scaled-dot-product attention; the default, everywhere",
    )
    registrar.component(
        "kernel",
        "flex",
        version=1,
        config=FlexConfig,
        factory="janiform_plugins.kernels.flex.kernel:FlexKernel",
        summary="PyTorch's flex-attention, which skips blocks that the mask empties",
    )
    registrar.component(
        "kernel",
        "varlen",
        version=1,
        config=VarlenConfig,
        factory="janiform_plugins.kernels.varlen.kernel:VarlenKernel",
        summary="PyTorch's variable-length FlashAttention, document by document, on CUDA",
    )
    registrar.component(
        "kernel",
        "xformers",
        version=1,
        config=XformersConfig,
        factory="janiform_plugins.kernels.xformers.kernel:XformersKernel",
        summary="xformers' block-diagonal attention, and split keys for single queries, on CUDA",
    )
