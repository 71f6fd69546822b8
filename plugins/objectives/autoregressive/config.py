"""Settings of the autoregressive objective."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen, validators


@frozen(kw_only=True)
class AutoregressiveConfig:
    """How samples become rows, and how often a prompt is blanked."""

    text_dropout: float = field(
        default=0.1,
        validator=[validators.ge(0), validators.le(1)],
        metadata={"help": "share of drawing samples whose prompt is blanked, from which guidance learns"},
    )
    packed: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={
            "help": "positions of a row that holds as many samples as fit, and of the longest sample; where that "
            "leaves padding rows are longer, up to twice. 0 gives each sample a row"
        },
    )
    too_long: Literal["cut", "skip"] = field(
        default="cut",
        metadata={
            "help": "what becomes of a sample longer than a packed row, or than the backbone's context where rows are "
            "not packed: cut by the layout's rule, or passed over; both are counted"
        },
    )
