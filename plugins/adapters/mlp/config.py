"""The depth of an MLP adapter; its widths follow from what it connects."""

from __future__ import annotations

from attrs import field, frozen, validators
from janiform import Features, Hidden

from ..features import check_features


@frozen(kw_only=True)
class MlpAdapterConfig:
    """As many tokens out as in, each mapped alone."""

    depth: int = field(
        default=2, validator=validators.ge(1), metadata={"help": "number of linear layers, with GELU between them"}
    )

    def adapt(self, source: Features, hidden: Hidden) -> Features:
        check_features("mlp", source)
        return Features(tokens=source.tokens, width=hidden.width, grid=source.grid)
