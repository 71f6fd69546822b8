"""The settings of benchmarks whose answers name an option, as VLMEvalKit reads them. Torch-free."""

from __future__ import annotations

from typing import ClassVar, Literal

from attrs import field, frozen, validators

from .answers import Rules
from .judge_config import JudgedConfig


@frozen(kw_only=True)
class OptionsConfig(JudgedConfig):
    """The version of the rules, and the judge of answers in which they find no option."""

    rules: Literal["2024-10", "2025-08", "2026-06"] | None = field(
        default=None,
        metadata={
            "help": "version of VLMEvalKit's rules that read letters; 2024-10 for the extraction janus, else the newest"
        },
    )
    seed: int = field(
        default=42, validator=validators.ge(0), metadata={"help": "random seed of options that are drawn at random"}
    )

    by_letters: ClassVar[tuple[str, ...]] = ("vlmevalkit", "janus")
    """The evaluators that read answers by VLMEvalKit's rules."""

    @property
    def letter_rules(self) -> Rules | None:
        """The version of VLMEvalKit's rules; None where another evaluator's rules read the answers."""
        extraction = self.evaluators["extraction"]
        if extraction not in self.by_letters:
            return None
        return self.rules or ("2024-10" if extraction == "janus" else "2026-06")
