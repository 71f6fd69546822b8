"""The kinds of components. Plugins bring components of these kinds, not kinds."""

from __future__ import annotations

from attrs import frozen


@frozen
class Kind:
    """A kind of component, and the contracts in ``janiform.contracts`` that its two halves keep.

    ``declares`` are the attributes that every config class of the kind must have beside its fields.
    """

    name: str
    summary: str
    declares: tuple[str, ...] = ()
    config_contract: str = ""
    module_contract: str = ""


KINDS = {
    kind.name: kind
    for kind in (
        Kind("tiling", "how a large picture is cut up to be looked at", ("most",), "TilingConfig", "Tiling"),
        Kind("encoder", "looks at pictures: pixels to features", ("features", "transform"), "EncoderConfig", "Encoder"),
        Kind("tokenizer", "pixels to codes and back", ("codes", "transform"), "TokenizerConfig", "Tokenizer"),
        Kind("embedding", "codes to vectors, as the backbone reads them", ("embed",), "EmbeddingConfig", "Embedding"),
        Kind("adapter", "features to the hidden width of the backbone", ("adapt",), "AdapterConfig", "Adapter"),
        Kind("backbone", "the language model that reads every sequence", ("hidden",), "BackboneConfig", "Backbone"),
        Kind("head", "hidden states to the codes of the next position", ("predict",), "HeadConfig", "Head"),
        Kind("text", "text to ids and back", ("vocabulary",), "TextConfig", "TextTokenizer"),
        Kind("layout", "conversations to typed spans: a chat format", (), "LayoutConfig", "Layout"),
        Kind("sampler", "how the codes of a picture are drawn", (), "SamplerConfig", "Sampler"),
        Kind("objective", "what a training stage minimises", (), "ObjectiveConfig", "Objective"),
        Kind("source", "a stream of conversations to train on", (), "", "Source"),
        Kind("sink", "where else the figures of a run go", (), "SinkConfig", "Sink"),
        Kind("benchmark", "a measurement of a model", (), "BenchmarkConfig", "Benchmark"),
        Kind("kernel", "how attention is computed", ("serves", "advantage"), "KernelConfig", "Kernel"),
        Kind("format", "a layout of model directories", ("recognises",), "FormatConfig", "Format"),
    )
}
"""Every kind by its name, in the order in which a model is thought of."""
