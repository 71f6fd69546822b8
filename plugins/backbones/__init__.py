"""The built-in backbones: language models without the generation of anything but text."""

from janiform import hookimpl

from .gemma.config import PRESETS as GEMMA_PRESETS
from .gemma.config import GemmaConfig
from .llama.config import PRESETS as LLAMA_PRESETS
from .llama.config import LlamaConfig
from .mistral.config import PRESETS as MISTRAL_PRESETS
from .mistral.config import MistralConfig
from .qwen2.config import PRESETS as QWEN2_PRESETS
from .qwen2.config import Qwen2Config
from .qwen3.config import PRESETS as QWEN3_PRESETS
from .qwen3.config import Qwen3Config


@hookimpl
def janiform_register(registrar):
    registrar.component(
        "backbone",
        "llama",
        version=1,
        config=LlamaConfig,
        presets=LLAMA_PRESETS,
        factory="janiform_plugins.backbones.llama.model:LlamaBackbone",
        released="janiform_plugins.backbones.llama.weights:RELEASED",
        summary="RMSNorm, rotary positions, SwiGLU, grouped-query attention",
    )
    registrar.component(
        "backbone",
        "qwen2",
        version=1,
        config=Qwen2Config,
        presets=QWEN2_PRESETS,
        factory="janiform_plugins.backbones.qwen2.model:Qwen2Backbone",
        released="janiform_plugins.backbones.qwen2.weights:RELEASED",
        summary="Llama with biases on queries, keys and values, as in Qwen2 and Qwen2.5",
    )
    registrar.component(
        "backbone",
        "qwen3",
        version=1,
        config=Qwen3Config,
        presets=QWEN3_PRESETS,
        factory="janiform_plugins.backbones.qwen3.model:Qwen3Backbone",
        released="janiform_plugins.backbones.qwen3.weights:RELEASED",
        summary="Llama with norms on the heads of queries and keys, as in Qwen3",
    )
    registrar.component(
        "backbone",
        "mistral",
        version=1,
        config=MistralConfig,
        presets=MISTRAL_PRESETS,
        factory="janiform_plugins.backbones.mistral.model:MistralBackbone",
        released="janiform_plugins.backbones.mistral.weights:RELEASED",
        summary="Llama by another name, as in Mistral 7B without a sliding window",
    )
    registrar.component(
        "backbone",
        "gemma",
        version=1,
        config=GemmaConfig,
        presets=GEMMA_PRESETS,
        factory="janiform_plugins.backbones.gemma.model:GemmaBackbone",
        released="janiform_plugins.backbones.gemma.weights:RELEASED",
        summary="Llama with scaled embeddings, norms that count from 1 and GELU, as in the first Gemma",
    )
