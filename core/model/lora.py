"""Low-rank adapters of linear layers: W is frozen, and training learns the update B·A.

"LoRA: Low-Rank Adaptation of Large Language Models" (Hu et al., arXiv:2106.09685): y = W x + alpha / r · B A x, where
A is initialised at random and B with zeros, so that the output is unchanged at first.

The adapter of a layer is its submodule ``lora``, whose output a hook adds to the layer's: the layer keeps its class,
its path and the name of its weight, and ``merge`` restores the ordinary layer.

r rank    m outputs    n inputs
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from math import sqrt
from typing import Any

import torch
from attrs import frozen
from torch import Tensor, nn
from torch.nn.functional import dropout, linear
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from ..compose.selectors import select
from ..errors import JaniformError, Problem
from ..recipe import Lora
from ..weights import listed

CHILD = "lora"


class LowRank(nn.Module):
    """The update of a linear layer's output: alpha / r · B A x.

    Args:
        layer: the layer, whose shape, data type and device the matrices have.
    """

    def __init__(self, layer: nn.Linear, rank: int, alpha: float, dropout: float) -> None:
        super().__init__()
        like: dict[str, Any] = {"dtype": layer.weight.dtype, "device": layer.weight.device}
        self.rank, self.alpha, self.dropout = rank, alpha, dropout
        self.a = nn.Parameter(torch.empty(rank, layer.in_features, **like))
        self.b = nn.Parameter(torch.zeros(layer.out_features, rank, **like))
        nn.init.kaiming_uniform_(self.a, a=sqrt(5))  # as torch initialises a linear layer
        self.hook = layer.register_forward_hook(_add, with_kwargs=True)

    @property
    def scale(self) -> float:
        return self.alpha / self.rank

    def forward(self, x: Tensor) -> Tensor:
        """Inputs [..., n] to [..., m]."""
        return linear(linear(dropout(x, self.dropout, self.training), self.a), self.b) * self.scale


@frozen
class Learned:
    """The two matrices of one layer, A [r, n] and B [m, r], with their alpha."""

    a: Tensor
    b: Tensor
    alpha: float

    @property
    def update(self) -> Tensor:
        """The update of the weight [m, n], in float32 at least."""
        wide = torch.promote_types(self.a.dtype, torch.float32)
        return self.b.to(wide) @ self.a.to(wide) * (self.alpha / len(self.a))


def linear_layers(modules: Mapping[str, nn.Module]) -> dict[str, nn.Linear]:
    """The linear layers of modules that can have an adapter, by path.

    Left out are layers that share their weight with another module, such as a text head tied to the embedding, and the
    output layer of torch's own attention, whose weight is used without calling it.
    """
    tensors = (weight for module in modules.values() for _, weight in module.named_parameters(remove_duplicate=False))
    uses = Counter(map(id, tensors))
    return {
        f"{path}.{name}" if name else path: layer
        for path, module in modules.items()
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear)
        and not isinstance(layer, NonDynamicallyQuantizableLinear)
        and uses[id(layer.weight)] == 1
    }


def adaptable(
    modules: Mapping[str, nn.Module], lora: Lora, trained: Iterable[str], shared: Mapping[str, str]
) -> dict[str, nn.Linear]:
    """The layers that a stage gives adapters, by path.

    Args:
        modules: modules of a model, by the paths that the names of their weights begin with.
        trained: names of the parameters that the stage trains in full.
        shared: paths of shared parts, to those of their owners.

    Raises:
        JaniformError: a selector matches no linear layer, the rank exceeds a layer's width, or ``trained`` holds one's
            weight. The problems have the paths of settings: ``on`` or ``rank``.
    """
    layers = linear_layers(modules)
    try:
        weights = select([f"{path}.weight" for path in layers], lora.on, shared, what="linear layer")
    except JaniformError as error:
        raise JaniformError(
            [Problem(problem.message, "on", hint=problem.hint) for problem in error.problems]
        ) from error
    chosen = {path: layer for path, layer in layers.items() if f"{path}.weight" in weights}
    whole = set(trained)
    problems = []
    if both := [path for path in chosen if f"{path}.weight" in whole]:
        message = f"{listed(both)} would be trained in full by `train` and with low rank here"
        problems.append(Problem(message, "on", hint="name each layer in one of the two"))
    narrow = {path: min(layer.weight.shape) for path, layer in chosen.items()}
    if narrow := {path: width for path, width in narrow.items() if width < lora.rank}:
        message = f"exceeds the width of {listed(narrow)}, where {min(narrow.values())} is the full rank"
        problems.append(Problem(message, "rank", hint="a rank far below the width, such as 8, or fewer layers in `on`"))
    if problems:
        raise JaniformError(problems)
    return chosen


def attach(layers: Mapping[str, nn.Linear], lora: Lora, begin: Callable[[str], None] = lambda path: None) -> None:
    """Add adapters to layers; their updates are zero until they are trained. ``begin`` is called before each."""
    for path, layer in layers.items():
        begin(path)
        layer.add_module(CHILD, LowRank(layer, lora.rank, lora.alpha, lora.dropout))


def adapters_of(model: nn.Module) -> dict[str, LowRank]:
    """The adapters in a model by the paths of their layers."""
    adapters = ((name, module) for name, module in model.named_modules() if isinstance(module, LowRank))
    return {name.removesuffix(f".{CHILD}"): adapter for name, adapter in adapters}


def names_of(layers: Iterable[str]) -> list[str]:
    """The names in the model of the parameters of these layers' adapters."""
    return [f"{path}.{CHILD}.{name}" for path in layers for name in ("a", "b")]


def attach_alike(model: nn.Module, modules: Mapping[str, nn.Module]) -> None:
    """Add new adapters to modules where the model's layers of the same paths have them."""
    layers = linear_layers(modules)
    for path, adapter in adapters_of(model).items():
        layer = layers[path]
        layer.add_module(CHILD, LowRank(layer, adapter.rank, adapter.alpha, adapter.dropout))


@torch.no_grad()
def merge(model: nn.Module) -> dict[str, Learned]:
    """Add the adapters' updates to the weights of their layers and remove them; returns them by the layers' paths."""
    merged = {}
    for path, adapter in adapters_of(model).items():
        layer = model.get_submodule(path)
        merged[path] = learned = Learned(adapter.a.detach(), adapter.b.detach(), adapter.alpha)
        weight: Tensor = layer.weight  # type: ignore[assignment]
        weight.copy_(weight + learned.update)
        adapter.hook.remove()
        delattr(layer, CHILD)
    return merged


def _add(layer: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Tensor) -> Tensor:
    x: Tensor = args[0] if args else kwargs["input"]
    added: Tensor = layer.get_submodule(CHILD)(x)
    return output + added
