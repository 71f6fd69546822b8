"""What xformers serves."""

from attrs import frozen
from janiform import AttentionRequest, KernelSupport

from ..flash import flash_serves


@frozen(kw_only=True)
class XformersConfig:
    def serves(self) -> KernelSupport:
        return flash_serves({"xformers": "pip install 'janiform[xformers]'"})

    def advantage(self, asked: AttentionRequest) -> str:
        return ""  # none that was measured beside torch's own
