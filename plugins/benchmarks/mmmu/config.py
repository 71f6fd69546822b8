"""The settings of MMMU. Torch-free."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen

from ..options_config import OptionsConfig


@frozen(kw_only=True)
class MMMUConfig(OptionsConfig):
    """The questions, the evaluator, the pictures in a question, and what counts where an answer names no option.

    The official evaluator is that of the configuration for LLaVA, so the profiles official and llava are the same.
    """

    split: Literal["validation", "dev", "test", "dev+validation"] = field(
        default="validation", metadata={"help": "questions of the data to use; papers report validation"}
    )
    layout: Literal["first", "all", "referenced", "interleaved"] | None = field(
        default=None,
        metadata={
            "help": "first: only the first picture, before the text; all: all of them; referenced: those that the text "
            "names; interleaved: pictures in place of <image 1>, <image 2>, …; that of the prompt's evaluator"
        },
    )
    fallback: Literal["random", "wrong"] = field(
        default="random",
        metadata={
            "help": "what counts where the official rule or that of lmms-eval finds no option: a random one, or none"
        },
    )
    open_bug: bool = field(
        default=True,
        metadata={
            "help": "count answers to open questions as lmms-eval has done since 2025-07-30, all as wrong; only for "
            "the extraction lmms-eval"
        },
    )
