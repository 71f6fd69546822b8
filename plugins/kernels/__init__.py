"""The built-in attention kernels: several implementations of one mask."""

from janiform import hookimpl

from .config import FlexConfig, SdpaConfig, VarlenConfig, XformersConfig


@hookimpl
def janiform_register(registrar):
    registrar.component(
        "kernel",
        "sdpa",
        version=1,
        config=SdpaConfig,
        factory="janiform_plugins.kernels.sdpa:SdpaKernel",
        summary="PyTorch's scaled-dot-product attention; the default on all devices",
    )
    registrar.component(
        "kernel",
        "flex",
        version=1,
        config=FlexConfig,
        factory="janiform_plugins.kernels.flex:FlexKernel",
        summary="PyTorch's flex-attention, which skips blocks that the mask empties",
    )
    registrar.component(
        "kernel",
        "varlen",
        version=1,
        config=VarlenConfig,
        factory="janiform_plugins.kernels.varlen:VarlenKernel",
        summary="PyTorch's variable-length FlashAttention, document by document, on CUDA",
    )
    registrar.component(
        "kernel",
        "xformers",
        version=1,
        config=XformersConfig,
        factory="janiform_plugins.kernels.xformers:XformersKernel",
        summary="xformers' block-diagonal attention, with split keys for single queries, on CUDA",
    )
