"""The memory and FLOPs of a forward and backward pass, measured with tensors that have a shape and no values.

The model runs as in training, in mixed precision and with activation checkpointing where the stage has it; every
storage that it allocates is counted until it is freed, by its purpose.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from attrs import frozen
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ..compose.plan import Plan
from ..contracts.objective import Objective
from ..measure import flops
from ..model.build import build_model
from ..model.lora import attach
from ..model.meta import shapes_only, tensors_on
from ..model.processor import Processor
from ..model.unified_model import UnifiedModel
from ..recipe import Stage
from ..sequence.batch import Batch
from ..train.loop.blocks import prepare_blocks, recomputed
from ..train.loop.objective import make_objective
from ..train.loop.trained import adapted_layers, set_trained

KINDS = ("casts", "activations", "logits", "gradients")
"""The storages of a pass: copies of weights in bfloat16; tensors that the backward pass needs, and temporary ones;
logits and their gradients; gradients of weights."""


@frozen
class Trace:
    """Bytes by kind at the peak: with the gradients of weights (``whole``), and without them (``beside``).

    ``flops``: of the forward and backward pass.
    """

    whole: Mapping[str, int]
    beside: Mapping[str, int]
    flops: int = 0


def stage_model(plan: Plan, stage: Stage, processor: Processor | None = None) -> tuple[UnifiedModel, Objective]:
    """A plan's model and the objective of a stage on the meta device, ready to be trained as the stage says.

    Raises ``CompositionError`` where a factory fails, and whatever the objective raises.
    """
    model = build_model(plan, "meta")
    if processor is not None:
        model.processor = processor
    if stage.lora is not None:
        attach(adapted_layers(stage, model), stage.lora)
    with tensors_on("meta"), shapes_only("meta"):
        objective = make_objective(stage.objective, model)
    set_trained(model, objective, stage.train)
    return model, objective


def trace(model: UnifiedModel, objective: Objective, stage: Stage, batch: Any) -> Trace:
    """Measure a stage's forward and backward: memory beside weights, optimizer, and gradients that already exist.

    Args:
        model, objective: from ``stage_model``; they can be traced only once.
        stage: says the precision, and which blocks are recomputed.
        batch: on the meta device or the CPU; only its shapes count.

    Raises whatever the code of parts raises on tensors without values.
    """
    prepare_blocks({}, recomputed(model, stage.checkpointing))
    plan = model.plan
    vocabularies = {
        plan.hidden.vocabulary,
        *(shape.codes.vocabulary for shape in plan.pathways.values() if shape.codes),
    }
    with FakeTensorMode(allow_non_fake_inputs=True):
        made: dict[int, Tensor] = {}
        for module in (model, objective):
            _put_on_cpu(module, made)
        fake = batch.mapped(_fake) if isinstance(batch, Batch) else batch
        weights = [tensor for module in (model, objective) for tensor in (*module.parameters(), *module.buffers())]
        live = _TensorTrace(weights, vocabularies - {plan.hidden.width})
        for parameter in {id(weight): weight for weight in weights if isinstance(weight, nn.Parameter)}.values():
            if parameter.requires_grad:
                hook = parameter.register_post_accumulate_grad_hook
                hook(live.is_gradient)  # type: ignore[no-untyped-call]
        with live:
            with torch.autocast("cpu", torch.bfloat16, enabled=stage.precision != "float32"):
                loss = minimised(objective, fake)
            if loss.requires_grad:
                torch.autograd.backward(loss)
            del loss
    return Trace(live.whole, live.beside, live.flops)


def minimised(objective: Objective, batch: Any) -> Tensor:
    """The sum of the mean losses of a batch."""
    losses, _ = objective.losses(batch)
    return torch.stack([loss.mean for loss in losses.values()]).sum()


def _fake(tensor: Tensor) -> Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu")


def _put_on_cpu(root: nn.Module, made: dict[int, Tensor]) -> None:
    """Replace parameters and buffers on the meta device by fake ones on the CPU, which autocast supports.

    ``made``: the replacements by the identity of what they replace.
    """
    replacements = {id(tensor) for tensor in made.values()}
    for module in root.modules():
        for table in (module._parameters, module._buffers):
            for name, tensor in table.items():
                if tensor is None or id(tensor) in replacements:
                    continue
                if id(tensor) not in made:
                    like = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="cpu")
                    is_weight = isinstance(tensor, nn.Parameter)
                    made[id(tensor)] = nn.Parameter(like, tensor.requires_grad) if is_weight else like
                table[name] = made[id(tensor)]  # type: ignore[assignment]


class _TensorTrace(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own class has no types
    """Counts the storages that operations allocate, by kind, until they are freed."""

    def __init__(self, weights: Iterable[Tensor], vocabularies: set[int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.whole: dict[str, int] = {}
        self.beside: dict[str, int] = {}
        self.flops = 0
        self._now: Counter[str] = Counter()
        self._kinds: dict[int, tuple[str, int]] = {}
        self._weights = {tensor.untyped_storage()._cdata for tensor in weights}
        self._vocabularies = vocabularies

    def is_gradient(self, parameter: Tensor) -> None:
        """Called when the gradient of a parameter is complete: its storage is not an activation."""
        if parameter.grad is not None:
            key = parameter.grad.untyped_storage()._cdata
            if key in self._kinds:
                kind, size = self._kinds[key]
                self._kinds[key] = ("gradients", size)
                self._now[kind] -= size
                self._now["gradients"] += size
                self._compare()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        self.flops += flops.of_operation(func, args, kwargs or {}, result)
        of_weight = func is torch.ops.aten._to_copy.default and self._is_weight(args[0])
        for value in tree_leaves(result):
            if isinstance(value, Tensor):
                self._count(value, "casts" if of_weight else None)
        return result

    def _is_weight(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage()._cdata in self._weights

    def _count(self, tensor: Tensor, kind: str | None) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._weights or key in self._kinds:
            return
        if kind is None:
            kind = "logits" if tensor.ndim and tensor.shape[-1] in self._vocabularies else "activations"
        size = storage.nbytes()
        self._kinds[key] = (kind, size)
        self._now[kind] += size
        weakref.finalize(storage, self._forget, key)
        self._compare()

    def _forget(self, key: int) -> None:
        kind, size = self._kinds.pop(key)
        self._now[kind] -= size

    def _compare(self) -> None:
        now = {kind: self._now[kind] for kind in KINDS}
        if sum(now.values()) > sum(self.whole.values()):
            self.whole = now
        now = {**now, "gradients": 0}
        if sum(now.values()) > sum(self.beside.values()):
            self.beside = now
