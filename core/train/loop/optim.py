"""Optimizers, their states, gradient clipping, and the learning rate over a stage."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping

import torch
from attrs import frozen
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from ..distributed.process_group import whole
from .muon import Muon


def of_norms(named: Mapping[str, nn.Parameter], modules: Iterable[nn.Module]) -> set[str]:
    """The names of the parameters of norms, which are vectors to an optimizer even where each head has its own."""
    norms = (part for module in modules for part in module.modules() if isinstance(part, nn.LayerNorm | nn.RMSNorm))
    own = {id(parameter) for norm in norms for parameter in norm.parameters(recurse=False)}
    return {name for name, parameter in named.items() if id(parameter) in own}


def parameter_groups(
    named: Iterable[tuple[str, nn.Parameter]], weight_decay: float, vectors: Collection[str] = ()
) -> list[dict[str, object]]:
    """Matrices and kernels, which decay, and vectors (norms, biases), which do not.

    Vectors are one-dimensional, or named in ``vectors``. Scalars are a group of their own, since they are the only
    parameters that several processes do not shard.
    """
    by_dimensions: dict[int, list[nn.Parameter]] = {2: [], 1: [], 0: []}
    for name, parameter in named:
        by_dimensions[min(parameter.ndim, 1 if name in vectors else 2)].append(parameter)
    return [
        {"params": parameters, "weight_decay": weight_decay if dimensions == 2 else 0.0}
        for dimensions, parameters in by_dimensions.items()
        if parameters
    ]


def adamw(
    named: Iterable[tuple[str, nn.Parameter]],
    *,
    learning_rate: float,
    betas: tuple[float, float],
    weight_decay: float,
    vectors: Collection[str] = (),
) -> torch.optim.AdamW:
    """Fused AdamW: one kernel for all parameters, whose step can be skipped without waiting for the host."""
    groups = parameter_groups(named, weight_decay, vectors)
    return torch.optim.AdamW(groups, lr=learning_rate, betas=betas, weight_decay=weight_decay, fused=True)


def make_optimizers(
    named: Mapping[str, nn.Parameter],
    muon: Iterable[str],
    *,
    learning_rate: float,
    betas: tuple[float, float],
    weight_decay: float,
    vectors: Collection[str] = (),
) -> list[torch.optim.Optimizer]:
    """Muon for the matrices and kernels among the names in ``muon``, and AdamW for everything else.

    Parameters named in ``vectors`` are not matrices, whatever their shape.
    """
    matrices = {name for name in muon if named[name].ndim >= 2 and name not in vectors}
    rest = [(name, parameter) for name, parameter in named.items() if name not in matrices]
    made: list[torch.optim.Optimizer] = []
    if matrices:
        chosen = [parameter for name, parameter in named.items() if name in matrices]
        made.append(Muon(chosen, lr=learning_rate, weight_decay=weight_decay))
    if rest:
        made.append(adamw(rest, learning_rate=learning_rate, betas=betas, weight_decay=weight_decay, vectors=vectors))
    return made


def rate_at(step: int, *, steps: int, learning_rate: float, warmup: int, schedule: str, final_fraction: float) -> float:
    """The learning rate of a step, counted from 0.

    Linear warm-up over the first ``warmup`` steps, then ``constant``, or falling as ``cosine`` or ``linear`` to
    ``final_fraction`` of the rate at the last step.
    """
    if step < warmup:
        return learning_rate * (step + 1) / warmup
    if schedule == "constant":
        return learning_rate
    done = (step - warmup) / max(1, steps - 1 - warmup)
    remaining = 1 - done if schedule == "linear" else (1 + math.cos(math.pi * done)) / 2
    return learning_rate * (final_fraction + (1 - final_fraction) * remaining)


@frozen(eq=False)
class Clipped:
    """What ``clip_gradients`` finds: scalars on the device, so the host never waits for them.

    ``norm``: of all gradients together, before clipping. ``not_finite``: 1 where the loss or a gradient is not finite,
    else 0. ``idle``: 1 where the step is finite and has no gradient, or only zeros, as where none of its samples
    reaches a trained parameter.
    """

    norm: Tensor
    not_finite: Tensor
    idle: Tensor

    @property
    def skipped(self) -> Tensor:
        """1 where the step must change nothing, else 0."""
        return self.not_finite + self.idle


def clip_gradients(parameters: list[nn.Parameter], loss: Tensor, clip: float) -> Clipped:
    """Clip the gradients to a norm, and decide on the device whether the step is skipped.

    Args:
        clip: the largest norm of all gradients together; 0 disables clipping.
    """
    # Sharded parameters and others do not mix in one kernel.
    learning = [parameter for parameter in parameters if parameter.grad is not None]
    kinds = [[parameter for parameter in learning if isinstance(parameter, DTensor) is kind] for kind in (True, False)]
    norm = _norm([[parameter.grad for parameter in some if parameter.grad is not None] for some in kinds], loss)
    finite = torch.isfinite(norm) & torch.isfinite(loss.detach())
    if clip > 0:
        for some in kinds:
            nn.utils.clip_grads_with_norm_(some, clip, norm, foreach=True)
    return Clipped(norm, 1 - finite.float(), (finite & (norm == 0)).float())


def skip_where(skipped: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """Let the optimizer's next step change nothing where ``skipped`` is 1, decided on the device.

    The attributes are those that ``GradScaler`` sets for fused optimizers.
    """
    optimizer.found_inf = skipped  # type: ignore[attr-defined]
    optimizer.grad_scale = None  # type: ignore[attr-defined]


def _norm(kinds: Iterable[list[Tensor]], loss: Tensor) -> Tensor:
    norms = [whole(nn.utils.get_total_norm(gradients, foreach=True)) for gradients in kinds if gradients]
    if len(norms) == 1:
        return norms[0]
    return torch.stack(norms).norm() if norms else torch.zeros_like(loss.detach())


def states(optimizers: Iterable[torch.optim.Optimizer], named: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """The live states of optimizers, as ``optimizer/PARAMETER/STATE``."""
    return {
        f"optimizer/{name}/{state}": value
        for name, parameter in named.items()
        for optimizer in optimizers
        if parameter in optimizer.state
        for state, value in optimizer.state[parameter].items()
    }


def fill_states(
    optimizers: Iterable[torch.optim.Optimizer],
    named: Mapping[str, nn.Parameter],
    shapes: Mapping[str, tuple[int, ...]],
) -> dict[str, Tensor]:
    """Create optimizer states to read stored ones into: zeros of their shapes, sharded as their parameters are."""
    owners = {id(p): optimizer for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    made = {}
    for key, shape in shapes.items():
        kind, _, rest = key.partition("/")
        name, _, state = rest.rpartition("/")
        if kind != "optimizer" or name not in named:
            continue
        parameter = named[name]
        same_shape = tuple(parameter.shape) == shape
        zeros = torch.zeros_like(parameter) if same_shape else torch.zeros(shape, device=parameter.device)
        owners[id(parameter)].state[parameter][state] = made[key] = zeros.detach()
    return made
