"""What variable-length attention serves."""

from attrs import frozen
from janiform import AttentionRequest, KernelSupport

from ..flash import flash_serves


@frozen(kw_only=True)
class VarlenConfig:
    def serves(self) -> KernelSupport:
        return flash_serves({"torch.nn.attention.varlen": "torch 2.10 or later"})

    def advantage(self, asked: AttentionRequest) -> str:
        if not asked.learning:
            return ""
        return (
            "it computes no pair of positions of different documents, and stores no mask that grows with their square"
        )
