"""The settings of the embeddings. Torch-free."""

from __future__ import annotations

from math import isfinite
from typing import Any, ClassVar, Literal

from attrs import field, frozen, validators
from janiform import Codes, CodesOrLatents, Features, Hidden, Latents, PortMismatch


@frozen(kw_only=True)
class TableConfig:
    """One learned vector per code; codes of several levels have a table per level, and their vectors are summed."""

    width: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "width of the vectors; 0 means the width of the tokenizer's codes"},
    )
    positions: Literal["none", "waves"] = field(
        default="none",
        metadata={
            "help": "whether a learned position vector is added to each code: none, as in Janus, or waves, whose "
            "vectors are initialised with sines and cosines of row and column"
        },
    )
    mask: bool = field(
        default=False,
        metadata={"help": "add a learned vector for places that are hidden, which the sampler 'masked' needs"},
    )

    @property
    def hides(self) -> bool:
        """Whether it embeds pictures with hidden places."""
        return self.mask

    def embed(self, codes: Codes, hidden: Hidden) -> Features:
        if not isinstance(codes, Codes):
            raise PortMismatch(f"embedding 'table' needs codes, but its source is {codes}: use embedding 'patches'")
        if codes.scales and self.positions != "none":
            raise PortMismatch(f"embedding 'table' has positions on one grid, but its source is {codes}")
        return Features(codes.tokens, self.width or codes.width, None if codes.scales else codes.grid)


@frozen(kw_only=True)
class CodebookEmbeddingConfig:
    """The vectors of the codes in the tokenizer's own codebook, as in UniTok and VILA-U: nothing is learned here."""

    borrows: ClassVar[tuple[str, ...]] = ("tokenizer",)

    def embed(self, codes: Codes, hidden: Hidden) -> Features:
        if not isinstance(codes, Codes):
            raise PortMismatch(f"embedding 'codebook' needs codes, but its source is {codes}: use embedding 'patches'")
        return Features(tokens=codes.tokens, width=codes.width, grid=None if codes.scales else codes.grid)


@frozen(kw_only=True)
class SharedVocabulary:
    """Codes as ids of the backbone's vocabulary, as in Chameleon (arXiv:2405.09818): code c is the id ``first`` + c."""

    first: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "id of the first code; 0 puts the codes at the end of the backbone's vocabulary"},
    )
    in_text: bool = field(
        default=False,
        metadata={
            "help": "whether the text tokenizer has tokens for the codes, as in Chameleon and Emu3, whose texts have "
            "ids on both sides of them; such tokens are never sampled as text"
        },
    )
    given: tuple[int, ...] = field(
        default=(),
        metadata={"help": "ids of the codes that always stand at the same places, such as that of the ends of lines"},
    )

    def rows(self, hidden: Hidden, codes: Codes) -> range:
        """The ids of the codes. Raises ``PortMismatch`` where the backbone's vocabulary is too small for them."""
        if not isinstance(codes, Codes):
            raise PortMismatch(
                f"a shared vocabulary needs codes, but the source is {codes}: use embedding 'patches' and head 'values'"
            )
        if codes.depth != 1:
            raise PortMismatch(
                f"a shared vocabulary needs one code per position, but the source is {codes}: use a tokenizer of depth "
                "1, or a part with its own matrices"
            )
        if len(self.given) != codes.every - codes.vocabulary:
            raise PortMismatch(
                f"{codes} has {codes.every - codes.vocabulary} codes that are only given, and the setting 'given' has "
                f"the ids of {len(self.given)}"
            )
        if self.in_text and not self.first:
            raise PortMismatch("codes that are tokens of the text need the id of the first: set 'first'")
        first = self.first or hidden.vocabulary - codes.vocabulary
        if first < 1 or first + codes.vocabulary > hidden.vocabulary:
            start = f"from id {self.first} on" if self.first else "beside the text's ids"
            raise PortMismatch(
                f"the backbone's vocabulary of {hidden.vocabulary} is too small for {codes.vocabulary} codes {start}: "
                f"set backbone.vocabulary to the number of text ids plus {codes.vocabulary}"
            )
        return range(first, first + codes.vocabulary)


