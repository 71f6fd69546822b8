"""What scaled-dot-product attention serves: everything."""

from attrs import frozen
from janiform import AttentionRequest, KernelSupport


@frozen(kw_only=True)
class SdpaConfig:
    def serves(self) -> KernelSupport:
        devices = ("cpu", "cuda", "meta", "mps", "xpu")
        return KernelSupport(devices=devices, learns=devices, dtypes=("float64", "float32", "bfloat16", "float16"))

    def advantage(self, asked: AttentionRequest) -> str:
        return ""  # the others are measured by it
