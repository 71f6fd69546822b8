"""The weights of a plan as planning needs them: their sizes by name, by block, and what they compute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import frozen

from ..compose.plan import Plan
from ..measure.work import ForwardWork, forward_work
from ..model.lora import adaptable, attach
from ..model.modules import build_modules
from ..model.unified_model import UnifiedModel
from ..recipe import Lora
from ..train.loop.blocks import blocks_of
from ..train.loop.optim import of_norms


@frozen
class Weights:
    """A model's weights: values in ``buffers`` and in the backbone's ``blocks`` by path; ``dimensions`` by name.

    Weights of norms have one dimension, as optimizers see them.
    """

    forward: ForwardWork
    buffers: int
    blocks: Mapping[str, int]
    dimensions: Mapping[str, int]

    @classmethod
    def of(cls, plan: Plan, lora: Lora | None = None, trained: Iterable[str] = ()) -> Weights:
        """Measure them on the meta device, with low-rank adapters where they are given."""
        modules = build_modules(plan, device="meta")
        if lora is not None:
            attach(adaptable(modules, lora, trained, plan.shared), lora)
        named = {f"{path}.{name}": p for path, module in modules.items() for name, p in module.named_parameters()}
        blocks = [path for path in blocks_of(UnifiedModel(plan, modules)) if path.startswith("backbone.")]
        vectors = of_norms(named, modules.values())
        return cls(
            forward_work(plan, modules),
            sum(tensor.numel() for module in modules.values() for tensor in module.buffers()),
            {path: sum(p.numel() for name, p in named.items() if name.startswith(f"{path}.")) for path in blocks},
            {name: min(parameter.ndim, 1 if name in vectors else parameter.ndim) for name, parameter in named.items()},
        )
