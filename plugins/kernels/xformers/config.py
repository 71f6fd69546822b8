"""What xformers serves."""

from attrs import frozen
from janiform import Asked, Serves

from ..flash import flash_serves


@frozen(kw_only=True)
class XformersConfig:
    def serves(self) -> Serves:
        return flash_serves({"xformers": "pip install 'janiform[xformers]'"})

    def advantage(self, asked: Asked) -> str:
        return ""  # none that was measured beside torch's own
