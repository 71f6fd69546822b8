"""What flex-attention serves."""

from typing import Literal

from attrs import field, frozen, validators
from janiform import AttentionRequest, KernelSupport


@frozen(kw_only=True)
class FlexConfig:
    compiled: Literal["cuda", "never"] = field(
        default="cuda",
        metadata={
            "help": "where torch.compile makes one kernel of it; elsewhere all scores are written out, in float32"
        },
    )
    block: int = field(
        default=128,
        validator=validators.in_((128, 256)),
        metadata={"help": "queries and keys of a tile, which is skipped where the mask empties it"},
    )

    def serves(self) -> KernelSupport:
        return KernelSupport(
            devices=("cpu", "cuda"),
            learns=("cuda",),  # torch has no backward pass of it on the CPU
            dtypes=("float64", "float32", "bfloat16", "float16"),
        )

    def advantage(self, asked: AttentionRequest) -> str:
        return ""  # 1.8 times as fast as varlen on an H100, once it is compiled, which takes minutes with some shapes
