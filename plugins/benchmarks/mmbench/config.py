"""The settings of MMBench. Torch-free."""

from __future__ import annotations

from attrs import frozen

from ..options_config import OptionsConfig


@frozen(kw_only=True)
class MMBenchConfig(OptionsConfig):
    """The table and the evaluator. The official evaluator is VLMEvalKit, which also reads the answers of LLaVA."""

    @property
    def evaluators_by_letters(self) -> tuple[str, ...]:
        return ("official", "vlmevalkit", "llava", "janus")
