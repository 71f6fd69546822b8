"""A stage ready to be trained: model, objective, optimizers and position."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from attrs import evolve
from torch.distributed.device_mesh import DeviceMesh

from ...compose.selectors import select
from ...contracts.objective import Objective
from ...model.auxiliary import auxiliary_weights
from ...model.lora import Learned, attach, merge
from ...model.unified_model import UnifiedModel
from ...recipe import Stage
from ...storage.tensors import tensors_of
from ..checkpoints.checkpoint import Checkpoint, Position, StoredCheckpoint
from ..data.mixture import Mixture
from ..data.seeding import StageSeeds
from ..distributed.process_group import ALONE, ProcessGroup
from .bad_samples import SkippedSteps
from .blocks import blocks_of, prepare_blocks, recomputed, release_blocks
from .ema import Average
from .losses import LossModule, LossWeights
from .objective import make_objective
from .optim import make_optimizers, of_norms, rate_at
from .precision import autocast
from .sharding import Sharded
from .state import TrainState
from .trained import adapted_layers, attention_of, set_trained, trained_parameters


class StageRun:
    """A stage on a model, which ``train_steps`` trains.

    Where several processes train and the objective is divisible, ``group`` divides each step and ``mesh`` shards the
    model. An objective that is not divisible is trained by the first process ``alone``.

    Args:
        seeds: of all random numbers of the stage.
        everyone: all processes of the run.
    """

    def __init__(
        self,
        stage: Stage,
        model: UnifiedModel,
        position: Position,
        seeds: StageSeeds,
        everyone: ProcessGroup = ALONE,
        mesh: DeviceMesh | None = None,
    ) -> None:
        self.stage, self.model, self.position, self.seeds, self.everyone = stage, model, position, seeds, everyone
        # Each of these begins with numbers of its own, equal on all processes: what one draws changes no other.
        seeds.begin("stage")
        if stage.lora is not None:
            attach(adapted_layers(stage, model), stage.lora, lambda path: seeds.begin("adapter", path))
        seeds.begin("objective")
        self.objective = make_objective(stage.objective, model).to(model.device)
        self.alone = everyone.size > 1 and not self.objective.divisible
        set_trained(model, self.objective, stage.train)
        prepare_blocks(blocks_of(model) if stage.compile else {}, recomputed(model, stage.checkpointing))
        self.weights = LossWeights(stage, model.plan.pathways, auxiliary_weights(model))
        seeds.begin("training")
        self.sharded: Sharded | None = None
        if mesh is None or self.alone:
            self.forward = LossModule(None, self.objective, self.weights)
        else:
            self.objective.gather = everyone.gather_rows  # type: ignore[method-assign]
            self.forward = LossModule(model, self.objective, self.weights)
            self.sharded = Sharded(self.forward, model, mesh, everyone)
            seeds.begin("process", everyone.rank)
        self.trained = trained_parameters(model, self.objective, stage.train)
        self.optimizers = make_optimizers(
            self.trained,
            select(self.trained, stage.muon, model.plan.shared),
            learning_rate=stage.learning_rate,
            betas=stage.betas,
            weight_decay=stage.weight_decay,
            vectors=of_norms(self.trained, (model, self.objective)),
        )
        self.average = Average(self.trained, stage.ema) if stage.ema else None
        self.state = TrainState(model, self.objective, self.trained, self.optimizers, self.average, everyone.rank)
        self.mixture = Mixture(stage.mixture, f"stage.{stage.name}.mixture")
        self.skipped_steps = SkippedSteps(position, model.device)
        self.attention = attention_of(stage, model, self.objective)
        self.learned: dict[str, Learned] = {}

    @property
    def group(self) -> ProcessGroup:
        """The processes that share each step."""
        return ALONE if self.sharded is None else self.everyone

    def autocast(self) -> torch.autocast:
        """The precision of forward passes."""
        return autocast(self.stage.precision, self.model.device)

    def set_learning_rate(self) -> float:
        """Set the optimizers to the learning rate of the next step, and return it."""
        stage = self.stage
        rate = rate_at(
            self.position.step,
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

    def advance(self, taken: Mapping[str, int], seconds: float) -> None:
        """Count a step, after which the stage has ``taken`` samples and the run has trained for ``seconds``."""
        before = self.position
        new = {name: count - before.taken.get(name, 0) for name, count in taken.items()}
        positions = {**before.positions, **{name: before.positions.get(name, 0) + new[name] for name in new}}
        self.position = evolve(
            before,
            step=before.step + 1,
            total=before.total + 1,
            taken=dict(taken),
            positions=positions,
            seconds=seconds,
        )

    def count_skipped_steps(self) -> None:
        """Bring the position's counts of steps that changed nothing up to date; waits for the device."""
        self.position = self.skipped_steps.counted(self.position)

    def checkpoint(self) -> Checkpoint:
        """Everything that ``restore`` needs: the live tensors, not copies."""
        self.count_skipped_steps()
        return Checkpoint(self.position, self.state.tensors())

    def restore(self, stored: StoredCheckpoint) -> None:
        """Continue from a checkpoint of this stage. Raises ``StorageError`` as ``TrainState.restore`` does."""
        self.state.restore(stored, self.group)

    def whole(self) -> tuple[UnifiedModel, Objective]:
        """The model and its objective, not sharded; every process must call it."""
        if self.sharded is None:
            return self.model, self.objective
        model = self.sharded.whole()
        return model, make_objective(self.stage.objective, model).to(model.device)

    def copy_from_main(self) -> None:
        """Where the first process trained alone, copy its model and position to the others."""
        self.position = self.everyone.from_main(self.position)
        self.everyone.broadcast(list(tensors_of(self.model).values()))

    def finish(self) -> None:
        """Replace weights by their averages, merge low-rank adapters into their layers, and release gradients.

        ``model`` is then ready for the next stage, and ``learned`` holds the adapters of each layer.
        """
        if self.average is not None and not (self.alone and not self.everyone.main):
            self.average.apply()
        release_blocks(self.model)
        if self.sharded is not None:
            self.model, self.sharded = self.sharded.whole(), None
        if self.alone:
            self.copy_from_main()
        self.learned = merge(self.model)
        self.model.eval()
        self.model.requires_grad_(False)
