"""The settings of the heads; vocabulary and depth are those of the tokenizer. Torch-free."""

from __future__ import annotations

from typing import ClassVar, Literal

from attrs import field, frozen, validators
from janiform import Codes, CodesOrLatents, Hidden, Latents, Logits, PortMismatch, Values

from ..backbones.decoder.config import DecoderConfig
from ..embeddings.config import SharedVocabulary, UvitConfig


def _single_code(head: str, codes: Codes) -> Logits:
    """The logits of a head that predicts one code per position. Raises ``PortMismatch`` for codes of several levels."""
    if not isinstance(codes, Codes):
        raise PortMismatch(f"head '{head}' predicts codes, but is given {codes}: use head 'values'")
    if codes.depth != 1:
        raise PortMismatch(
            f"head '{head}' predicts one code per position, but the tokenizer gives {codes.depth}: use head 'depth', "
            "which predicts level by level, or a tokenizer of depth 1"
        )
    return Logits(vocabulary=codes.vocabulary)


@frozen(kw_only=True)
class LinearHeadConfig:
    """One matrix from a hidden state to the logits of one code, like the text head of a language model."""

    bias: bool = field(default=False, metadata={"help": "add a learned bias to the logits"})

    def predict(self, hidden: Hidden, codes: Codes) -> Logits:
        return _single_code("linear", codes)


@frozen(kw_only=True)
class MlpHeadConfig:
    """Linear layers with GELU between them, from a hidden state to the logits of one code."""

    depth: int = field(
        default=2, validator=validators.ge(1), metadata={"help": "number of linear layers, with GELU between them"}
    )
    inner: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "width between the layers; 0 means the width of the hidden states"},
    )

    def predict(self, hidden: Hidden, codes: Codes) -> Logits:
        return _single_code("mlp", codes)


@frozen(kw_only=True)
class SharedHeadConfig(SharedVocabulary):
    """The backbone's text head, whose vocabulary includes the codes. Pictures are sampled from the codes alone."""

    softmax: Literal["all", "codes"] = field(
        default="all",
        metadata={
            "help": "classes of the softmax in training: all (text ids and codes, as in Chameleon), or codes alone"
        },
    )

    def predict(self, hidden: Hidden, codes: Codes) -> Logits:
        self.rows(hidden, codes)
        return Logits(vocabulary=codes.vocabulary)


@frozen(kw_only=True)
class DepthHeadConfig:
    """A transformer that predicts a residual code level by level, as in the RQ-Transformer (arXiv:2203.01941)."""

    width: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "width of the depth transformer; 0 means the width of the hidden states"},
    )
    inner: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "inner width of its gated MLPs; 0 means 8/3 of its width, rounded up to a multiple of 8"},
    )
    layers: int = field(default=4, validator=validators.gt(0), metadata={"help": "number of its blocks"})
    heads: int = field(default=8, validator=validators.gt(0), metadata={"help": "number of attention heads per block"})
    shared: bool = field(
        default=False,
        metadata={
            "help": "use one table and one output matrix for all levels, for tokenizers whose levels share a codebook"
        },
    )

    def predict(self, hidden: Hidden, codes: Codes) -> Logits:
        if not isinstance(codes, Codes):
            raise PortMismatch(f"head 'depth' predicts codes, but is given {codes}: use head 'values'")
        width = self.width or hidden.width
        if width % (2 * self.heads):
            raise PortMismatch(
                f"head 'depth' has a width of {width}, which does not divide into {self.heads} heads of an even width: "
                "set 'heads' or 'width'"
            )
        return Logits(vocabulary=codes.vocabulary, depth=codes.depth)

    def decoder(self, hidden: Hidden, codes: Codes) -> DecoderConfig:
        """The sizes of the blocks."""
        width = self.width or hidden.width
        return DecoderConfig(
            width=width,
            inner=self.inner or -(-width // 3) * 8,
            layers=self.layers,
            heads=self.heads,
            vocabulary=codes.vocabulary,
            context=codes.depth,
        )


@frozen(kw_only=True)
class ValuesHeadConfig:
    """Values of every place of a picture that is drawn from noise, from the hidden state at its position."""

    of: Literal["velocity", "noise", "data"] = field(
        default="velocity",
        metadata={"help": "the velocity between noise and data, the noise, or the data; the sampler must support it"},
    )
    norm: Literal["none", "rms", "layer"] = field(
        default="none", metadata={"help": "normalisation of the hidden states before the first layer"}
    )
    layers: int = field(
        default=1, validator=validators.ge(1), metadata={"help": "number of linear layers, with SiLU between them"}
    )
    bias: bool = field(default=True, metadata={"help": "add a learned bias in every layer"})

    def predict(self, hidden: Hidden, drawn: CodesOrLatents) -> Values:
        if not isinstance(drawn, Latents):
            raise PortMismatch(f"head 'values' predicts latents, but is given {drawn}: use head 'mlp'")
        return Values(drawn.tokens, drawn.width, self.of)


@frozen(kw_only=True)
class UvitHeadConfig:
    """The decoder of JanusFlow (arXiv:2411.07975): ConvNeXt V2 blocks over the states and the embedding's features.

    It needs the embedding 'uvit' of the same width.
    """

    borrows: ClassVar[tuple[str, ...]] = ("embedding",)

    of: Literal["velocity", "noise", "data"] = field(
        default="velocity",
        metadata={"help": "the velocity between noise and data, the noise, or the data; the sampler must support it"},
    )
    width: int = field(
        default=768, validator=validators.gt(0), metadata={"help": "width of the states, as that of the embedding"}
    )
    blocks: int = field(default=2, validator=validators.ge(0), metadata={"help": "number of the ConvNeXt blocks"})
    eps: float = field(
        default=1e-6,
        validator=validators.gt(0),
        metadata={"help": "constant of the norm of the hidden states; that of the backbone"},
    )

    def predict(self, hidden: Hidden, drawn: CodesOrLatents) -> Values:
        if not isinstance(drawn, Latents):
            raise PortMismatch(f"head 'uvit' predicts latents, but is given {drawn}: use head 'mlp'")
        return Values(drawn.tokens, drawn.width, self.of)

    def accept(self, part: str, config: object) -> None:
        """Raise ``PortMismatch`` unless the embedding has features of the head's width."""
        if not isinstance(config, UvitConfig) or config.width != self.width:
            raise PortMismatch(
                f"head 'uvit' has a width of {self.width} and reads the features of an embedding: use embedding 'uvit' "
                "with the same width"
            )
