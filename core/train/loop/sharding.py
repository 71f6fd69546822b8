"""A model divided among processes by FSDP2: each holds a part of every weight, gradient and optimizer state.

Each block of the backbone is gathered when it is needed and let go again. Everything else that is trained, which may be
used by the samples of one process and not by those of another, is gathered once for the whole step. What is frozen
outside of the backbone is not divided at all: it would be held whole during the step anyhow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from ...model.build import build_model
from ...model.lora import attach_alike
from ...model.unified_model import UnifiedModel
from ...storage.tensors import tensors_of
from ..distributed.process_group import World, whole
from .blocks import blocks_of

Step = tuple[Tensor, dict[str, tuple[Tensor, Tensor]], dict[str, Tensor]]
"""What is minimised, and (sum, count) of each loss and the figures, which are only looked at."""


class Forward(nn.Module):
    """A batch to its losses, as one call of a module: what FSDP2 wants to stand at the top."""

    def __init__(self, model: UnifiedModel | None, objective: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.objective = objective
        self.touched: list[tuple[nn.Module, str]] = []
        """Where trained parameters are whose gradient is zero, and not absent, where a batch does without them."""

    def forward(self, batch: Any, scales: Mapping[str, float]) -> Step:
        """``scales``: by which each sum of losses is multiplied in what is minimised."""
        losses, figures = cast(Any, self.objective).losses(batch)
        terms = [loss.total * scales[name] for name, loss in losses.items()]
        terms += _zeros(self.touched)
        sums = {name: (loss.total.detach(), loss.count.detach()) for name, loss in losses.items()}
        return torch.stack(terms).sum(), sums, figures


class Sharded:
    """A model and its objective, divided in place over the processes of a mesh. ``forward`` is what may be called."""

    def __init__(self, model: UnifiedModel, objective: nn.Module, mesh: DeviceMesh, world: World) -> None:
        self.world = world
        self.forward = Forward(model, objective)
        blocks = [block for path, block in blocks_of(model).items() if path.startswith("backbone.")]
        in_blocks = {id(parameter) for block in blocks for parameter in block.parameters()}
        rest = [parameter for parameter in self.forward.parameters() if id(parameter) not in in_blocks]
        self.loose = [parameter for parameter in rest if parameter.requires_grad and parameter.ndim == 0]
        spared = {parameter for parameter in rest if not parameter.requires_grad or parameter.ndim == 0}
        self._touch(model, in_blocks)
        for parameter in self.forward.parameters():
            parameter.data = parameter.data.contiguous()
        whole_rows = mesh["shard"] if mesh.shape[0] == 1 else mesh
        for block in blocks:
            fully_shard(block, mesh=whole_rows)
        fully_shard(self.forward, mesh=whole_rows, ignored_params=spared)
        self.replicated = mesh.shape[0] > 1

    def _touch(self, model: UnifiedModel, in_blocks: set[int]) -> None:
        """Let every process compute the same, whatever its samples are: else they would wait for each other forever.

        What stands before the backbone touches what the backbone reads, so that all processes go back through it, or
        none does; what stands behind it touches the loss.
        """
        before: list[tuple[nn.Module, str]] = []
        for path, module in self.forward.named_modules():
            first, *rest = path.removeprefix("model.").split(".")
            looks = path.startswith("model.") and first in model.plan.pathways and rest[:1] != ["head"]
            for name, parameter in module.named_parameters(recurse=False):
                if parameter.requires_grad and id(parameter) not in in_blocks:
                    (before if looks else self.forward.touched).append((module, name))
        if before:

            def touch(backbone: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
                return (inputs[0] + torch.stack(_zeros(before)).sum().to(inputs[0].dtype), *inputs[1:])

            model.backbone.register_forward_pre_hook(touch)

    def backward(self, loss: Tensor, *, last: bool) -> None:
        """Add the gradients of a micro-batch; after the ``last`` they are the sum over all processes."""
        if self.replicated:
            cast(FSDPModule, self.forward).set_requires_all_reduce(last)
        torch.autograd.backward(loss * self.world.size)  # FSDP2 gives the mean over the processes
        if last:
            for parameter in self.loose:
                if parameter.grad is not None:
                    self.world.sum(parameter.grad).div_(self.world.size)

    def whole(self) -> UnifiedModel:
        """The model undivided, on every process."""
        return undivided(cast(UnifiedModel, self.forward.model))


def undivided(model: UnifiedModel) -> UnifiedModel:
    """A new model with all the values of a divided one; every process must ask. Random states stay as they are."""
    device = model.device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        made = build_model(model.plan, device)
        attach_alike(model, dict(made.named_children()))
    made.processor = model.processor
    values = tensors_of(model)
    with torch.no_grad():
        for name, tensor in tensors_of(made).items():
            tensor.copy_(whole(values[name]))
    return made.eval().requires_grad_(False)


def _zeros(places: Iterable[tuple[nn.Module, str]]) -> list[Tensor]:
    """A zero that depends on each parameter. Its values are not read, so none of them can make it anything else."""
    return [getattr(module, name).flatten()[:0].sum() for module, name in places]
