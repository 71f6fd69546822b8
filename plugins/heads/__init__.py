"""The built-in heads: hidden states to the codes of a picture."""

from janiform import hookimpl

from .depth.config import DepthHeadConfig
from .linear.config import LinearHeadConfig
from .mlp.config import MlpHeadConfig
from .shared.config import SharedHeadConfig


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
    registrar.component(
        "head",
        "linear",
        version=1,
        config=LinearHeadConfig,
        factory="janiform_plugins.heads.linear.model:LinearHead",
        summary="one matrix, to one code a position",
    )
    registrar.component(
        "head",
        "shared",
        version=1,
        config=SharedHeadConfig,
        factory="janiform_plugins.heads.shared.model:SharedHead",
        summary="codes are ids of the backbone's vocabulary, predicted by its text head, as in Chameleon",
    )
    registrar.component(
        "head",
        "depth",
        version=1,
        config=DepthHeadConfig,
        factory="janiform_plugins.heads.depth.model:DepthHead",
        summary="a transformer over the levels of a code, one after the other, as in the RQ-Transformer and VILA-U",
    )
