"""An adapter without a setting: what it asks of the two widths."""

from __future__ import annotations

from attrs import frozen
from janiform import Features, Hidden, PortMismatch

from ..features import check_features


@frozen(kw_only=True)
class IdentityAdapterConfig:
    """The same tokens, which must have the hidden width already."""

    def adapt(self, source: Features, hidden: Hidden) -> Features:
        check_features("identity", source)
        if source.width != hidden.width:
            raise PortMismatch(
                f"adapter 'identity' changes nothing, but the features have a width of {source.width} and the backbone "
                f"one of {hidden.width}: give both the same, or take 'linear'"
            )
        return source
