"""The settings of MMMU. Torch-free."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from attrs import field, frozen, validators

from ..judge_config import JudgeConfig

PROFILES = {
    "official": {"prompt": "official", "pictures": "first", "extraction": "official", "fallback": "random"},
    "vlmevalkit": {"prompt": "vlmevalkit", "pictures": "interleaved", "extraction": "2026-06", "fallback": "wrong"},
    "lmms-eval": {"prompt": "lmms-eval", "pictures": "referenced", "extraction": "lmms-eval", "fallback": "random"},
    "janus": {"prompt": "janus", "pictures": "all", "extraction": "2024-10", "fallback": "wrong"},
}
"""The prompt, the pictures, the extraction and the fallback of each profile."""

NEW_TOKENS = {"official": 128, "vlmevalkit": 2048, "lmms-eval": 128, "janus": 2048}


@frozen(kw_only=True)
class MmmuConfig(JudgeConfig):
    """MMMU's questions and the protocol of the evaluation."""

    data: Path | None = field(
        default=None,
        metadata={"help": "folder of the official Parquet files, a Parquet file, or VLMEvalKit's MMMU_DEV_VAL.tsv"},
    )
    images: Path | None = field(
        default=None, metadata={"help": "folder of the pictures of a TSV without a column image; that of the TSV if empty"}
    )
    profile: Literal["official", "vlmevalkit", "lmms-eval", "janus"] = field(
        default="official",
        metadata={"help": "whose protocol sets prompt, pictures, extraction and fallback, where they are empty"},
    )
    prompt: Literal["", "official", "vlmevalkit", "lmms-eval", "janus"] = field(
        default="", metadata={"help": "form of the question; overrides the profile's"}
    )
    pictures: Literal["", "first", "all", "referenced", "interleaved"] = field(
        default="",
        metadata={
            "help": "first: only the first picture, before the text; all: all of them; referenced: those that the text "
            "names; interleaved: pictures in place of <image 1>, <image 2>, …; overrides the profile's"
        },
    )
    extraction: Literal["", "official", "lmms-eval", "lmms-eval-2025-06", "2024-10", "2025-08", "2026-06"] = field(
        default="",
        metadata={
            "help": "rule that reads answers; dates are versions of VLMEvalKit, lmms-eval-2025-06 is lmms-eval before "
            "open questions were all wrong; overrides the profile's"
        },
    )
    fallback: Literal["", "random", "wrong"] = field(
        default="",
        metadata={"help": "what counts where an answer names no option: a random one, or none; overrides the profile's"},
    )
    seed: int = field(default=42, validator=validators.ge(0), metadata={"help": "random seed of random options"})
    split: Literal["validation", "dev", "test", "dev+validation"] = field(
        default="validation", metadata={"help": "questions of the data to use; papers report validation"}
    )
    limit: int = field(
        default=0, validator=validators.ge(0), metadata={"help": "number of questions to use, the first ones; 0 for all"}
    )
    allow_missing: bool = field(
        default=False, metadata={"help": "leave out questions whose pictures are missing, and count them"}
    )
    max_new_tokens: int = field(
        default=0, validator=validators.ge(0), metadata={"help": "most tokens of an answer; 0 for the profile's"}
    )

    def protocol(self) -> dict[str, str]:
        """The profile's names, with those that are set in place of them."""
        names = PROFILES[self.profile]
        return {name: getattr(self, name) or value for name, value in names.items()}
