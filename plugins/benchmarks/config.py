"""The settings that all benchmarks with questions about pictures share. Torch-free."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from attrs import field, frozen, validators

Profile = Literal["official", "vlmevalkit", "llava", "lmms-eval", "janus"]
"""Evaluators: that of the benchmark's authors, three evaluation suites, and that of the Janus papers."""


@frozen(kw_only=True)
class QuestionsConfig:
    """The data, and the evaluator whose prompt, extraction and aggregation are used."""

    data: Path | None = field(
        default=None, metadata={"help": "folder or file of the official data, VLMEvalKit's table or LLaVA's questions"}
    )
    format: Literal["auto", "official", "vlmevalkit", "llava"] = field(
        default="auto", metadata={"help": "format of the data, where the folder holds several; auto recognises it"}
    )
    images: Path | None = field(
        default=None, metadata={"help": "folder of the pictures, where they are not beside the data"}
    )
    allow_missing: bool = field(
        default=False, metadata={"help": "leave out questions whose pictures are missing, instead of failing"}
    )
    without_pictures: bool = field(
        default=False,
        metadata={"help": "give the questions alone: to score predictions made elsewhere, or to ask a model blindly"},
    )
    limit: int = field(
        default=0, validator=validators.ge(0), metadata={"help": "number of questions, the first ones; 0 asks all"}
    )
    profile: Profile = field(
        default="official", metadata={"help": "evaluator whose prompt, extraction and aggregation are used"}
    )
    prompt: Profile | None = field(default=None, metadata={"help": "evaluator whose prompt is used; the profile's"})
    extraction: Profile | None = field(
        default=None, metadata={"help": "evaluator whose rule reads the answers; the profile's"}
    )
    aggregation: Profile | None = field(
        default=None, metadata={"help": "evaluator whose formula gives the overall score; the profile's"}
    )
    max_new_tokens: int = field(
        default=0,
        validator=validators.ge(0),
        metadata={"help": "maximum length of an answer in tokens; 0: the profile's, or else the model's"},
    )
    losses: bool = field(default=False, metadata={"help": "also measure the held-out loss of the expected answers"})

    @property
    def evaluators(self) -> dict[str, Profile]:
        """The evaluators whose prompt, extraction and aggregation are used."""
        return {
            "prompt": self.prompt or self.profile,
            "extraction": self.extraction or self.profile,
            "aggregation": self.aggregation or self.profile,
        }
