"""Settings of the autoregressive objective."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen, validators


@frozen(kw_only=True)
class AutoregressiveConfig:
    """How samples are laid out in rows, and how often a prompt is blanked."""

    text_dropout: float = field(
        default=0.1,
        validator=[validators.ge(0), validators.le(1)],
        metadata={"help": "fraction of drawing samples whose prompt is blanked, to train guidance"},
    )
    packed: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={
            "help": "positions of a row that holds several samples, and the longest sample; rows are up to twice as "
            "long where that leaves less padding; 0 gives each sample its own row"
        },
    )
    too_long: Literal["cut", "skip"] = field(
        default="cut",
        metadata={
            "help": "what happens to a sample longer than a packed row, or than the backbone's context without "
            "packing: cut by the layout's rule, or skipped; both are counted"
        },
    )
