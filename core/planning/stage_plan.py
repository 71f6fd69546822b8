"""What a plan is asked for, and what it says about one stage."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from ..measure.gpus import Gpu
from .memory import Memory
from .step_work import StepWork
from .traffic import Traffic


@frozen
class PlanRequest:
    """What to plan for: ``gpus`` of one kind, the fraction of their arithmetic that is used, and lengths of samples."""

    gpu: Gpu
    gpus: int
    mfu: float = 0.4
    lengths: Mapping[str, int] = field(factory=dict)


@frozen
class Execution:
    """How a stage is executed, as far as memory depends on it. ``changes``: the settings for it, as lines of TOML."""

    parallel: str
    shards: int
    micro_batch: int
    checkpointing: bool | tuple[str, ...]
    changes: tuple[str, ...] = ()


@frozen
class StagePlan:
    """One stage.

    ``samples``: per step. ``work``: of a step, on all GPUs; None where it is not known. ``trained``: parameters, those
    that only the objective has among them. ``seconds``: per step. ``alternatives``: what would fit where the stage does
    not, with its memory. ``problem``: why something is not planned.
    """

    name: str
    steps: int = 0
    samples: int = 0
    work: StepWork | None = None
    trained: int = 0
    execution: Execution | None = None
    memory: Memory | None = None
    traffic: Traffic | None = None
    seconds: float = 0.0
    alternatives: tuple[tuple[Execution, Memory], ...] = ()
    problem: str = ""

    @property
    def tokens(self) -> int:
        """Positions per step, without padding."""
        return 0 if self.work is None else round(self.work.positions.total)

    @property
    def flops(self) -> float:
        """FLOPs per step."""
        return 0.0 if self.work is None else self.work.flops

    @property
    def days(self) -> float:
        return self.steps * self.seconds / 86400
