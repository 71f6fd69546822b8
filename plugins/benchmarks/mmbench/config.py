"""The settings of MMBench. Torch-free."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from ..options_config import OptionsConfig


@frozen(kw_only=True)
class MMBenchConfig(OptionsConfig):
    """The table and the evaluator. The official evaluator is VLMEvalKit, which also reads the answers of LLaVA."""

    by_letters: ClassVar[tuple[str, ...]] = ("official", "vlmevalkit", "llava", "janus")
