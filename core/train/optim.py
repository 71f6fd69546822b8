"""What is trained, the optimizer, and the learning rate over a stage."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from .muon import Muon


def parameter_groups(named: Iterable[tuple[str, nn.Parameter]], weight_decay: float) -> list[dict[str, object]]:
    """Two groups: matrices and kernels, which decay, and everything one-dimensional (norms, biases), which does not."""
    decayed: list[nn.Parameter] = []
    spared: list[nn.Parameter] = []
    for _, parameter in named:
        (decayed if parameter.ndim >= 2 else spared).append(parameter)
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": spared, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def adamw(
    named: Iterable[tuple[str, nn.Parameter]], *, learning_rate: float, betas: tuple[float, float], weight_decay: float
) -> torch.optim.AdamW:
    """AdamW in its fused form, which updates all parameters in one pass and can skip a step without asking the host."""
    return torch.optim.AdamW(
        parameter_groups(named, weight_decay), lr=learning_rate, betas=betas, weight_decay=weight_decay, fused=True
    )


def optimizers(
    named: Mapping[str, nn.Parameter],
    muon: Iterable[str],
    *,
    learning_rate: float,
    betas: tuple[float, float],
    weight_decay: float,
) -> list[torch.optim.Optimizer]:
    """Muon for the matrices among the names in ``muon``, if there are any, and AdamW for everything else."""
    matrices = {name for name in muon if named[name].ndim >= 2}
    rest = [(name, parameter) for name, parameter in named.items() if name not in matrices]
    made: list[torch.optim.Optimizer] = []
    if matrices:
        chosen = [parameter for name, parameter in named.items() if name in matrices]
        made.append(Muon(chosen, lr=learning_rate, weight_decay=weight_decay))
    if rest:
        made.append(adamw(rest, learning_rate=learning_rate, betas=betas, weight_decay=weight_decay))
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


def step(
    optimizers: Sequence[torch.optim.Optimizer], parameters: list[nn.Parameter], loss: Tensor, clip: float
) -> tuple[Tensor, Tensor]:
    """Clip the gradients to a norm and update; leave everything as it was where the loss or a gradient is not finite.

    The decision stays on the device, so the host never waits for it. Gradients are released.

    Args:
        clip: the largest norm of all gradients together; 0 clips nothing.

    Returns:
        The norm before clipping and whether the step was skipped (1.0) or taken (0.0), scalars on the device.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = nn.utils.get_total_norm(gradients, foreach=True) if gradients else torch.zeros_like(loss)
    skipped = 1 - (torch.isfinite(norm) & torch.isfinite(loss.detach())).float()
    if clip > 0:
        nn.utils.clip_grads_with_norm_(parameters, clip, norm, foreach=True)
    for optimizer in optimizers:
        optimizer.found_inf = skipped  # type: ignore[attr-defined]  # the fused kernel's own switch, as GradScaler's
        optimizer.grad_scale = None  # type: ignore[attr-defined]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return norm, skipped
