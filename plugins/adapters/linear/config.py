"""The one choice that a matrix leaves; its sides follow from what it connects."""

from __future__ import annotations

from attrs import field, frozen
from janiform import Features, Hidden

from ..features import check_features


@frozen(kw_only=True)
class LinearAdapterConfig:
    """As many tokens out as in, each mapped alone."""

    bias: bool = field(default=True, metadata={"help": "whether a learned vector is added to what the matrix gives"})

    def adapt(self, source: Features, hidden: Hidden) -> Features:
        check_features("linear", source)
        return Features(tokens=source.tokens, width=hidden.width, grid=source.grid)
