"""What xformers serves."""

from attrs import frozen
from janiform import Asked, Serves


@frozen(kw_only=True)
class XformersConfig:
    def serves(self) -> Serves:
        return Serves(
            devices=("cuda",),
            learns=("cuda",),
            dtypes=("bfloat16", "float16"),
            multiple=8,
            widest=256,
            needs={"xformers": "pip install 'janiform[xformers]'"},
            capability=(8, 0),
        )

    def advantage(self, asked: Asked) -> str:
        return ""  # none that was measured beside torch's own
