"""Planning one stage after another: its weights, its content, its memory, and what would fit instead."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache

from attrs import evolve, frozen

from ..compose.plan import Plan
from ..compose.selectors import select
from ..measure.content import BatchContent
from ..measure.work import ForwardWork, forward_work, training_work
from ..model.lora import adaptable, attach
from ..model.modules import build_modules
from ..model.unified_model import UnifiedModel
from ..recipe import Lora, Stage
from ..train.data.specs import indivisible, micro_batches
from ..train.loop.blocks import blocks_of
from .memory import RESERVE, Memory, Sizes, memory_of
from .samples import Sample
from .stage_plan import Execution, PlanRequest, StagePlan
from .trace import Trace, trace
from .traffic import traffic_of
from .typical import has_sequences, packed_length, typical_batch

FULL = 0.97
"""Fraction of packed rows that is not padding, approximately."""


@frozen
class _Weights:
    """A model's weights: values in ``buffers`` and in the backbone's ``blocks`` by path; ``dimensions`` by name."""

    forward: ForwardWork
    buffers: int
    blocks: Mapping[str, int]
    dimensions: Mapping[str, int]

    @classmethod
    def of(cls, plan: Plan, lora: Lora | None = None, trained: Iterable[str] = ()) -> _Weights:
        modules = build_modules(plan, device="meta")
        if lora is not None:
            attach(adaptable(modules, lora, trained, plan.shared), lora)
        named = {f"{path}.{name}": p for path, module in modules.items() for name, p in module.named_parameters()}
        blocks = [path for path in blocks_of(UnifiedModel(plan, modules)) if path.startswith("backbone.")]
        return cls(
            forward_work(plan, modules),
            sum(tensor.numel() for module in modules.values() for tensor in module.buffers()),
            {path: sum(p.numel() for name, p in named.items() if name.startswith(f"{path}.")) for path in blocks},
            {name: parameter.ndim for name, parameter in named.items()},
        )


class Planner:
    """Plans the stages of a composed recipe. ``available``: bytes of a GPU for training."""

    def __init__(self, plan: Plan, request: PlanRequest, samples: Mapping[str, Sample]) -> None:
        self.plan, self.request, self.samples = plan, request, samples
        self.available = int(request.gpu.memory * (1 - RESERVE))
        self.plain = _Weights.of(plan)

    def stage(self, stage: Stage) -> StagePlan:
        """The plan of one stage, or the reason that it has none."""
        gpu, gpus = self.request.gpu, self.request.gpus
        if not has_sequences(stage):
            problem = f"objective {stage.objective.reference} makes its own kind of batches, which cannot be planned"
            return StagePlan(stage.name, steps=stage.last, problem=problem)
        if (refused := indivisible(stage.name, stage.batch, gpus)) is not None:
            return StagePlan(stage.name, steps=stage.last, problem=f"{refused.message} ({refused.hint})")
        weights, trained = self._weights(stage)
        sizes = self._sizes(stage, weights, trained)
        execution = self._execution(stage)
        content = self._content(stage)
        flops = training_work(self.plan, weights.forward, trained).of(content)
        memory = self._memory(stage, sizes, frozenset(trained))
        own = memory(execution)
        pieces = self._micro_batches(stage, execution)
        return StagePlan(
            stage.name,
            stage.last,
            stage.batch,
            content.tokens,
            flops,
            sizes.trained,
            execution,
            own,
            traffic_of(sizes, gpu, gpus=gpus, shards=execution.shards, micro_batches=pieces),
            flops / (gpus * gpu.tflops * 1e12 * self.request.mfu),
            () if own.total <= self.available else tuple(self._alternatives(stage, execution, memory)),
        )

    def _execution(self, stage: Stage) -> Execution:
        """How the recipe says that a stage is executed."""
        training = self.plan.recipe.training
        micro_batch = min(stage.micro_batch or stage.batch, stage.batch // self.request.gpus)
        shards = self._shards(training.parallel, training.shards)
        return Execution(training.parallel, shards, micro_batch, stage.checkpointing)

    def _memory(self, stage: Stage, sizes: Sizes, trained: frozenset[str]) -> Callable[[Execution], Memory]:
        """A function from executions of a stage to their memory; it traces each pass only once, which takes seconds."""

        @lru_cache
        def traced(micro_batch: int, checkpointing: bool | tuple[str, ...]) -> Trace:
            batch = typical_batch(self.plan, stage, self.samples, micro_batch)
            return trace(self.plan, evolve(stage, checkpointing=checkpointing), batch, trained)

        def memory(execution: Execution) -> Memory:
            return memory_of(
                sizes,
                traced(execution.micro_batch, execution.checkpointing),
                shards=execution.shards,
                processes=self.request.gpus,
                micro_batches=self._micro_batches(stage, execution),
                ema=stage.ema > 0,
            )

        return memory

    def _weights(self, stage: Stage) -> tuple[_Weights, set[str]]:
        """The weights of a stage, its low-rank adapters included, and the names of those that it trains."""
        trained = select(self.plain.forward.sizes, stage.train, self.plan.shared)
        if stage.lora is None:
            return self.plain, trained
        weights = _Weights.of(self.plan, stage.lora, trained)
        return weights, trained | (weights.forward.sizes.keys() - self.plain.forward.sizes.keys())

    def _sizes(self, stage: Stage, weights: _Weights, trained: set[str]) -> Sizes:
        sizes, blocks = weights.forward.sizes, weights.blocks
        in_blocks = {name for name in sizes for path in blocks if name.startswith(f"{path}.")}
        muon = select(sizes, stage.muon, self.plan.shared) if stage.muon else set()
        return Sizes(
            blocks=sum(blocks.values()),
            largest=max(blocks.values(), default=0),
            loose=sum(sizes[name] for name in trained - in_blocks),
            frozen=weights.buffers + sum(size for name, size in sizes.items() if name not in trained | in_blocks),
            trained=sum(sizes[name] for name in trained),
            trained_blocks=sum(sizes[name] for name in trained & in_blocks),
            muon=sum(sizes[name] for name in muon & trained if weights.dimensions[name] >= 2),
        )

    def _shards(self, parallel: str, shards: int) -> int:
        gpus = self.request.gpus
        return {"replicate": 1, "shard": gpus, "hybrid": shards or min(self.request.gpu.node, gpus)}[parallel]

    def _micro_batches(self, stage: Stage, execution: Execution) -> int:
        return micro_batches(stage.batch, processes=self.request.gpus, micro_batch=execution.micro_batch)

    def _content(self, stage: Stage) -> BatchContent:
        """The content of a step, on all GPUs."""
        parts = [self.samples[name].content(self.plan, stage.batch * ratio) for name, ratio in stage.ratios.items()]
        tokens = sum(part.tokens for part in parts)
        names = self.plan.pathways
        return BatchContent(
            positions=round(tokens / FULL) if packed_length(stage) else tokens,
            tokens=tokens,
            pairs=sum(part.pairs for part in parts),
            predicted_text=sum(part.predicted_text for part in parts),
            pictures={name: sum(part.pictures.get(name, 0) for part in parts) for name in names},
            drawn={
                name: sum(part.drawn.get(name, 0) for part in parts) for name in names if names[name].mode == "draw"
            },
        )

    def _alternatives(
        self, stage: Stage, execution: Execution, memory: Callable[[Execution], Memory]
    ) -> Iterator[tuple[Execution, Memory]]:
        """The executions with the fewest changes that fit; where none does, the one that takes the least memory.

        Another size of micro-batch has to be traced, which takes seconds; other shards cost nothing to try. So among
        executions with equally many changes those traced already come first, and no others are tried once one fits.
        """
        traced = {(execution.micro_batch, execution.checkpointing)}
        tried: list[tuple[Execution, Memory]] = []
        for other in sorted(
            self._executions(stage, execution),
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

    def _executions(self, stage: Stage, execution: Execution) -> Iterator[Execution]:
        """All other executions of a stage that may take less memory."""
        path = f"stage.{stage.name}"
        sizes: list[tuple[int, tuple[str, ...]]] = [(execution.micro_batch, ())]
        sizes += [(size, (f"{path}.micro_batch={size}",)) for size in _smaller(execution.micro_batch)]
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
