"""The settings of MM-Vet. Torch-free."""

from __future__ import annotations

from attrs import field, frozen, validators

from ..judge_config import JudgedConfig


@frozen(kw_only=True)
class MMVetConfig(JudgedConfig):
    """The questions, the evaluator and the number of gradings.

    ``judge`` is "none" where the answers are to be graded elsewhere. ``extraction`` sets how the judge is asked.
    """

    runs: int = field(
        default=1,
        validator=[validators.ge(1), validators.le(100)],
        metadata={"help": "number of times that the judge grades every answer; 5 in the paper"},
    )
    subset: str = field(
        default="", metadata={"help": "file with a list of keys, such as bard_set.json; empty for all questions"}
    )
