"""A model sharded over processes by FSDP2: each holds a part of every weight, gradient and optimizer state.

Each block of the backbone is gathered when it is needed and released again. Everything else that is trained, which the
samples of one process may use and those of another may not, is gathered once for the whole step. Frozen weights outside
of the backbone are not sharded, as they would be held whole during the step anyhow.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from ...model.build import build_model
from ...model.lora import attach_alike
from ...model.unified_model import UnifiedModel
from ...storage.tensors import tensors_of
from ..distributed.process_group import ProcessGroup, whole
from .blocks import blocks_of
from .losses import LossModule, zeros


class Sharded:
    """A model and its objective, sharded in place over the processes of a mesh; ``forward`` is called for losses."""

    def __init__(self, forward: LossModule, model: UnifiedModel, mesh: DeviceMesh, group: ProcessGroup) -> None:
        self.group = group
        self.model = model
        self.forward = forward
        forward.scale = group.size  # FSDP2 gives the mean of gradients over the processes; the sum is wanted
        named = blocks_of(model)  # a block that runs several times has several names
        blocks = list(dict.fromkeys(block for path, block in named.items() if path.startswith("backbone.")))
        in_blocks = {id(parameter) for block in blocks for parameter in block.parameters()}
        rest = [parameter for parameter in forward.parameters() if id(parameter) not in in_blocks]
        self.loose = [parameter for parameter in rest if parameter.requires_grad and parameter.ndim == 0]
        not_sharded = {parameter for parameter in rest if not parameter.requires_grad or parameter.ndim == 0}
        self._touch(in_blocks)
        for parameter in forward.parameters():
            parameter.data = parameter.data.contiguous()
        dimensions = mesh["shard"] if mesh.shape[0] == 1 else mesh
        for block in blocks:
            fully_shard(block, mesh=dimensions)
        fully_shard(forward, mesh=dimensions, ignored_params=not_sharded)
        self.replicated = mesh.shape[0] > 1

    def _touch(self, in_blocks: set[int]) -> None:
        """Make every process compute the same operations, whatever its samples: otherwise they would deadlock.

        Parts before the backbone touch its input, so that all processes run backward through it, or none does; parts
        behind it touch the loss.
        """
        before: list[tuple[nn.Module, str]] = []
        for path, module in self.forward.named_modules():
            first, *rest = path.removeprefix("model.").split(".")
            looks = path.startswith("model.") and first in self.model.plan.pathways and rest[:1] != ["head"]
            for name, parameter in module.named_parameters(recurse=False):
                if parameter.requires_grad and id(parameter) not in in_blocks:
                    (before if looks else self.forward.touched).append((module, name))
        if before:

            def touch(backbone: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
                return (inputs[0] + torch.stack(zeros(before)).sum().to(inputs[0].dtype), *inputs[1:])

            self.model.backbone.register_forward_pre_hook(touch)

    def before_backward(self, *, last: bool) -> None:
        """Announce the backward pass of a micro-batch; replicas sum their gradients in that of the ``last`` one."""
        if self.replicated:
            cast(FSDPModule, self.forward).set_requires_all_reduce(last)

    def sum_loose_gradients(self) -> None:
        """Sum the gradients of scalars, which FSDP2 cannot shard, over all processes."""
        for parameter in self.loose:
            if parameter.grad is not None:
                self.group.sum(parameter.grad).div_(self.group.size)

    def whole(self) -> UnifiedModel:
        """The model, not sharded, on every process."""
        return undivided(self.model)


def undivided(model: UnifiedModel) -> UnifiedModel:
    """Return a new model with all values of a sharded one; every process must call it. Random states do not change."""
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
