"""The settings of the autoregressive sampler."""

from __future__ import annotations

from attrs import field, frozen, validators


@frozen
class AutoregressiveConfig:
    """The settings of Janus are the defaults."""

    guidance: float = field(
        default=5.0,
        converter=float,
        metadata={
            "help": "Guidance scale: unconditional + guidance · (conditional − unconditional) logits; 1 disables it."
        },
    )
    temperature: float = field(
        default=1.0,
        converter=float,
        validator=validators.ge(0),
        metadata={"help": "Divides the logits; 0 always takes the most likely code."},
    )
    top_k: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "Sample from the K most likely codes; 0 means no limit."},
    )
