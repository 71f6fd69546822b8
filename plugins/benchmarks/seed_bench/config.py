"""The settings of SEED-Bench. Torch-free."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen

from ..config import QuestionsConfig


@frozen(kw_only=True)
class SEEDBenchConfig(QuestionsConfig):
    """The data and the evaluator. The official extraction ranks the options by their loss; others read an answer."""

    option_loss: Literal["sum", "mean"] = field(
        default="sum",
        metadata={"help": "loss by which the official extraction ranks options: summed over their tokens, or the mean"},
    )
