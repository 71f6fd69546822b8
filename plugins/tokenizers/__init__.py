"""The built-in visual tokenizers: pixels to codes and back."""

from janiform import hookimpl

from .vq.config import PRESETS as VQ_PRESETS
from .vq.config import VqConfig


@hookimpl
def janiform_register(registrar):
    registrar.component(
        "tokenizer",
        "vq",
        version=1,
        config=VqConfig,
        presets=VQ_PRESETS,
        factory="janiform_plugins.tokenizers.vq.model:VqTokenizer",
        summary="convolutional autoencoder with an L2-normalised codebook, as in LlamaGen",
    )
