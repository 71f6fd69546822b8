"""The built-in adapters: features to the hidden width of a backbone."""

from janiform import hookimpl

from .config import (
    IdentityAdapterConfig,
    LinearAdapterConfig,
    MlpAdapterConfig,
    PixelShuffleConfig,
    ResamplerConfig,
)


@hookimpl
def janiform_register(registrar):
    registrar.component(
        "adapter",
        "mlp",
        version=1,
        config=MlpAdapterConfig,
        factory="janiform_plugins.adapters.projections:MlpAdapter",
        released="janiform_plugins.adapters.weights:RELEASED",
        summary="linear layers with an activation between them",
    )
    registrar.component(
        "adapter",
        "linear",
        version=1,
        config=LinearAdapterConfig,
        factory="janiform_plugins.adapters.projections:LinearAdapter",
        summary="one matrix",
    )
    registrar.component(
        "adapter",
        "identity",
        version=1,
        config=IdentityAdapterConfig,
        factory="janiform_plugins.adapters.projections:IdentityAdapter",
        summary="features unchanged, where they already have the hidden width",
    )
    registrar.component(
        "adapter",
        "pixel-shuffle",
        version=1,
        config=PixelShuffleConfig,
        factory="janiform_plugins.adapters.pixel_shuffle:PixelShuffleAdapter",
        summary="squares of neighbouring features merged into one token, then an MLP, as in InternVL",
    )
    registrar.component(
        "adapter",
        "resampler",
        version=1,
        config=ResamplerConfig,
        factory="janiform_plugins.adapters.resampler:ResamplerAdapter",
        summary="learned queries that attend to the features, one token per query, as in Flamingo",
    )
