"""The settings of SEED-Bench. Torch-free."""

from __future__ import annotations

from attrs import frozen

from ..config import QuestionsConfig


@frozen(kw_only=True)
class SEEDBenchConfig(QuestionsConfig):
    """The data and the evaluator. The official extraction ranks the options by their loss; others read an answer."""
