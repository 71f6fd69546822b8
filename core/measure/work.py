"""The arithmetic of a training step: forward, and backward through everything that is trained or follows it.

A part's backward takes as much as its forward for the gradients of its weights, times the fraction that is trained,
and as much again to pass gradients on. Recomputation is not counted, by the definition of MFU (PaLM, arXiv:2204.02311,
appendix B).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from attrs import frozen
from torch import nn

from ..compose.plan import Plan
from ..model.modules import build_modules
from . import flops
from .content import BatchContent
from .costs import PictureFlops, picture_flops


@frozen
class ForwardWork:
    """FLOPs of the forward pass by unit; ``pictures`` by pathway. ``sizes``: of parameters by name."""

    position: int
    pair: int
    predicted_text: int
    pictures: Mapping[str, PictureFlops]
    sizes: Mapping[str, int]


def forward_work(plan: Plan, modules: Mapping[str, nn.Module] | None = None) -> ForwardWork:
    """Count FLOPs on the meta device. Raises ``CompositionError`` where a factory fails."""
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
    """FLOPs of a training step per unit of its batch's content."""

    position: float
    pair: float
    predicted_text: float
    pictures: Mapping[str, float]
    drawn: Mapping[str, float]

    def of(self, content: BatchContent) -> float:
        """The FLOPs of a batch. Padding is not counted, as it does no useful work."""
        return (
            content.tokens * self.position
            + content.pairs * self.pair
            + content.predicted_text * self.predicted_text
            + sum(count * self.pictures[name] for name, count in content.pictures.items())
            + sum(content.predicted.get(name, count) * self.drawn[name] for name, count in content.drawn.items())
        )


def training_work(plan: Plan, forward: ForwardWork, trained: Iterable[str]) -> Work:
    """The work of training the named parameters. Gradients pass through a part that is partly trained."""
    chosen = set(trained)

    def trained_fraction(path: str) -> float:
        """The fraction of a part's parameters that is trained."""
        prefix = f"{plan.owner(path)}." if path in plan.parts else f"{path}."
        sizes = {name: size for name, size in forward.sizes.items() if name.startswith(prefix)}
        return sum(size for name, size in sizes.items() if name in chosen) / max(1, sum(sizes.values()))

    pictures: dict[str, float] = {}
    passes = trained_fraction("backbone") > 0
    for name, cost in forward.pictures.items():
        encoder = 0.0 if plan.pathways[name].drawn is not None else trained_fraction(f"{name}.encoder")
        embedding = 0.0 if plan.pathways[name].drawn is None else trained_fraction(f"{name}.embedding")
        before = encoder > 0 or embedding > 0
        adapter = trained_fraction(f"{name}.adapter")
        pictures[name] = (
            cost.see * _times(encoder, False)
            + cost.embed * _times(embedding, False)
            + cost.adapt * _times(adapter, before)
        )
        passes = passes or before or adapter > 0
    backbone = trained_fraction("backbone")
    return Work(
        position=forward.position * _times(backbone, passes),
        pair=forward.pair * (3 if passes else 1),
        predicted_text=forward.predicted_text * _times(backbone, passes),
        pictures=pictures,
        drawn={
            name: cost.predict * _times(_of_head(plan, name, trained_fraction), passes)
            for name, cost in forward.pictures.items()
            if plan.pathways[name].mode == "draw"
        },
    )


def _of_head(plan: Plan, name: str, trained_fraction: Callable[[str], float]) -> float:
    """The fraction of a head's weights that is trained; where it has none of its own, that of the backbone's."""
    path = f"{name}.head"
    borrows = callable(getattr(plan.parts[plan.owner(path)].use.config, "rows", None))
    return trained_fraction("backbone" if borrows else path)


def _times(trained: float, before: bool) -> float:
    """The cost of a part's forward and backward, in forwards. ``before``: something before it is trained."""
    return 1 + trained + (trained > 0 or before)
