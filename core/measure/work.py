"""The arithmetic of a training step: forward, and backward through what is trained or lies behind it.

A part's backward takes as much as its forward once for the gradients of its weights, by the share of them that is
trained, and once more to pass gradients on. Recomputing activations is no part of it: that is how MFU is defined
(PaLM, arXiv:2204.02311, appendix B).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import frozen
from torch import nn

from ..compose.plan import Plan
from ..model.modules import build_modules
from . import flops
from .amounts import Amounts
from .costs import PictureFlops, picture_flops


@frozen
class ForwardWork:
    """FLOPs of the forward by what they are spent on; ``pictures`` by pathway. ``sizes``: parameters by their names."""

    position: int
    pair: int
    word: int
    pictures: Mapping[str, PictureFlops]
    sizes: Mapping[str, int]


def forward_work(plan: Plan, modules: Mapping[str, nn.Module] | None = None) -> ForwardWork:
    """Counted on the meta device. Raises ``CompositionError`` where a factory fails."""
    modules = build_modules(plan, device="meta") if modules is None else modules
    hidden, backbone = plan.hidden, modules["backbone"]
    position, pair = flops.of_backbone(backbone, hidden.width, hidden.layers)
    return ForwardWork(
        position,
        pair,
        flops.of_logits(backbone, hidden.width, hidden.vocabulary),
        {name: picture_flops(plan, name, modules) for name in plan.pathways},
        {f"{path}.{name}": p.numel() for path, module in modules.items() for name, p in module.named_parameters()},
    )


@frozen
class Work:
    """FLOPs of a training step for each unit of what its batch holds."""

    position: float
    pair: float
    word: float
    pictures: Mapping[str, float]
    drawn: Mapping[str, float]

    def of(self, amounts: Amounts) -> float:
        """All FLOPs of a batch. Padding is not counted: nobody wants it computed."""
        return (
            amounts.tokens * self.position
            + amounts.pairs * self.pair
            + amounts.words * self.word
            + sum(count * self.pictures[name] for name, count in amounts.pictures.items())
            + sum(count * self.drawn[name] for name, count in amounts.drawn.items())
        )


def training_work(plan: Plan, forward: ForwardWork, trained: Iterable[str]) -> Work:
    """The work of training the parameters of these names; a part that is trained in part passes gradients through."""
    chosen = set(trained)

    def share(path: str) -> float:
        """Of a part's parameters, how much is trained."""
        prefix = f"{plan.owner(path)}." if path in plan.parts else f"{path}."
        sizes = {name: size for name, size in forward.sizes.items() if name.startswith(prefix)}
        return sum(size for name, size in sizes.items() if name in chosen) / max(1, sum(sizes.values()))

    pictures: dict[str, float] = {}
    passes = share("backbone") > 0
    for name, cost in forward.pictures.items():
        seer = 0.0 if plan.pathways[name].codes is not None else share(f"{name}.encoder")
        before = seer > 0 or (plan.pathways[name].codes is not None and share(f"{name}.embedding") > 0)
        adapter = share(f"{name}.adapter")
        pictures[name] = cost.see * _times(seer, False) + cost.embed + cost.adapt * _times(adapter, before)
        passes = passes or before or adapter > 0
    backbone = share("backbone")
    return Work(
        position=forward.position * _times(backbone, passes),
        pair=forward.pair * (3 if passes else 1),
        word=forward.word * _times(backbone, passes),
        pictures=pictures,
        drawn={
            name: cost.predict * _times(share(f"{name}.head"), passes)
            for name, cost in forward.pictures.items()
            if plan.pathways[name].mode == "draw"
        },
    )


def _times(trained: float, before: bool) -> float:
    """How many forwards a part's forward and backward take. ``before``: something is trained that comes before it."""
    return 1 + trained + (trained > 0 or before)
