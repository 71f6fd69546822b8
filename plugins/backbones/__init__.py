"""The built-in backbones: language models without the generation of anything but text."""

from janiform import hookimpl

from .llama.config import PRESETS as LLAMA_PRESETS
from .llama.config import LlamaConfig


@hookimpl
def janiform_register(registrar):
    registrar.component(
        "backbone",
        "llama",
        version=1,
        config=LlamaConfig,
        presets=LLAMA_PRESETS,
        factory="janiform_plugins.backbones.llama.model:LlamaBackbone",
        summary="RMSNorm, rotary positions, SwiGLU, grouped-query attention",
    )
