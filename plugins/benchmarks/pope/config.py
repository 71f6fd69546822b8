"""The settings of POPE. Torch-free."""

from __future__ import annotations

from attrs import frozen

from ..config import QuestionsConfig


@frozen(kw_only=True)
class POPEConfig(QuestionsConfig):
    """The data and the evaluator."""
