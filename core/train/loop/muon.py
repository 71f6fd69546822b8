"""Muon: momentum whose update is made orthogonal, for the matrices of a network.

From "Muon: An optimizer for hidden layers in neural networks" (Jordan et al., 2024); the size of the update follows
"Muon is Scalable for LLM Training" (arXiv:2502.16982), so that AdamW's learning rates apply. ``torch.optim.Muon``
(torch 2.13, ``adjust_lr_fn="match_rms_adamw"``) has the same update, and would replace this class if it could also skip
a step on the device, update kernels of more than two dimensions, and iterate in float32 on processors that only emulate
bfloat16, a hundred times slower.

Where processes shard the matrices, momentum and update stay sharded. Only the direction is gathered, one matrix at a
time, since the iteration needs all of it: each process receives all matrices once per step in float32, half of what
forward and backward gather, and each computes the iteration, which is 10 m²n + 5 m³ multiply-adds per matrix.

G matrices of one shape    m rows    n columns
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, Replicate

from ..distributed.process_group import local, whole
from .precision import fast_bfloat16

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic Newton–Schulz step: small singular values grow fast, and all of them end in 0.7 .. 1.2."""
ITERATIONS = 5
RMS = 0.2
"""RMS of an update's elements, in learning rates, as AdamW's usually have (arXiv:2502.16982, section 2.2)."""


class Muon(torch.optim.Optimizer):
    """Updates parameters of two or more dimensions; all dimensions after the first are flattened into columns.

    ``found_inf``, where it is set, is a scalar on the device; above 0 the step changes nothing.
    """

    found_inf: Tensor | None = None

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(list(parameters), {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient, all of one shape together."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if isinstance(parameter, DTensor) and parameter.grad is not None:
                    self._update_sharded(parameter, parameter.grad, group)
            by_shape: dict[tuple[int, int, torch.device], list[nn.Parameter]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None and not isinstance(parameter, DTensor):
                    rows = parameter.shape[0]
                    by_shape.setdefault((rows, parameter.numel() // rows, parameter.device), []).append(parameter)
            for parameters in by_shape.values():
                self._update(parameters, group)

    def _update(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> None:
        gradient_Gmn = torch.stack([parameter.grad.flatten(1) for parameter in parameters])  # type: ignore[union-attr]
        before_Gmn = torch.stack([self._momentum(parameter).flatten(1) for parameter in parameters])
        after_Gmn = before_Gmn.lerp(gradient_Gmn, 1 - group["momentum"])
        ahead_Gmn = gradient_Gmn.lerp(after_Gmn, group["momentum"])  # Nesterov's look ahead
        change_Gmn = orthogonal(ahead_Gmn) * (RMS * max(gradient_Gmn.shape[1:]) ** 0.5)
        for parameter, before, after, change in zip(parameters, before_Gmn, after_Gmn, change_Gmn, strict=True):
            moved = parameter * (1 - group["lr"] * group["weight_decay"]) - group["lr"] * change.view_as(parameter)
            if self.found_inf is not None:
                finite = self.found_inf == 0
                after, moved = torch.where(finite, after, before), torch.where(finite, moved, parameter)
            self._momentum(parameter).copy_(after.view_as(parameter))
            parameter.copy_(moved)

    def _update_sharded(self, parameter: DTensor, gradient: Tensor, group: dict[str, Any]) -> None:
        momentum = self._momentum(cast(nn.Parameter, parameter))
        after = momentum.lerp(gradient, 1 - group["momentum"])
        ahead_mn = whole(gradient.lerp(after, group["momentum"])).flatten(1)
        change_mn = orthogonal(ahead_mn[None])[0] * (RMS * max(ahead_mn.shape) ** 0.5)
        replicas = [Replicate()] * parameter.device_mesh.ndim
        change = DTensor.from_local(change_mn.view(parameter.shape), parameter.device_mesh, replicas, run_check=False)
        own = local(change.redistribute(placements=parameter.placements))
        before, moving = local(momentum), local(parameter)
        moved = moving * (1 - group["lr"] * group["weight_decay"]) - group["lr"] * own
        kept = local(after)
        if self.found_inf is not None:
            finite = self.found_inf == 0
            kept, moved = torch.where(finite, kept, before), torch.where(finite, moved, moving)
        before.copy_(kept)
        moving.copy_(moved)

    def _momentum(self, parameter: nn.Parameter) -> Tensor:
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum: Tensor = state["momentum"]
        return momentum


def orthogonal(matrices: Tensor) -> Tensor:
    """Matrices [G, m, n] with their singular values moved close to 1 by Newton–Schulz iteration; zeros stay zeros."""
    dtype = torch.bfloat16 if fast_bfloat16(matrices.device) else torch.float32
    x = matrices.to(dtype)
    wide = x.shape[1] <= x.shape[2]
    if not wide:
        x = x.transpose(1, 2)
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        square = x @ x.transpose(1, 2)
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return (x if wide else x.transpose(1, 2)).to(matrices.dtype)
