"""What variable-length attention serves."""

from attrs import frozen
from janiform import Asked, Serves


@frozen(kw_only=True)
class VarlenConfig:
    def serves(self) -> Serves:
        return Serves(
            devices=("cuda",),
            learns=("cuda",),
            dtypes=("bfloat16", "float16"),
            multiple=8,
            widest=256,
            needs={"torch.nn.attention.varlen": "torch 2.10 or later"},
            capability=(8, 0),
        )

    def advantage(self, asked: Asked) -> str:
        if not asked.learning:
            return ""
        return (
            "it computes no pair of positions of different documents, and stores no mask that grows with their square"
        )
