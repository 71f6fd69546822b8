"""The settings of the autoregressive sampler."""

from __future__ import annotations

from attrs import field, frozen, validators


@frozen
class AutoregressiveConfig:
    """Janus' own settings are the defaults."""

    guidance: float = field(
        default=5.0,
        converter=float,
        metadata={"help": "Weight of the prompt: unconditional + guidance · (conditional − unconditional); 1 is none."},
    )
    temperature: float = field(
        default=1.0,
        converter=float,
        validator=validators.ge(0),
        metadata={"help": "Divides the logits; 0 takes the likeliest code always."},
    )
    top_k: int = field(
        default=0, validator=validators.ge(0), metadata={"help": "Choose among so many likeliest codes; 0 among all."}
    )
