"""One stage: what is trained, and the loop over its steps."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from itertools import islice
from typing import Any, cast

import torch
from attrs import evolve
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh

from ...attention.attend import Attention, attention_for
from ...compose.selectors import select
from ...contracts.factories import make
from ...contracts.kernels import AttentionRequest
from ...errors import JaniformError
from ...model.lora import Learned, adaptable, adapters_of, attach, merge, names_of
from ...model.unified_model import UnifiedModel
from ...recipe import Stage
from ...storage.tensors import tensors_of
from ..checkpoints.checkpoint import Checkpoint, Position, Stored
from ..data.batches import Kitchen, Prepared, Ticket, batches, tickets
from ..data.mixture import Mixture
from ..data.skipped_samples import Skip, SkipLog
from ..data.split import pieces, shares
from ..distributed.process_group import ALONE, World
from ..progress.log import Entry
from .bad_samples import sentence, suspects
from .blocks import blocks_of, prepare_blocks, recomputed, release_blocks
from .ema import Average
from .gradients import Gradients, TrainingError, add_up, to_device
from .metrics import Meter
from .optim import fill_states, optimizers, rate_at, states
from .optim import step as take_step
from .precision import arithmetic
from .sharding import Sharded
from .throughput import Gauge

PATIENCE = 20
"""Steps in a row without a finite loss or gradient, after which a run ends."""


class StageRun:
    """A stage at work on a model: its objective, optimizers, averages and position.

    Where several processes train, and the objective can be divided, the model is divided among them by ``mesh``. An
    objective that cannot be divided is trained by the first process ``alone``.

    Args:
        entropy: run seed and stage number, from which all chance of the stage follows.
    """

    def __init__(
        self,
        stage: Stage,
        model: UnifiedModel,
        position: Position,
        entropy: tuple[int, int],
        world: World = ALONE,
        mesh: DeviceMesh | None = None,
    ) -> None:
        self.stage = stage
        self.model = model
        self.position = position
        self.entropy = entropy
        self.world = world
        self._seed(0)
        if stage.lora is not None:
            attach(adapted(stage, model), stage.lora)
        self.objective = cast(nn.Module, make(stage.objective.component, stage.objective.config, model))
        self.objective.to(model.device)
        divisible = hasattr(self.objective, "counts")
        self.alone = world.size > 1 and not divisible
        self._choose()
        blocks = blocks_of(model)
        prepare_blocks(blocks if stage.compile else {}, recomputed(model, stage.checkpointing))
        self.sharded = None
        if mesh is not None and not self.alone:
            if hasattr(self.objective, "gather"):
                cast(Any, self.objective).gather = world.gather_rows
            self.sharded = Sharded(model, self.objective, mesh, world)
            self._seed(world.rank)
        self.trained = trainable(model, self.objective, stage.train)
        self.optimizers = optimizers(
            self.trained,
            select(self.trained, stage.muon, model.plan.shared),
            learning_rate=stage.learning_rate,
            betas=stage.betas,
            weight_decay=stage.weight_decay,
        )
        self.average = Average(self.trained, stage.ema) if stage.ema else None
        self.learned: dict[str, Learned] = {}
        self.mixture = Mixture(stage.mixture, f"stage.{stage.name}.mixture")
        self.skipped_in_a_row = torch.tensor(float(position.skipped_in_a_row), device=model.device)
        self.attention = kernel_for(stage, model, self.objective)
        self.gradients = Gradients(stage, self.objective, model.device, model.plan.pathways, self.sharded, world)
        self._last: tuple[Ticket, ...] = ()

    def _seed(self, rank: int) -> None:
        """The chance of this stage: the same on all processes while weights are made, each its own in training."""
        torch.manual_seed(self.entropy[0] * 1_000_003 + self.entropy[1] + rank * 7_368_787)

    def _choose(self) -> None:
        """Let exactly the selected parameters learn, with the objective's own, and put every part in its mode."""
        chosen = trainable(self.model, self.objective, self.stage.train)
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(name in chosen)
        self.objective.train()
        self.model.eval()
        for path in self.model.plan.parts:
            with contextlib.suppress(JaniformError):  # text, layout and sampler are parts without a module
                part = self.model.part(path)
                part.train(any(parameter.requires_grad for parameter in part.parameters()))

    def state(self) -> Checkpoint:
        """Everything that ``restore`` needs: the live tensors, not copies."""
        position = evolve(self.position, skipped_in_a_row=int(self.skipped_in_a_row.item()))
        random = {f"random/{self.world.rank}": torch.get_rng_state()}
        if self.model.device.type == "cuda":
            random[f"random_cuda/{self.world.rank}"] = torch.cuda.get_rng_state(self.model.device)
        return Checkpoint(position, {**self._tensors(), **states(self.optimizers, self.trained), **random})

    def restore(self, stored: Stored) -> None:
        """Go on from a checkpoint of this stage.

        Raises:
            StorageError: it does not belong to this model and stage, or could not be read.
        """
        targets = {**self._tensors(), **fill_states(self.optimizers, self.trained, stored.shapes)}
        rank = self.world.rank
        here, there = f"random/{rank}", f"random_cuda/{rank}"
        random = {
            name: torch.empty(stored.shapes[name], dtype=torch.uint8) for name in (here, there) if name in stored.shapes
        }
        stored.fill({**targets, **random}, self.world if self.sharded is not None else ALONE)
        if here in random:
            torch.set_rng_state(random[here])
        if there in random and self.model.device.type == "cuda":
            torch.cuda.set_rng_state(random[there], self.model.device)

    def _tensors(self) -> dict[str, Tensor]:
        """The model's tensors by their names, those of the objective and the averages below names of their own."""
        model = tensors_of(self.model)
        ours = {id(tensor) for tensor in self.model.state_dict(keep_vars=True).values()}
        own = self.objective.state_dict(keep_vars=True)
        objective = {f"objective/{name}": tensor.detach() for name, tensor in own.items() if id(tensor) not in ours}
        averages = {} if self.average is None else self.average.weights
        return {**model, **objective, **{f"average/{name}": tensor for name, tensor in averages.items()}}

    def steps(
        self,
        sources: Mapping[str, Any],
        *,
        until: int,
        ahead: int,
        seconds: Callable[[], float],
        workers: int = 1,
        strict: bool = False,
        skips: SkipLog | None = None,
    ) -> Generator[Entry | None]:
        """Train up to step ``until``; after each step comes a line for the log, or None.

        Args:
            ahead: batches that a worker process prepares ahead; 0 is none.
            seconds: gives the time spent training so far.
            workers: processes that prepare batches.
            strict: end with a ``DataError`` at an example that cannot be used.
            skips: where examples that are passed over are listed.
        """
        stage, device = self.stage, self.model.device
        parameters = list(self.trained.values())
        kitchen = Kitchen.of(sources, self.objective, self.entropy, strict=strict)
        skips = skips or SkipLog(None)
        orders = tickets(
            self.mixture, stage.batch, range(self.position.step, until), self.position.taken, self.position.positions
        )
        split = {"processes": 1 if self.sharded is None else self.world.size, "micro_batch": stage.micro_batch}
        orders = (piece for order in orders for piece in shares(order, rank=self.world.rank, **split))
        ready = batches(kitchen, orders, ahead=ahead, pin=device.type == "cuda", workers=workers)
        gauge = Gauge.of(self.model, self.trained, arithmetic(stage.precision, device))
        meter = Meter(self.skipped_in_a_row, gauge, ALONE if self.sharded is None else self.world)
        asked = time.perf_counter()
        with contextlib.closing(ready):
            while self.position.step < until:
                prepared, counts, passed_over = self._next(ready, pieces(stage.batch, **split))
                waited = time.perf_counter() - asked
                step = self.position.step
                skips.add(self.position.total + 1, passed_over)
                rate = self._set_rate(step)
                meter.saw(piece.batch for piece in prepared)
                # The backward pass computes blocks again where they are not kept, and so needs the kernel too.
                with self.model.attending(self.attention):
                    losses, figures, loss = self.gradients.of([piece.batch for piece in prepared], counts)
                norm, skipped = take_step(self.optimizers, parameters, loss, stage.clip)
                if self.average is not None:
                    self.average.update(step)
                meter.add(losses, figures, norm, skipped, samples=stage.batch, waited=waited)
                self.skipped_in_a_row = meter.skipped_in_a_row
                self._last = tuple(piece.ticket for piece in prepared)
                self._advance(prepared[0].ticket.positions)
                entry = None
                logged = (step + 1) % stage.log_every == 0 or step + 1 == until
                if logged or device.type == "cpu":
                    # Reading costs nothing on the CPU; on a GPU the host may run ahead until the next log line.
                    self._check_patience(meter.longest, evolve(kitchen, strict=True))
                if logged:
                    entry = meter.entry(self.position, stage.last, rate, seconds())
                    entry = evolve(entry, passed_over=skips.since())
                    self.position = evolve(self.position, skipped=self.position.skipped + entry.skipped)
                yield entry
                asked = time.perf_counter()

    def _next(self, ready: Generator[Prepared], count: int) -> tuple[list[Prepared], dict[str, int] | None, list[Skip]]:
        """The pieces of the next step, the counts of its losses where it is divided, and the examples passed over.

        The pieces are those of this process; the rest is said of all.
        """
        prepared: list[Prepared] = []

        def take() -> tuple[dict[str, int], list[Skip]]:
            prepared.extend(islice(ready, count))
            passed_over = [skip for piece in prepared for skip in piece.skips]
            if count == 1 and self.sharded is None:
                return {}, passed_over
            return add_up(cast(Any, self.objective).counts(piece.batch) for piece in prepared), passed_over

        said = [take()] if self.sharded is None else self.world.share(take)
        divided = count > 1 or self.sharded is not None
        return (
            prepared,
            add_up(counts for counts, _ in said) if divided else None,
            [skip for _, passed_over in said for skip in passed_over],
        )

    def whole(self) -> StageRun:
        """This, with the model and its objective undivided; every process must ask."""
        if self.sharded is None:
            return self
        other = copy.copy(self)
        other.sharded = None
        other.model = self.sharded.whole()
        other.objective = cast(
            nn.Module, make(self.stage.objective.component, self.stage.objective.config, other.model)
        ).to(other.model.device)
        return other

    def follow(self) -> None:
        """Where one process trained alone, give its model and position to the others."""
        self.position = self.world.from_main(self.position)
        self.world.spread(list(tensors_of(self.model).values()))

    def finish(self) -> None:
        """Put the averages in their place, merge low-rank adapters into their layers and let go of gradients.

        ``model`` is then as the next stage finds it, and ``learned`` is what the adapters of each layer were.
        """
        if self.average is not None and not (self.alone and not self.world.main):
            self.average.apply()
        release_blocks(self.model)
        if self.sharded is not None:
            self.model, self.sharded = self.sharded.whole(), None
        if self.alone:
            self.follow()
        self.learned = merge(self.model)
        self.model.eval()
        self.model.requires_grad_(False)

    def _set_rate(self, step: int) -> float:
        stage = self.stage
        rate = rate_at(
            step,
            steps=stage.steps,
            learning_rate=stage.learning_rate,
            warmup=stage.warmup,
            schedule=stage.schedule,
            final_fraction=stage.final_fraction,
        )
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        return rate

    def _check_patience(self, longest: Tensor, kitchen: Kitchen) -> None:
        if int(longest.item()) < PATIENCE:
            return
        run = self.whole()
        with run.gradients.arithmetic():
            found = suspects(
                self._last,
                kitchen,
                lambda batch: cast(Any, run.objective).losses(to_device(batch, run.model.device)),
            )
        samples = [sample for ticket in self._last for sample in ticket.samples]
        said = self.world.gather((samples, found)) if self.sharded is not None else [(samples, found)]
        blame = sentence([one for some, _ in said for one in some], [one for _, some in said for one in some])
        raise TrainingError(
            f"stage '{self.stage.name}': the loss or a gradient was not finite in {PATIENCE} steps in a row, up "
            f"to step {self.position.step}; those steps changed nothing. {blame}. A lower "
            'learning_rate, a longer warmup or precision = "float32" may help'
        )

    def _advance(self, positions: Mapping[str, int]) -> None:
        before = self.position
        taken = {
            name: before.taken.get(name, 0) + count - before.positions.get(name, 0) for name, count in positions.items()
        }
        self.position = evolve(
            before, step=before.step + 1, total=before.total + 1, taken=taken, positions=dict(positions)
        )


