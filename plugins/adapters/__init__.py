"""The built-in adapters: features to the hidden width of a backbone."""

from janiform import hookimpl

from .identity.config import IdentityAdapterConfig
from .linear.config import LinearAdapterConfig
from .mlp.config import MlpAdapterConfig
from .pixel_shuffle.config import PixelShuffleConfig
from .resampler.config import ResamplerConfig


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
    registrar.component(
        "adapter",
        "linear",
        version=1,
        config=LinearAdapterConfig,
        factory="janiform_plugins.adapters.linear.model:LinearAdapter",
        summary="one matrix",
    )
    registrar.component(
        "adapter",
        "identity",
        version=1,
        config=IdentityAdapterConfig,
        factory="janiform_plugins.adapters.identity.model:IdentityAdapter",
        summary="features as they are, where they have the hidden width already",
    )
    registrar.component(
        "adapter",
        "pixel-shuffle",
        version=1,
        config=PixelShuffleConfig,
        factory="janiform_plugins.adapters.pixel_shuffle.model:PixelShuffleAdapter",
        summary="squares of neighbouring features merged into one token, then an MLP, as in InternVL",
    )
    registrar.component(
        "adapter",
        "resampler",
        version=1,
        config=ResamplerConfig,
        factory="janiform_plugins.adapters.resampler.model:ResamplerAdapter",
        summary="learned queries that attend over the features, one token each, as in Flamingo",
    )
