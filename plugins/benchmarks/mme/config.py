"""The settings of MME. Torch-free."""

from __future__ import annotations

from attrs import frozen

from ..config import QuestionsConfig


@frozen(kw_only=True)
class MMEConfig(QuestionsConfig):
    """The data and the evaluator. A limit is rounded down to whole pictures, but at least one."""
