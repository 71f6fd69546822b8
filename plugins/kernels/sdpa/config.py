"""What scaled-dot-product attention serves: everything."""

from attrs import frozen
from janiform import Asked, Serves


@frozen(kw_only=True)
class SdpaConfig:
    def serves(self) -> Serves:
        devices = ("cpu", "cuda", "meta", "mps", "xpu")
        return Serves(devices=devices, learns=devices, dtypes=("float64", "float32", "bfloat16", "float16"))

    def advantage(self, asked: Asked) -> str:
        return ""  # the others are measured by it
