"""The width of an embedding table; its height is the vocabulary of the codes."""

from __future__ import annotations

from attrs import field, frozen, validators
from janiform import Codes, Features, Hidden, Misfit


@frozen(kw_only=True)
class TableConfig:
    """One learned vector for each code; codes of several levels have a table for each, and their vectors are summed."""

    width: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "width of the vectors; 0 is the width of the tokenizer's own codes"},
    )

    def embed(self, codes: Codes, hidden: Hidden) -> Features:
        if not isinstance(codes, Codes):
            raise Misfit(f"embedding 'table' looks codes up, but is given {codes}")
        return Features(tokens=codes.tokens, width=self.width or codes.width, grid=codes.grid)
