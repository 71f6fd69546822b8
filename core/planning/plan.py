"""The plan of a training: for each stage what fits, how fast it goes, and how long it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from attrs import evolve, field, frozen

from ..compose import compose
from ..compose.plan import Plan
from ..compose.selectors import select
from ..errors import Problem, UsageError, nearest
from ..measure.amounts import Amounts
from ..measure.gpus import Gpu
from ..measure.work import ForwardWork, forward_work, training_work
from ..model.lora import adaptable, attach
from ..model.modules import build_modules
from ..model.unified_model import UnifiedModel
from ..recipe import Lora, Recipe, Stage
from ..train.data.specs import indivisible, micro_batches
from ..train.loop.blocks import blocks_of
from .memory import RESERVE, Memory, Sizes, memory_of
from .samples import Sample, samples_of
from .trace import trace
from .traffic import Traffic, traffic_of
from .typical import packed_length, typical_batch

FULL = 0.97
"""Share of packed rows that is no padding, about."""

Checkpointing = bool | tuple[str, ...]


@frozen
class Order:
    """What is asked: how many of which GPUs, which share of their arithmetic is used, and how long samples are."""

    gpu: Gpu
    gpus: int
    mfu: float = 0.4
    lengths: Mapping[str, int] = field(factory=dict)


@frozen
class Way:
    """How a stage is run, as far as it decides what fits. ``changes``: what to set for it, as lines of TOML."""

    parallel: str
    shards: int
    micro_batch: int
    checkpointing: Checkpointing
    changes: tuple[str, ...] = ()


@frozen
class StagePlan:
    """One stage.

    ``tokens``: of a step, padding not counted; ``flops``: of a step, on all GPUs. ``others``: what would fit where the
    stage does not, with what it takes. ``problem``: why there is no plan.
    """

    name: str
    steps: int = 0
    samples: int = 0
    tokens: int = 0
    flops: float = 0.0
    trained: int = 0
    way: Way | None = None
    memory: Memory | None = None
    traffic: Traffic | None = None
    seconds: float = 0.0
    others: tuple[tuple[Way, Memory], ...] = ()
    problem: str = ""

    @property
    def days(self) -> float:
        return self.steps * self.seconds / 86400


@frozen
class TrainingPlan:
    """All stages of a recipe. ``samples``: what is known of every source."""

    recipe: str
    order: Order
    room: int
    stages: tuple[StagePlan, ...]
    samples: Mapping[str, Sample]

    @property
    def days(self) -> float:
        return sum(stage.days for stage in self.stages)

    @property
    def gpu_hours(self) -> float:
        return 24 * self.days * self.order.gpus

    @property
    def fits(self) -> bool:
        return all(stage.memory is not None and stage.memory.total <= self.room for stage in self.stages)

    def mfu_of(self, days: float) -> float:
        """The share of the GPUs' arithmetic that a training of so many days means."""
        flops = sum(stage.steps * stage.flops for stage in self.stages)
        return flops / (days * 86400 * self.order.gpus * self.order.gpu.tflops * 1e12)


def plan_training(recipe: Recipe, order: Order, stages: Iterable[str] | None = None) -> TrainingPlan:
    """Plan the stages of a recipe, all or some of them.

    Raises:
        CompositionError: the parts do not fit together.
        UsageError: there are no stages, or not the wanted ones, or a length is wrong.
    """
    names = recipe.training.stages or tuple(recipe.stages)
    wanted = names if stages is None else tuple(stages)
    unknown = [
        Problem(f"there is no stage '{name}'", hint=nearest(name, names)) for name in wanted if name not in names
    ]
    if unknown or not wanted:
        raise UsageError(unknown or f"recipe '{recipe.name}' has no stages to plan")
    plan = compose(recipe)
    planner = _Planner(plan, order, samples_of(plan, order.lengths))
    used = {source for name in wanted for source in recipe.stages[name].sources}
    return TrainingPlan(
        recipe.name,
        order,
        planner.room,
        tuple(planner.stage(recipe.stages[name]) for name in wanted),
        {name: sample for name, sample in planner.samples.items() if name in used},
    )


@frozen
class _Weights:
    """What is known of a model's weights: ``blocks`` of the backbone by path, values in ``buffers``, ``dimensions``."""

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


