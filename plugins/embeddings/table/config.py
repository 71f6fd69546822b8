"""The width of an embedding table; its height is the vocabulary of the codes."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen, validators
from janiform import Codes, Features, Hidden, PortMismatch


@frozen(kw_only=True)
class TableConfig:
    """One learned vector for each code; codes of several levels have a table for each, and their vectors are summed."""

    width: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "width of the vectors; 0 is the width of the tokenizer's own codes"},
    )
    positions: Literal["none", "waves"] = field(
        default="none",
        metadata={
            "help": "whether a code's place in the picture is added to its vector: not, as in Janus, or by learned "
            "vectors that begin as sines and cosines of row and column"
        },
    )

    def embed(self, codes: Codes, hidden: Hidden) -> Features:
        if not isinstance(codes, Codes):
            raise PortMismatch(f"embedding 'table' looks codes up, but is given {codes}")
        return Features(tokens=codes.tokens, width=self.width or codes.width, grid=codes.grid)
