"""The built-in heads: hidden states to the codes of a picture."""

from janiform import hookimpl

from .mlp.config import MlpHeadConfig


@hookimpl
def janiform_register(registrar):
    registrar.component(
        "head",
        "mlp",
        version=1,
        config=MlpHeadConfig,
        factory="janiform_plugins.heads.mlp.model:MlpHead",
        summary="linear layers with GELU between them, to one code a position",
    )
