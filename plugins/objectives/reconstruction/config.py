"""Settings of the reconstruction objective."""

from __future__ import annotations

from attrs import field, frozen


@frozen(kw_only=True)
class ReconstructionConfig:
    """Which tokenizer learns. Its losses and their weights are settings of the tokenizer."""

    pathway: str = field(default="generation", metadata={"help": "the pathway whose tokenizer is trained"})
