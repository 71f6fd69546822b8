"""Routers and experts of a sparse layer.

R positions    H hidden width    E experts    k active experts    I inner width of an expert
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from ..decoder.blocks import INITIAL_STD


class Router(nn.Linear):
    """Hidden states [..., H] to logits [..., E]; a class of its own, since routers are not quantized."""


def lowered(tensor: Tensor) -> Tensor:
    """The tensor in autocast's type, where it is on."""
    device = tensor.device.type
    if device == "meta" or not torch.is_autocast_enabled(device) or tensor.dtype == torch.float64:
        return tensor
    return tensor.to(torch.get_autocast_dtype(device))


class Stacked(nn.Module):
    """The matrices [n, m] of all experts, below one another as ``weight`` [E·n, m], as files are read and sharded."""

    def __init__(self, experts: int, rows: int, columns: int) -> None:
        super().__init__()
        self.experts = experts
        self.weight = nn.Parameter(torch.empty(experts * rows, columns))
        nn.init.normal_(self.weight, std=INITIAL_STD)

    def matrices(self) -> Tensor:
        """The matrices [E, n, m], in autocast's type where it is on: cast together, and not one by one."""
        return lowered(self.weight).unflatten(0, (self.experts, -1))


class SparseMLP(nn.Module):
    """Hidden states [B, T, H] -> the weighted sum of k experts' outputs [B, T, H], and router logits [B, T, E].

    Positions are sorted by expert, so that each expert multiplies one contiguous slice; of experts that no position
    chose no weight is read.
    """

    def __init__(
        self,
        width: int,
        inner: int,
        experts: int,
        active: int,
        activation: Callable[[Tensor], Tensor],
        normalised: bool,
    ) -> None:
        super().__init__()
        self.active, self.activation, self.normalised = active, activation, normalised
        self.router = Router(width, experts, bias=False)
        self.expert_gate_up_proj = Stacked(experts, 2 * inner, width)
        self.expert_down_proj = Stacked(experts, width, inner)

    @property
    def down_proj(self) -> Stacked:
        """The last matrices of the experts, which are initialised like that of a dense MLP."""
        return self.expert_down_proj

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.router(x)
        weights, chosen = chances(logits).flatten(0, 1).topk(self.active, dim=-1)
        if self.normalised:
            weights = weights / weights.sum(-1, keepdim=True)
        order = chosen.flatten().argsort(stable=True)
        outputs = self._outputs(lowered(x).flatten(0, 1)[order // self.active], chosen.flatten()[order])
        # Back in the order of positions, where the k outputs of each are added up in a fixed order.
        outputs = outputs[order.argsort()].unflatten(0, (-1, self.active))
        summed = (outputs * weights.to(outputs.dtype)[..., None]).sum(1)
        return summed.view_as(x), logits

    def _outputs(self, states: Tensor, chosen: Tensor) -> Tensor:
        """The outputs [R·k, H] of states [R·k, H] that are sorted by the expert that computes each, int64 [R·k]."""
        gate_up, down = self.expert_gate_up_proj.matrices(), self.expert_down_proj.matrices()
        if states.is_meta or type(states) is not Tensor:
            # Without values nothing is known about the choice; one expert does the arithmetic of all.
            return by_expert(states, gate_up, down, self.activation, [len(states), *[0] * (len(down) - 1)])
        if grouped(states, gate_up, down):
            return by_group(states, gate_up, down, self.activation, chosen)
        if torch.compiler.is_compiling():
            from .uncompiled import uncompiled  # not above: this imports the compiler

            return uncompiled(self._by_expert, states, gate_up, down, chosen)
        return self._by_expert(states, gate_up, down, chosen)

    def _by_expert(self, states: Tensor, gate_up: Tensor, down: Tensor, chosen: Tensor) -> Tensor:
        sizes = torch.bincount(chosen, minlength=len(down)).tolist()
        return by_expert(states, gate_up, down, self.activation, sizes)


def chances(logits: Tensor) -> Tensor:
    """The probabilities of experts, in float32 at least, of logits [..., E]."""
    return logits.softmax(-1, dtype=torch.promote_types(logits.dtype, torch.float32))


def by_expert(
    states: Tensor, gate_up: Tensor, down: Tensor, activation: Callable[[Tensor], Tensor], sizes: Sequence[int]
) -> Tensor:
    """The outputs [R, H] of states [R, H], of which each expert computes the next ``sizes``, with its own matrices.

    Args:
        gate_up, down: [E, 2·I, H] and [E, H, I].
    """
    if torch.is_grad_enabled():
        # Gradients of all matrices are stacked once, where those of slices would be added up one by one.
        first, last = gate_up.unbind(), down.unbind()
    else:
        first, last = gate_up, down
    outputs = []
    for expert, rows in enumerate(states.split(list(sizes))):
        if len(rows):
            gate, up = linear(rows, first[expert]).chunk(2, dim=-1)
            outputs.append(linear(activation(gate) * up, last[expert]))
    return torch.cat(outputs)


def grouped(states: Tensor, gate_up: Tensor, down: Tensor) -> bool:
    """Whether the device multiplies all slices by their experts' matrices in one kernel, without reading the sizes."""
    widths = states.shape[-1], down.shape[-1]
    return (
        states.device.type == "cuda"
        and states.dtype == gate_up.dtype == torch.bfloat16
        and all(width % 8 == 0 for width in widths)  # rows are aligned to 16 bytes
        and hasattr(torch.nn.functional, "grouped_mm")
    )


def by_group(
    states: Tensor, gate_up: Tensor, down: Tensor, activation: Callable[[Tensor], Tensor], chosen: Tensor
) -> Tensor:
    """The same as ``by_expert``, given the expert of each state, int64 [R], in order."""
    grouped_mm = torch.nn.functional.grouped_mm
    experts = torch.arange(len(down), device=chosen.device)
    ends = torch.searchsorted(chosen, experts, right=True).to(torch.int32)
    gate, up = grouped_mm(states, gate_up.transpose(1, 2), offs=ends).chunk(2, dim=-1)
    return grouped_mm(activation(gate) * up, down.transpose(1, 2), offs=ends)