@frozen(kw_only=True)
class SharedEmbeddingConfig(SharedVocabulary):
    """Vectors of the hidden width from the backbone's text table, so that the adapter may be `identity`."""

    mask: int | None = field(
        default=None,
        validator=validators.optional(validators.ge(0)),
        metadata={
            "help": "id of the mask token, whose vector stands at places that are hidden, which the sampler 'masked' "
            "needs; it is neither text nor a code, and none by default"
        },
    )

    @property
    def hides(self) -> bool:
        """Whether it embeds pictures with hidden places."""
        return self.mask is not None

    @property
    def reserved(self) -> tuple[int, ...]:
        """The ids of the backbone's vocabulary, beside those of the codes, that are no text."""
        return () if self.mask is None else (self.mask,)

    def embed(self, codes: Codes, hidden: Hidden) -> Features:
        rows = self.rows(hidden, codes)
        if self.mask is not None and (self.mask in rows or self.mask >= hidden.vocabulary):
            where = f"that of a code, {rows.start} .. {rows.stop - 1}" if self.mask in rows else "outside of it"
            raise PortMismatch(
                f"the mask token needs an id of its own in the backbone's vocabulary of {hidden.vocabulary}, and "
                f"{self.mask} is {where}: set 'mask', or 'first'"
            )
        return Features(codes.tokens, hidden.width, None if codes.scales else codes.grid)


@frozen(kw_only=True)
class ScalesConfig:
    """Codes of several scales: the places of a scale read the sum of all coarser ones, as in VAR and TokenFlow."""

    by_scales: ClassVar[bool] = True

    layers: int = field(
        default=1,
        validator=[validators.ge(1), validators.le(16)],
        metadata={"help": "layers that map the sums to the hidden width, with GELU between; 1 in VAR, 2 in TokenFlow"},
    )
    resize: Literal["progressive", "full"] = field(
        default="progressive",
        metadata={
            "help": "progressive: the sum passes from each scale to the next, enlarged bicubically, as in TokenFlow; "
            "full: it is kept on the last grid and reduced to each scale by means of areas, as in VAR"
        },
    )
    levels: bool = field(default=True, metadata={"help": "add a learned vector per scale"})
    positions: Literal["none", "learned", "waves"] = field(
        default="learned",
        metadata={
            "help": "vectors that are added to the places of all scales: none, learned ones, or learned ones that are "
            "initialised with sines and cosines of row and column"
        },
    )
    start: int | None = field(
        default=None,
        validator=validators.optional(validators.ge(0)),
        metadata={
            "help": "id of the token whose vector stands at the places of the first scale, as <img> in TokenFlow; none "
            "for a learned vector"
        },
    )

    @property
    def borrows(self) -> tuple[str, ...]:
        """The tokenizer has the vectors of the codes, the backbone that of a token."""
        return ("tokenizer",) if self.start is None else ("tokenizer", "backbone")

    def embed(self, codes: CodesOrLatents, hidden: Hidden) -> Features:
        if not isinstance(codes, Codes) or not codes.scales:
            raise PortMismatch(
                f"embedding 'scales' needs codes of several scales, but its source is {codes}: use a tokenizer such as "
                "'scales-vq', or embedding 'table'"
            )
        if self.start is not None and self.start >= hidden.vocabulary:
            raise PortMismatch(
                f"start {self.start} is not an id of the backbone's vocabulary of {hidden.vocabulary}: set the id of "
                "the token that begins a picture"
            )
        return Features(codes.tokens, hidden.width)


def even(config: Any, attribute: Any, value: int) -> None:
    if value < 2 or value % 2:
        raise ValueError(
            f"{attribute.name} {value} is not an even number above 0, since each rate has a sine and a cosine"
        )


def _finite(config: TimeConfig, attribute: Any, value: float) -> None:
    if not isfinite(value) or value <= 0:
        raise ValueError(f"{attribute.name} {value} is not a finite number above 0")


@frozen(kw_only=True)
class TimeConfig:
    """The time of a picture that is drawn from noise, as sines and cosines that a layer with SiLU maps to a vector."""

    frequencies: int = field(
        default=256,
        validator=even,
        metadata={"help": "number of sines and cosines of the time, which a layer with SiLU maps to the hidden width"},
    )
    order: Literal["cos-sin", "sin-cos"] = field(
        default="cos-sin", metadata={"help": "whether the cosines or the sines of the time come first"}
    )
    multiplier: float = field(
        default=1000.0,
        converter=float,
        validator=_finite,
        metadata={
            "help": "factor of times from 0 to 1: 1000, as of diffusion steps and in JanusFlow, or 1, as in BAGEL"
        },
    )
    data_at: float = field(
        default=1.0,
        converter=float,
        validator=validators.in_((0.0, 1.0)),
        metadata={"help": "the time of complete pictures, 1 or 0; as in the sampler's setting"},
    )