def kernel_for(stage: Stage, model: UnifiedModel, objective: object) -> Attention | None:
    """The attention kernel of the recipe's ``training.attention``, for the device and arithmetic of a stage.

    None where the objective never runs the backbone. Raises ``UsageError`` where the kernel cannot train there, and
    ``ComponentError`` where there is no such kernel.
    """
    if not getattr(objective, "attends", True):
        return None
    asked = AttentionRequest(
        device=str(model.device),
        dtype=str(arithmetic(stage.precision, model.device)).removeprefix("torch."),
        learning=True,
        head_width=model.plan.hidden.head_width,
    )
    return attention_for(model.plan.recipe.training.attention, asked)


def adapted(stage: Stage, model: UnifiedModel) -> dict[str, nn.Linear]:
    """The layers of a model that a stage gives low-rank adapters, by path. Raises what ``adaptable`` does."""
    if stage.lora is None:
        return {}
    named = [name for name, _ in model.named_parameters()]
    trained = select(named, stage.train, model.plan.shared)
    return adaptable(dict(model.named_children()), stage.lora, trained, model.plan.shared)


def trainable(model: UnifiedModel, objective: nn.Module, selectors: Iterable[str]) -> dict[str, nn.Parameter]:
    """What a stage trains, by name: the selected parameters, low-rank adapters, and what only the objective has.

    Raises ``JaniformError`` for selectors that match nothing.
    """
    named = dict(model.named_parameters())
    adapters = set(names_of(adapters_of(model)))
    chosen = select(named.keys() - adapters, selectors, model.plan.shared) | adapters
    ours = {id(parameter) for parameter in named.values()}
    own = {
        f"objective.{name}": parameter for name, parameter in objective.named_parameters() if id(parameter) not in ours
    }
    return {name: parameter for name, parameter in named.items() if name in chosen} | own
