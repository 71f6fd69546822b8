"""One stage: what is trained, and the loop over its steps."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any, cast

import torch
from attrs import evolve
from torch import Tensor, nn

from ..attention import Attention, attention_for
from ..compose.selectors import select
from ..errors import JaniformError, Problem, RecipeError, nearest
from ..kernels import Asked
from ..loss import Loss
from ..model import UnifiedModel
from ..recipe import Stage
from ..storage.tensors import tensors_of
from .checkpoint import Checkpoint, Position
from .data import Kitchen, batches, tickets
from .ema import Average
from .log import Entry
from .meter import Meter
from .mixture import Mixture
from .optim import optimizers, rate_at
from .optim import step as take_step
from .precision import arithmetic
from .skips import SkipLog

PATIENCE = 20
"""Steps in a row without a finite loss or gradient, after which a run ends."""


class TrainingError(JaniformError):
    """Training cannot go on."""


class StageRun:
    """A stage at work on a model: its objective, optimizers, averages and position.

    Args:
        entropy: run seed and stage number, from which all chance of the stage follows.
    """

    def __init__(self, stage: Stage, model: UnifiedModel, position: Position, entropy: tuple[int, int]) -> None:
        self.stage = stage
        self.model = model
        self.position = position
        self.entropy = entropy
        torch.manual_seed(entropy[0] * 1_000_003 + entropy[1])
        self.objective = cast(nn.Module, stage.objective.component.load()(stage.objective.config, model))
        self.objective.to(model.device)
        self._ours = tensors_of(model)
        self.trained = self._choose()
        self.optimizers = optimizers(
            self.trained,
            select(self.trained, stage.muon, model.plan.shared),
            learning_rate=stage.learning_rate,
            betas=stage.betas,
            weight_decay=stage.weight_decay,
        )
        self.average = Average(self.trained, stage.ema) if stage.ema else None
        self.mixture = Mixture(stage.mixture, f"stage.{stage.name}.mixture")
        self.skipped_in_a_row = torch.tensor(float(position.skipped_in_a_row), device=model.device)
        self.attention = kernel_for(stage, model, self.objective)

    def _choose(self) -> dict[str, nn.Parameter]:
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
        return chosen

    def state(self) -> Checkpoint:
        """Everything that ``restore`` needs."""
        training: dict[str, Any] = {
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "objective": self._objective_state(),
            "average": None if self.average is None else self.average.weights,
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state(self.model.device) if self.model.device.type == "cuda" else None,
        }
        position = evolve(self.position, skipped_in_a_row=int(self.skipped_in_a_row.item()))
        return Checkpoint(position, tensors_of(self.model), training)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint of this stage; the model's own tensors are restored already."""
        training = checkpoint.training
        with torch.no_grad():
            for name, tensor in self._objective_state().items():
                tensor.copy_(training["objective"][name])
        for optimizer, state in zip(self.optimizers, training["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        if self.average is not None:
            self.average.load(training["average"])
        torch.set_rng_state(training["random"])
        if training["random_cuda"] is not None and self.model.device.type == "cuda":
            torch.cuda.set_rng_state(training["random_cuda"], self.model.device)

    def _objective_state(self) -> dict[str, Tensor]:
        ours = {tensor.data_ptr() for tensor in self._ours.values()}
        state = self.objective.state_dict()
        return {name: tensor for name, tensor in state.items() if tensor.numel() == 0 or tensor.data_ptr() not in ours}

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
        """Train until ``until`` steps of the stage are done; after each step an entry of the log, or None.

        Args:
            sources: built sources by name.
            ahead: batches to prepare ahead; see ``batches``.
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
        ready = batches(kitchen, orders, ahead=ahead, pin=device.type == "cuda", workers=workers)
        dtype = arithmetic(stage.precision, device)
        autocast = torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16)
        meter = Meter(self.skipped_in_a_row)
        asked = time.perf_counter()
        with contextlib.closing(ready):
            for prepared in ready:
                waited = time.perf_counter() - asked
                step = prepared.ticket.step
                skips.add(self.position.total + 1, prepared.skips)
                rate = self._set_rate(step)
                with autocast, self.model.attending(self.attention):
                    losses, figures = cast(Any, self.objective).losses(to_device(prepared.batch, device))
                    loss = self._total(losses)
                torch.autograd.backward(loss)
                norm, skipped = take_step(self.optimizers, parameters, loss, stage.clip)
                if self.average is not None:
                    self.average.update(step)
                meter.add(losses, figures, norm, skipped, samples=stage.batch, waited=waited)
                self.skipped_in_a_row = meter.skipped_in_a_row
                self._advance(prepared.ticket.positions)
                entry = None
                logged = (step + 1) % stage.log_every == 0 or step + 1 == until
                if logged or device.type == "cpu":
                    # Reading costs nothing on the CPU; on a GPU the host may run ahead until the next log line.
                    self._check_patience(meter.longest)
                if logged:
                    entry = meter.entry(self.position, stage.steps, rate, seconds())
                    entry = evolve(entry, passed_over=skips.since())
                    self.position = evolve(self.position, skipped=self.position.skipped + entry.skipped)
                yield entry
                asked = time.perf_counter()

    def finish(self) -> None:
        """Put the averages in their place and let go of gradients."""
        if self.average is not None:
            self.average.apply()
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

    def _total(self, losses: Mapping[str, Loss]) -> Tensor:
        """The weighted sum of the means; 1 is the weight of a loss that the stage does not name."""
        if self.position.step == 0:
            self._check_weights(losses)
        terms = [loss.mean * self.stage.weights.get(name, 1.0) for name, loss in losses.items()]
        if not terms:
            raise TrainingError(f"stage '{self.stage.name}': the objective found nothing to learn in its samples")
        return torch.stack(terms).sum()

    def _check_weights(self, losses: Iterable[str]) -> None:
        known = {*losses, *self.model.plan.pathways, "text"}
        unknown = [name for name in self.stage.weights if name not in known]
        if unknown:
            path = f"stage.{self.stage.name}.weights"
            raise RecipeError(
                [Problem("no loss has this name", f"{path}.{name}", hint=nearest(name, known)) for name in unknown]
            )

    def _check_patience(self, longest: Tensor) -> None:
        if int(longest.item()) >= PATIENCE:
            raise TrainingError(
                f"stage '{self.stage.name}': the loss or a gradient was not finite in {PATIENCE} steps in a row, up "
                f"to step {self.position.step}; those steps changed nothing. A lower learning_rate, a longer warmup or "
                'precision = "float32" may help'
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
    asked = Asked(
        device=str(model.device),
        dtype=str(arithmetic(stage.precision, model.device)).removeprefix("torch."),
        learning=True,
        head_width=model.plan.hidden.head_width,
    )
    return attention_for(model.plan.recipe.training.attention, asked)


def trainable(model: UnifiedModel, objective: nn.Module, selectors: Iterable[str]) -> dict[str, nn.Parameter]:
    """What a stage trains, by name: the selected parameters, and those that only the objective has.

    Raises ``JaniformError`` for selectors that match nothing.
    """
    named = dict(model.named_parameters())
    chosen = select(named, selectors, model.plan.shared)
    ours = {id(parameter) for parameter in named.values()}
    own = {
        f"objective.{name}": parameter for name, parameter in objective.named_parameters() if id(parameter) not in ours
    }
    return {name: parameter for name, parameter in named.items() if name in chosen} | own


def to_device(batch: Any, device: torch.device) -> Any:
    """Move a batch: a tensor, anything with ``to``, or a dict, list or tuple of such."""
    if hasattr(batch, "to"):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, list | tuple):
        return type(batch)(to_device(value, device) for value in batch)
    return batch