@frozen(kw_only=True)
class PatchesConfig(TimeConfig):
    """Latents of a place by one matrix, and the time of a picture that is drawn from noise."""

    time: Literal["add", "lead", "none"] = field(
        default="add",
        metadata={
            "help": "add: the vector of the time is added to every place, as in Transfusion and BAGEL; lead: it stands "
            "before the places, as in JanusFlow; none: the embedding does not depend on the time"
        },
    )
    positions: Literal["none", "waves", "learned"] = field(
        default="none",
        metadata={
            "help": "position vectors that are added to the places: none, fixed waves of column and row as in BAGEL "
            "and MAE, or learned ones"
        },
    )
    mask: bool = field(
        default=False,
        metadata={"help": "a learned vector in place of latents that are not drawn yet, for samplers that hide places"},
    )
    layers: int = field(
        default=1,
        validator=validators.ge(1),
        metadata={"help": "number of linear layers from the latents to the hidden width, with GELU between them"},
    )

    @property
    def hides(self) -> bool:
        """Whether it embeds pictures with hidden places."""
        return self.mask

    def embed(self, drawn: CodesOrLatents, hidden: Hidden) -> Features:
        if not isinstance(drawn, Latents):
            raise PortMismatch(f"embedding 'patches' needs latents, but its source is {drawn}: use embedding 'table'")
        if self.positions == "waves" and hidden.width % 4:
            raise PortMismatch(
                f"waves of columns and rows need a width that is a multiple of 4, but the backbone has {hidden.width}: "
                "set positions to none or learned"
            )
        lead = int(self.time == "lead")
        return Features(drawn.tokens + lead, hidden.width, drawn.grid, lead)


@frozen(kw_only=True)
class MarTransformer:
    """One of the two halves of MAR (arXiv:2406.11838): a ViT over the places of a picture and a buffer before them."""

    width: int = field(default=768, validator=validators.gt(0), metadata={"help": "width of the blocks"})
    layers: int = field(default=12, validator=validators.ge(0), metadata={"help": "number of the blocks"})
    heads: int = field(
        default=12,
        validator=validators.gt(0),
        metadata={"help": "number of attention heads per block; they divide the width"},
    )
    buffer: int = field(
        default=64, validator=validators.ge(1), metadata={"help": "number of vectors beside those of the places"}
    )
    table: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={
            "help": "side in places of the pictures that the table of positions is for, 16 in MAR's weights; positions "
            "are resized bilinearly to others; 0 means that of the tokenizer"
        },
    )

    def __attrs_post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} does not divide into {self.heads} heads")


@frozen(kw_only=True)
class MarEmbeddingConfig(MarTransformer):
    """The encoder of MAR: blocks over the known places and a buffer, as in Harmon (arXiv:2503.21979)."""

    hides: ClassVar[bool] = True
    drops_hidden: ClassVar[bool] = True

    def embed(self, drawn: CodesOrLatents, hidden: Hidden) -> Features:
        if not isinstance(drawn, Latents):
            raise PortMismatch(f"embedding 'mar' needs latents, but its source is {drawn}: use embedding 'table'")
        return Features(drawn.tokens + self.buffer, self.width, drawn.grid, trail=self.buffer)


MAR_PRESETS = {
    "base": {"width": 768, "layers": 12, "heads": 12},
    "large": {"width": 1024, "layers": 16, "heads": 16},
    "huge": {"width": 1280, "layers": 20, "heads": 16},
}
"""MAR-B, MAR-L and MAR-H: as many blocks in the encoder, an embedding, as in the decoder, a head."""


@frozen(kw_only=True)
class UvitConfig(TimeConfig):
    """The encoder of JanusFlow (arXiv:2411.07975): a convolution and ConvNeXt V2 blocks; a vector of the time leads.

    The values of a place must be in the order channel, row, column: ``order = "cpq"`` of the tokenizer 'kl'.
    """

    frequencies: int = field(
        default=768,
        validator=even,
        metadata={"help": "number of sines and cosines of the time, which a layer with SiLU maps to the hidden width"},
    )
    width: int = field(default=768, validator=validators.gt(0), metadata={"help": "width of the ConvNeXt blocks"})
    blocks: int = field(default=2, validator=validators.ge(0), metadata={"help": "number of the ConvNeXt blocks"})
    patch: int = field(
        default=2,
        validator=[validators.ge(1), validators.le(64)],
        metadata={"help": "side of the square of latents that is one place, as in the tokenizer"},
    )

    def embed(self, drawn: CodesOrLatents, hidden: Hidden) -> Features:
        if not isinstance(drawn, Latents):
            raise PortMismatch(f"embedding 'uvit' needs latents, but its source is {drawn}: use embedding 'table'")
        if drawn.width % self.patch**2:
            raise PortMismatch(
                f"embedding 'uvit' has patch {self.patch}, but the {drawn.width} values of a place are not a multiple "
                f"of {self.patch**2}: set patch as in the tokenizer"
            )
        return Features(drawn.tokens + 1, hidden.width, drawn.grid, 1)
