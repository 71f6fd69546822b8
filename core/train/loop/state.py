"""The state of a stage that checkpoints hold: weights, optimizer states, averages and random states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ...contracts.objective import Objective
from ...model.unified_model import UnifiedModel
from ...storage.tensors import tensors_of
from ..checkpoints.checkpoint import StoredCheckpoint
from ..distributed.process_group import ProcessGroup
from .ema import Average
from .optim import fill_states, states


class TrainState:
    """Live tensors by their names in a checkpoint.

    Args:
        trained: parameters that the optimizers update, by name.
        average: of these parameters, where the stage keeps one.
        rank: of this process, whose random states have names of their own.
    """

    def __init__(
        self,
        model: UnifiedModel,
        objective: Objective,
        trained: Mapping[str, nn.Parameter],
        optimizers: Sequence[torch.optim.Optimizer],
        average: Average | None,
        rank: int,
    ) -> None:
        self._model, self._objective, self._trained = model, objective, trained
        self._optimizers, self._average = optimizers, average
        self._random, self._random_cuda = f"random/{rank}", f"random_cuda/{rank}"

    def tensors(self) -> dict[str, Tensor]:
        """Everything that ``restore`` reads: live tensors, not copies."""
        random = {self._random: torch.get_rng_state()}
        if self._model.device.type == "cuda":
            random[self._random_cuda] = torch.cuda.get_rng_state(self._model.device)
        return {**self._weights(), **states(self._optimizers, self._trained), **random}

    def restore(self, stored: StoredCheckpoint, group: ProcessGroup) -> None:
        """Continue from a checkpoint. ``group``: the processes that hold its tensors together.

        Raises:
            StorageError: it belongs to another model or stage, or cannot be read.
        """
        random = {
            name: torch.empty(stored.shapes[name], dtype=torch.uint8)
            for name in (self._random, self._random_cuda)
            if name in stored.shapes
        }
        optimizer_states = fill_states(self._optimizers, self._trained, stored.shapes)
        stored.fill({**self._weights(), **optimizer_states, **random}, group)
        if self._random in random:
            torch.set_rng_state(random[self._random])
        if self._random_cuda in random and self._model.device.type == "cuda":
            torch.cuda.set_rng_state(random[self._random_cuda], self._model.device)

    def _weights(self) -> dict[str, Tensor]:
        """The model's tensors by their names, those of the objective and the averages below names of their own."""
        of_model = {id(tensor) for tensor in self._model.state_dict(keep_vars=True).values()}
        own = self._objective.state_dict(keep_vars=True)
        objective = {f"objective/{name}": tensor.detach() for name, tensor in own.items() if id(tensor) not in of_model}
        averages = {} if self._average is None else self._average.weights
        return {
            **tensors_of(self._model),
            **objective,
            **{f"average/{name}": tensor for name, tensor in averages.items()},
        }