class _Planner:
    def __init__(self, plan: Plan, order: Order, samples: Mapping[str, Sample]) -> None:
        self.plan, self.order, self.samples = plan, order, samples
        self.room = int(order.gpu.memory * (1 - RESERVE))
        self.plain = _Weights.of(plan)

    def stage(self, stage: Stage) -> StagePlan:
        """The plan of one stage, or why there is none."""
        training, gpus = self.plan.recipe.training, self.order.gpus
        if not hasattr(stage.objective.config, "packed"):  # what every objective over sequences can be set to
            return StagePlan(
                stage.name,
                steps=stage.last,
                problem=f"objective {stage.objective.reference} has batches of its own, of which nothing is known here",
            )
        if (problem := indivisible(stage.name, stage.batch, gpus)) is not None:
            return StagePlan(stage.name, steps=stage.last, problem=f"{problem.message} ({problem.hint})")
        weights, chosen = self._weights(stage)
        sizes = self._sizes(stage, weights, chosen)
        shards = self._shards(training.parallel, training.shards)
        way = Way(
            training.parallel, shards, min(stage.micro_batch or stage.batch, stage.batch // gpus), stage.checkpointing
        )
        amounts = self._amounts(stage)
        flops = training_work(self.plan, weights.forward, chosen).of(amounts)
        names = frozenset(chosen)

        @lru_cache
        def found(micro_batch: int, checkpointing: Checkpointing) -> Any:
            batch = typical_batch(self.plan, stage, self.samples, micro_batch)
            return trace(self.plan, evolve(stage, checkpointing=checkpointing), batch, names)

        def memory(way: Way) -> Memory:
            return memory_of(
                sizes,
                found(way.micro_batch, way.checkpointing),
                shards=way.shards,
                processes=gpus,
                pieces=self._pieces(stage, way),
                ema=stage.ema > 0,
            )

        here = memory(way)
        others = () if here.total <= self.room else tuple(self._others(stage, way, memory))
        return StagePlan(
            stage.name,
            stage.last,
            stage.batch,
            amounts.tokens,
            flops,
            sizes.trained,
            way,
            here,
            traffic_of(sizes, self.order.gpu, gpus=gpus, shards=shards, pieces=self._pieces(stage, way)),
            flops / (gpus * self.order.gpu.tflops * 1e12 * self.order.mfu),
            others,
        )

    def _weights(self, stage: Stage) -> tuple[_Weights, set[str]]:
        """The weights of a stage, its low-rank adapters included, and the names of those that it trains."""
        chosen = select(self.plain.forward.sizes, stage.train, self.plan.shared)
        if stage.lora is None:
            return self.plain, chosen
        weights = _Weights.of(self.plan, stage.lora, chosen)
        return weights, chosen | (weights.forward.sizes.keys() - self.plain.forward.sizes.keys())

    def _sizes(self, stage: Stage, weights: _Weights, chosen: set[str]) -> Sizes:
        sizes, blocks = weights.forward.sizes, weights.blocks
        inside = {name for name in sizes for path in blocks if name.startswith(f"{path}.")}
        muon = select(sizes, stage.muon, self.plan.shared) if stage.muon else set()
        return Sizes(
            blocks=sum(blocks.values()),
            largest=max(blocks.values(), default=0),
            loose=sum(sizes[name] for name in chosen - inside),
            frozen=weights.buffers + sum(size for name, size in sizes.items() if name not in chosen | inside),
            trained=sum(sizes[name] for name in chosen),
            trained_blocks=sum(sizes[name] for name in chosen & inside),
            muon=sum(sizes[name] for name in muon & chosen if weights.dimensions[name] >= 2),
        )

    def _shards(self, parallel: str, shards: int) -> int:
        gpus = self.order.gpus
        return {"replicate": 1, "shard": gpus, "hybrid": shards or min(self.order.gpu.node, gpus)}[parallel]

    def _pieces(self, stage: Stage, way: Way) -> int:
        return micro_batches(stage.batch, processes=self.order.gpus, micro_batch=way.micro_batch)

    def _amounts(self, stage: Stage) -> Amounts:
        """What a step holds, on all GPUs."""
        parts = [self.samples[name].amounts(self.plan, stage.batch * share) for name, share in stage.ratios.items()]
        tokens = sum(part.tokens for part in parts)
        names = self.plan.pathways
        return Amounts(
            positions=round(tokens / FULL) if packed_length(stage) else tokens,
            tokens=tokens,
            pairs=sum(part.pairs for part in parts),
            words=sum(part.words for part in parts),
            pictures={name: sum(part.pictures.get(name, 0) for part in parts) for name in names},
            drawn={
                name: sum(part.drawn.get(name, 0) for part in parts) for name in names if names[name].mode == "draw"
            },
        )

    def _others(self, stage: Stage, way: Way, memory: Callable[[Way], Memory]) -> Iterator[tuple[Way, Memory]]:
        """The ways with the fewest changes that fit; where none does, the one that takes least.

        A pass is traced for each size of micro-batch, which takes seconds; to divide otherwise costs nothing to try. So
        of ways with as many changes those are tried first, and no other once one fits.
        """
        traced = {(way.micro_batch, way.checkpointing)}
        tried: list[tuple[Way, Memory]] = []
        for other in sorted(
            self._ways(stage, way),
            key=lambda one: (len(one.changes), (one.micro_batch, one.checkpointing) not in traced),
        ):
            fitting = [pair for pair in tried if pair[1].total <= self.room]
            needed = (other.micro_batch, other.checkpointing)
            if fitting and (len(other.changes) > len(fitting[0][0].changes) or needed not in traced):
                break
            traced.add(needed)
            tried.append((other, memory(other)))
        fitting = [pair for pair in tried if pair[1].total <= self.room]
        yield from fitting[:3] or [min(tried, key=lambda pair: pair[1].total)]

    def _ways(self, stage: Stage, way: Way) -> Iterator[Way]:
        place = f"stage.{stage.name}"
        micro: list[tuple[int, tuple[str, ...]]] = [(way.micro_batch, ())]
        micro += [(size, (f"{place}.micro_batch={size}",)) for size in _smaller(way.micro_batch)]
        again: list[tuple[Checkpointing, tuple[str, ...]]] = [(way.checkpointing, ())]
        again += [(True, (f"{place}.checkpointing=true",))] if way.checkpointing is not True else []
        divided: list[tuple[str, int, tuple[str, ...]]] = [(way.parallel, way.shards, ())]
        divided += [
            (parallel, self._shards(parallel, 0), (f'training.parallel="{parallel}"',))
            for parallel in ("hybrid", "shard")
            if self._shards(parallel, 0) > way.shards
        ]
        for parallel, shards, first in divided:
            for checkpointing, second in again:
                for size, third in micro:
                    if first or second or third:
                        yield evolve(Way(parallel, shards, size, checkpointing), changes=(*first, *second, *third))


def _smaller(size: int) -> list[int]:
    """Half of a micro-batch, and a single sample."""
    return sorted({-(-size // 2), 1} - {size}, reverse=True)
