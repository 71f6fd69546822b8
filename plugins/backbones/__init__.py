"""The built-in backbones: decoder-only language models of several families."""

from janiform import hookimpl

from . import chameleon, gemma, llama, mistral, qwen2, qwen3, qwen3_moe
from .bamba import config as bamba
from .phi import config as phi

FAMILIES = (
    ("llama", llama.LlamaConfig, llama.PRESETS, "RMSNorm, rotary positions, SwiGLU, grouped-query attention"),
    (
        "qwen2",
        qwen2.Qwen2Config,
        qwen2.PRESETS,
        "Llama with biases on queries, keys and values, as in Qwen2 and Qwen2.5",
    ),
    ("qwen3", qwen3.Qwen3Config, qwen3.PRESETS, "Llama with norms on the heads of queries and keys, as in Qwen3"),
    (
        "mistral",
        mistral.MistralConfig,
        mistral.PRESETS,
        "Llama's architecture, as in Mistral 7B without a sliding window",
    ),
    (
        "gemma",
        gemma.GemmaConfig,
        gemma.PRESETS,
        "Llama with scaled embeddings, norms whose weights are offset by 1, and GELU, as in the first Gemma",
    ),
    (
        "chameleon",
        chameleon.ChameleonConfig,
        chameleon.PRESETS,
        "Llama with LayerNorm on the heads of queries and keys, as in Chameleon",
    ),
)
"""Name, settings, presets and summary of each family; all are built by one factory, which reads ``config.variant``."""


@hookimpl
def janiform_register(registrar):
    for name, config, presets, summary in FAMILIES:
        registrar.component(
            "backbone",
            name,
            version=1,
            config=config,
            presets=presets,
            factory="janiform_plugins.backbones.decoder.model:Decoder",
            released="janiform_plugins.backbones.decoder.weights:RELEASED",
            summary=summary,
        )
    registrar.component(
        "backbone",
        "qwen3-moe",
        version=1,
        config=qwen3_moe.Qwen3MoeConfig,
        presets=qwen3_moe.PRESETS,
        factory="janiform_plugins.backbones.moe.model:SparseDecoder",
        released="janiform_plugins.backbones.moe.weights:RELEASED",
        summary="Qwen3 with a mixture of experts, of which a few run per position, as in Qwen3-30B-A3B",
    )
    registrar.component(
        "backbone",
        "bamba",
        version=1,
        config=bamba.BambaConfig,
        presets=bamba.PRESETS,
        factory="janiform_plugins.backbones.bamba.model:Bamba",
        released="janiform_plugins.backbones.bamba.weights:RELEASED",
        summary="recurrent layers of Mamba-2 with constant memory per sequence, and a few with attention, as in Bamba",
    )
    registrar.component(
        "backbone",
        "phi",
        version=1,
        config=phi.PhiConfig,
        presets=phi.PRESETS,
        factory="janiform_plugins.backbones.phi.model:Phi",
        released="janiform_plugins.backbones.phi.weights:RELEASED",
        summary="LayerNorm and biases, attention and MLP in parallel, partly rotary positions, as in Phi-1.5 and Phi-2",
    )
