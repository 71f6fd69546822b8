"""Planning one stage after another: its weights, its content, its memory, and what would fit instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

from attrs import evolve

from ..compose.selectors import select
from ..recipe import Stage
from ..train.data.specs import indivisible, micro_batches
from .memory import RESERVE, Memory, Sizes, memory_of
from .objective_stage import ObjectiveStage, UntraceableError
from .stage_plan import Execution, PlanRequest, StagePlan
from .step_work import StepCounter, StepWork
from .trace import Trace, stage_model, trace
from .traffic import traffic_of
from .typical import has_sequences, typical_batch
from .weights import Weights


class Planner:
    """Plans the stages of a composed recipe. ``available``: bytes of a GPU for training."""

    def __init__(self, counter: StepCounter, request: PlanRequest) -> None:
        self.counter, self.plan, self.request = counter, counter.plan, request
        self.available = int(request.gpu.memory * (1 - RESERVE))

    def stage(self, stage: Stage) -> StagePlan:
        """The plan of one stage, or of what can be planned of it with the reason for the rest."""
        known = StagePlan(stage.name, stage.last, stage.batch)
        try:
            objective = None if has_sequences(stage) else self.counter.objective(stage)
            work = self.counter.step(stage)
        except UntraceableError as error:
            return evolve(known, problem=f"{error}; it is not planned, and totals are without it")
        # Without sequences or a divisible objective, one process trains alone.
        gpus = self.request.gpus if objective is None or objective.divisible else 1
        if (refused := indivisible(stage.name, stage.batch, gpus)) is not None:
            return evolve(known, problem=f"{refused.message} ({refused.hint})")
        return _StagePlanner(self, stage, objective, gpus).planned(work)


class _StagePlanner:
    """Plans one stage on the ``gpus`` that share its steps. ``objective``: where it makes batches of its own kind."""

    def __init__(self, planner: Planner, stage: Stage, objective: ObjectiveStage | None, gpus: int) -> None:
        self.stage, self.objective, self.gpus = stage, objective, gpus
        self.plan, self.counter, self.gpu = planner.plan, planner.counter, planner.request.gpu
        self.mfu, self.available = planner.request.mfu, planner.available

    def planned(self, work: StepWork) -> StagePlan:
        stage, gpus = self.stage, self.gpus
        weights, trained = self.counter.weights(stage)
        sizes = self._sizes(weights, trained)
        execution = self._execution()
        plan = StagePlan(
            stage.name,
            stage.last,
            stage.batch,
            work,
            sizes.trained,
            execution,
            seconds=work.flops / (gpus * self.gpu.tflops * 1e12 * self.mfu),
            traffic=traffic_of(
                sizes, self.gpu, gpus=gpus, shards=execution.shards, micro_batches=self._micro_batches(execution)
            ),
        )
        memory = self._memory(sizes)
        try:
            own = memory(execution)
            alternatives = () if own.total <= self.available else tuple(self._alternatives(execution, memory))
        except UntraceableError as error:
            return evolve(plan, problem=f"{error}; its memory is not planned")
        return evolve(plan, memory=own, alternatives=alternatives)

    def _execution(self) -> Execution:
        """How the recipe says that a stage is executed."""
        training, stage = self.plan.recipe.training, self.stage
        micro_batch = min((self._splits and stage.micro_batch) or stage.batch, stage.batch // self.gpus)
        shards = self._shards(training.parallel, training.shards)
        return Execution(training.parallel, shards, micro_batch, stage.checkpointing)

    @property
    def _splits(self) -> bool:
        """Whether a process can split its samples into micro-batches."""
        return self.objective is None or (self.objective.divisible and not self.objective.compares_samples)

    def _memory(self, sizes: Sizes) -> Callable[[Execution], Memory]:
        """A function from executions to their memory; it traces each pass only once, which takes seconds."""

        @lru_cache
        def traced(micro_batch: int, checkpointing: bool | tuple[str, ...]) -> Trace:
            if self.objective is not None:
                return self.objective.trace(micro_batch, checkpointing)
            batch = typical_batch(self.plan, self.stage, self.counter.samples, micro_batch)
            stage = evolve(self.stage, checkpointing=checkpointing)
            return trace(*stage_model(self.plan, stage), stage, batch)

        def memory(execution: Execution) -> Memory:
            return memory_of(
                sizes,
                traced(execution.micro_batch, execution.checkpointing),
                shards=execution.shards,
                processes=self.gpus,
                micro_batches=self._micro_batches(execution),
                ema=self.stage.ema > 0,
            )

        return memory

    def _sizes(self, weights: Weights, trained: set[str]) -> Sizes:
        """Numbers of values, with the parameters that only the objective has, all of which are trained."""
        own = {} if self.objective is None else self.objective.own
        sizes = {**weights.forward.sizes, **{name: size for name, (size, _) in own.items()}}
        dimensions = {**weights.dimensions, **{name: dimensions for name, (_, dimensions) in own.items()}}
        blocks, trained = weights.blocks, trained | own.keys()
        in_blocks = {name for name in sizes for path in blocks if name.startswith(f"{path}.")}
        muon = select(sizes, self.stage.muon, self.plan.shared) if self.stage.muon else set()
        return Sizes(
            blocks=sum(blocks.values()),
            largest=max(blocks.values(), default=0),
            loose=sum(sizes[name] for name in trained - in_blocks),
            frozen=weights.buffers + sum(size for name, size in sizes.items() if name not in trained | in_blocks),
            trained=sum(sizes[name] for name in trained),
            trained_blocks=sum(sizes[name] for name in trained & in_blocks),
            muon=sum(sizes[name] for name in muon & trained if dimensions[name] >= 2),
        )

    def _shards(self, parallel: str, shards: int) -> int:
        gpus = self.gpus
        return {"replicate": 1, "shard": gpus, "hybrid": shards or min(self.gpu.node, gpus)}[parallel]

    def _micro_batches(self, execution: Execution) -> int:
        return micro_batches(self.stage.batch, processes=self.gpus, micro_batch=execution.micro_batch)

    def _alternatives(
        self, execution: Execution, memory: Callable[[Execution], Memory]
    ) -> Iterator[tuple[Execution, Memory]]:
        """The executions with the fewest changes that fit; where none does, the one that takes the least memory.

        Another size of micro-batch has to be traced, which takes seconds; other shards cost nothing to try. So among
        executions with equally many changes those traced already come first, and no others are tried once one fits.
        """
        traced = {(execution.micro_batch, execution.checkpointing)}
        tried: list[tuple[Execution, Memory]] = []
        for other in sorted(
            self._executions(execution),
            key=lambda one: (len(one.changes), (one.micro_batch, one.checkpointing) not in traced),
        ):
            fitting = [pair for pair in tried if pair[1].total <= self.available]
            needed = (other.micro_batch, other.checkpointing)
            if fitting and (len(other.changes) > len(fitting[0][0].changes) or needed not in traced):
                break
            traced.add(needed)
            tried.append((other, memory(other)))
        fitting = [pair for pair in tried if pair[1].total <= self.available]
        yield from fitting[:3] or [min(tried, key=lambda pair: pair[1].total)]

    def _executions(self, execution: Execution) -> Iterator[Execution]:
        """All other executions that may take less memory."""
        path = f"stage.{self.stage.name}"
        sizes: list[tuple[int, tuple[str, ...]]] = [(execution.micro_batch, ())]
        smaller = _smaller(execution.micro_batch) if self._splits else []
        sizes += [(size, (f"{path}.micro_batch={size}",)) for size in smaller]
        checkpointings: list[tuple[bool | tuple[str, ...], tuple[str, ...]]] = [(execution.checkpointing, ())]
        checkpointings += [(True, (f"{path}.checkpointing=true",))] if execution.checkpointing is not True else []
        shardings: list[tuple[str, int, tuple[str, ...]]] = [(execution.parallel, execution.shards, ())]
        shardings += [
            (parallel, self._shards(parallel, 0), (f'training.parallel="{parallel}"',))
            for parallel in ("hybrid", "shard")
            if self._shards(parallel, 0) > execution.shards
        ]
        for parallel, shards, first in shardings:
            for checkpointing, second in checkpointings:
                for size, third in sizes:
                    if changes := (*first, *second, *third):
                        yield Execution(parallel, shards, size, checkpointing, changes)


def _smaller(size: int) -> list[int]:
    """Half of a micro-batch, and a single sample."""
    return sorted({-(-size // 2), 1} - {size}, reverse=True)
