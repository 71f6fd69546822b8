"""Settings that the benchmarks of drawing have in common. Torch-free."""

from __future__ import annotations

from attrs import field, frozen, validators


@frozen(kw_only=True)
class DrawingsConfig:
    """How many prompts are drawn, and how."""

    limit: int = field(
        default=0, validator=validators.ge(0), metadata={"help": "number of prompts, the first ones; 0 means all"}
    )
    seed: int = field(
        default=42,
        validator=[validators.ge(0), validators.le(2**62)],
        metadata={"help": "seed of the first picture of every prompt; the others have the seeds after it"},
    )
    guidance: float | None = field(default=None, metadata={"help": "guidance scale; overrides the recipe's"})
    temperature: float | None = field(default=None, metadata={"help": "sampling temperature; overrides the recipe's"})
    top_k: int | None = field(
        default=None, metadata={"help": "sample from the K most likely codes; overrides the recipe's"}
    )
