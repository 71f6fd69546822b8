"""The built-in adapters: features to the hidden width of a backbone."""

from janiform import hookimpl

from .mlp.config import MlpAdapterConfig


@hookimpl
def janiform_register(registrar):
    registrar.component(
        "adapter",
        "mlp",
        version=1,
        config=MlpAdapterConfig,
        factory="janiform_plugins.adapters.mlp.model:MlpAdapter",
        summary="linear layers with GELU between them",
    )
