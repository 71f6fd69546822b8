"""The layers of a model that adapters belong to, under the model's own names or those of another project."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from attrs import frozen

from ..components.registry import registry
from ..errors import JaniformError, Problem, StorageError
from ..weights import KeyMap, listed
from .formats import KIND, named_format
from .tensors import tensors_of

if TYPE_CHECKING:
    from .export import Export

_WEIGHT = ".weight"


@frozen
class Layer:
    """The weight of a layer: a tensor of a part, or some rows of it, from ``first`` on."""

    path: str
    name: str
    first: int
    shape: tuple[int, ...]


def layers_of(model: Export, wanted: Collection[str]) -> dict[str, Layer]:
    """The layers by name, of the project whose names the most of the wanted ones have.

    Raises ``StorageError`` where two projects have all of them, and mean different layers.
    """
    projects = list(_projects(model))
    most = max(sum(name in layers for name in wanted) for layers in projects)
    best = [layers for layers in projects if sum(name in layers for name in wanted) == most]
    clashes = [name for name in wanted if len({layers.get(name) for layers in best}) > 1] if most == len(wanted) else []
    if clashes:
        message = f"the names of these adapters mean different layers in different projects: {listed(clashes)}"
        raise StorageError(Problem(message, hint="name the layers by their paths in the model, backbone.layers.0.…"))
    return best[0]


def _projects(model: Export) -> Iterator[dict[str, Layer]]:
    """The layers by their names in the model, in every format, and in other projects that know one of its parts."""
    own: dict[str, Layer] = {}
    for path, module in model.modules.items():
        for name, tensor in tensors_of(module).items():
            if name.endswith(_WEIGHT):
                own[f"{path}.{name}".removesuffix(_WEIGHT)] = Layer(path, name, 0, tuple(tensor.shape))
    yield own
    if model.plan is None:  # a model without a recipe has its own names only
        return
    for component in registry().components(KIND):
        try:
            keys = named_format(component.reference).format.keys(model.plan)
        except JaniformError:  # the format does not have such a model
            continue
        yield _named(model, keys)
    for path, part in model.plan.parts.items():
        released = part.use.component.released_weights() if path in model.modules else None
        for names in released.keys(part.use.config) if released is not None else ():
            yield _named(model, {path: names})


def _named(model: Export, keys: Mapping[str, KeyMap]) -> dict[str, Layer]:
    layers: dict[str, Layer] = {}
    for path, names in keys.items():
        if path not in model.modules:
            continue
        for name, tensor in tensors_of(model.modules[path]).items():
            if not name.endswith(_WEIGHT) or names.is_own(name):
                continue
            for piece in names.pieces(name, tensor.shape) or ():
                first = piece.rows.start if piece.rows is not None else 0
                layers[piece.name.removesuffix(_WEIGHT)] = Layer(path, name, first, piece.shape)
    return layers
