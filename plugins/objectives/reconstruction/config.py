"""Settings of the reconstruction objective."""

from __future__ import annotations

from attrs import field, frozen


@frozen(kw_only=True)
class ReconstructionConfig:
    """Which tokenizer is trained. Its losses and their weights are settings of the tokenizer."""

    pathway: str = field(default="generation", metadata={"help": "pathway whose tokenizer is trained"})
