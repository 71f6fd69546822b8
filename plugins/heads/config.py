"""The settings of the heads; vocabulary and depth are those of the tokenizer. Torch-free."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from attrs import field, frozen, validators
from janiform import Codes, CodesOrLatents, Hidden, Latents, Logits, PlaceValues, PortMismatch, Values

from ..backbones.decoder.config import DecoderConfig
from ..embeddings.config import MAR_PRESETS, MarEmbeddingConfig, MarTransformer, SharedVocabulary, UvitConfig, even

MAX_STEPS = 1000
"""The steps of training of a diffusion."""


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
    """A transformer that predicts a code level by level, as in the RQ-Transformer (arXiv:2203.01941) and UniTok."""

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
    shared_output: bool = field(
        default=False,
        metadata={"help": "use one output matrix for all levels, and a table for each, as in UniTok"},
    )
    inputs: Literal["sum", "last"] = field(
        default="sum",
        metadata={
            "help": "input of a level beside the hidden state: the sum of the vectors of all codes before it, as for "
            "residual codes, or the vector of the last one, as for split codes in UniTok"
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
    zeros: bool = field(
        default=False,
        metadata={"help": "begin with zeros in the last layer, so that the first values are 0, as in BAGEL"},
    )

    def predict(self, hidden: Hidden, drawn: CodesOrLatents) -> Values:
        if not isinstance(drawn, Latents):
            raise PortMismatch(f"head 'values' predicts latents, but is given {drawn}: use head 'mlp'")
        return Values(drawn.tokens, drawn.width, self.of)


def _spaced(config: PlaceDiffusionConfig, attribute: Any, value: int) -> None:
    if not 2 <= value <= MAX_STEPS:
        raise ValueError(f"{attribute.name} {value} is not a whole number from 2 to {MAX_STEPS}")


@frozen(kw_only=True, slots=False)  # a config of a head may have another base as well
class PlaceDiffusionConfig:
    """The diffusion of the values of one place, as in MAR (arXiv:2406.11838)."""

    frequencies: int = field(
        default=256, validator=even, metadata={"help": "number of sines and cosines of the step of the diffusion"}
    )
    steps: int = field(
        default=100,
        validator=_spaced,
        metadata={
            "help": f"steps of the diffusion of a place while drawing, 2 to {MAX_STEPS}, which are those of training"
        },
    )
    clip: float = field(
        default=0.0,
        converter=float,
        validator=validators.ge(0),
        metadata={
            "help": "largest absolute value of the latents that each step predicts; 0 means no limit, as in MAR. A net "
            "that was trained little needs one, since errors of the first steps grow"
        },
    )
    draws: int = field(
        default=4,
        validator=validators.ge(1),
        metadata={"help": "steps and noises that each place is trained on at once"},
    )


@frozen(kw_only=True)
class DiffusionHeadConfig(PlaceDiffusionConfig):
    """A diffusion of its own for each place, given the hidden state there; the sampler 'masked-latents' draws by it."""

    width: int = field(default=1024, validator=validators.gt(0), metadata={"help": "width of the residual MLPs"})
    depth: int = field(default=6, validator=validators.ge(1), metadata={"help": "number of the residual MLPs"})

    def predict(self, hidden: Hidden, drawn: CodesOrLatents) -> Values:
        if not isinstance(drawn, Latents):
            raise PortMismatch(f"head 'diffusion' predicts latents, but is given {drawn}: use head 'mlp'")
        return Values(drawn.tokens, drawn.width, "sample")


@frozen(kw_only=True)
class RegressionHeadConfig:
    """The latents of each place of a picture from the state before it, as in MetaMorph (arXiv:2412.14164)."""

    layers: int = field(
        default=2, validator=validators.ge(1), metadata={"help": "number of linear layers, with GELU between them"}
    )
    loss: Literal["cosine", "squared"] = field(
        default="cosine",
        metadata={"help": "1 minus the cosine of prediction and target, as in MetaMorph, or their squared difference"},
    )
    unit: bool = field(
        default=True,
        metadata={"help": "scale predictions to length 1, for latents of that length, as the tokenizer 'features' has"},
    )

    def predict(self, hidden: Hidden, drawn: CodesOrLatents) -> PlaceValues:
        if not isinstance(drawn, Latents):
            raise PortMismatch(f"head 'regression' predicts latents, but is given {drawn}: use head 'mlp'")
        return PlaceValues(drawn.width)


@frozen(kw_only=True)
class MarHeadConfig(PlaceDiffusionConfig, MarTransformer):
    """The decoder of MAR, and a diffusion for each place given its output, as in Harmon (arXiv:2503.21979).

    It needs the embedding 'mar' of the same width, with a buffer of the same size.
    """

    borrows: ClassVar[tuple[str, ...]] = ("embedding",)

    net_width: int = field(
        default=1024, validator=validators.gt(0), metadata={"help": "width of the residual MLPs of the diffusion"}
    )
    net_depth: int = field(
        default=6, validator=validators.ge(1), metadata={"help": "number of the residual MLPs of the diffusion"}
    )

    def predict(self, hidden: Hidden, drawn: CodesOrLatents) -> Values:
        if not isinstance(drawn, Latents):
            raise PortMismatch(f"head 'mar' predicts latents, but is given {drawn}: use head 'mlp'")
        return Values(drawn.tokens, drawn.width, "sample")

    def accept(self, part: str, config: object) -> None:
        """Raise ``PortMismatch`` unless the embedding has the head's width and buffer."""
        sizes = (config.width, config.buffer) if isinstance(config, MarEmbeddingConfig) else None
        if sizes != (self.width, self.buffer):
            raise PortMismatch(
                f"head 'mar' has a width of {self.width} and a buffer of {self.buffer}, and decodes the vectors of an "
                "embedding: use embedding 'mar' with the same width and buffer"
            )


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


DIFFUSION_PRESETS = {
    "base": {"width": 1024, "depth": 6},
    "large": {"width": 1280, "depth": 8},
    "huge": {"width": 1536, "depth": 12},
}
"""The nets of MAR-B, MAR-L and MAR-H; Harmon has the last."""

MAR_HEAD_PRESETS = {
    name: {**sizes, "net_width": DIFFUSION_PRESETS[name]["width"], "net_depth": DIFFUSION_PRESETS[name]["depth"]}
    for name, sizes in MAR_PRESETS.items()
}
