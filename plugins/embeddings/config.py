"""The settings of the embeddings. Torch-free."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen, validators
from janiform import Codes, Features, Hidden, PortMismatch


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
            raise PortMismatch(f"embedding 'table' needs codes, but its source is {codes}")
        return Features(tokens=codes.tokens, width=self.width or codes.width, grid=codes.grid)


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
        if not isinstance(codes, Codes) or codes.depth != 1:
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
        return Features(tokens=codes.tokens, width=hidden.width, grid=codes.grid)
