"""Weights that stay in their files: a model's tensors are views of the mapped files, of which no value is read yet.

The mapping is private: what is written to such a tensor stays in memory. A file that another replaces under its name,
as all writers of janiform do it, is still read as it was; one that is cut off or overwritten in place is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ..errors import StorageError
from ..weights import Piece
from .piecewise import PiecewiseLinear
from .value_checks import ValueChecks
from .weight_files import WeightFiles

SMALLEST_FILES = 64 << 20
"""Bytes that the files must have together for any tensor to stay in them: smaller models are copied in no time."""

SMALLEST = 1 << 16
"""Bytes that a tensor must have to stay in its file."""

_ALIGNMENT = {torch.float32: 64, torch.float64: 64}
"""Multiples of bytes at which tensors must begin: elsewhere, products of these types are rounded in another order."""

Views = Mapping[str, tuple[Tensor, ...]]
"""Name in a part -> the tensors in the files that it consists of, one below another."""


class MappedWeights:
    """The tensors of files that the parts of a model use where they lie, whose values are not checked yet."""

    def __init__(self, files: WeightFiles) -> None:
        self._files = files
        self._unchecked: dict[str, list[tuple[str, Tensor]]] = {}
        self._used: set[int] = set()

    def views(self, path: str, module: nn.Module, placed: Mapping[str, tuple[Piece, ...]]) -> Views:
        """The tensors of the part at a path that can be used as the files have them.

        Their type, shape and strides are those of the part's own; a weight of a plain linear layer may lie in several
        pieces. A tensor of the files is given to one tensor of a model only.
        """
        found: dict[str, tuple[Tensor, ...]] = {}
        if sum(stored.nbytes for stored in self._files.tensors.values()) < SMALLEST_FILES:
            return found
        for name, pieces in placed.items():
            owner, own = _owner(module, name)
            tensor = None if owner is None else _own_tensors(owner).get(own)
            if tensor is None or tensor.nbytes < SMALLEST or (len(pieces) > 1 and not _may_be_pieces(owner, name)):
                continue
            views = [view for piece in pieces if (view := self._view(tensor, piece)) is not None]
            if len(views) == len(pieces):
                found[name] = tuple(views)
                self._used.update(view.data_ptr() for view in views)
                pairs = zip(pieces, views, strict=True)
                self._unchecked.setdefault(path, []).extend((piece.name, view) for piece, view in pairs)
        return found

    def _view(self, tensor: Tensor, piece: Piece) -> Tensor | None:
        """A piece of a tensor as it lies in the files; None where it cannot be used so."""
        stored = self._files.tensors[piece.name]
        rows = tensor.shape[:1] if piece.rows is None else (piece.rows.stop - piece.rows.start,)
        shape = (*rows, *tensor.shape[1:])
        if stored.dtype != tensor.dtype or not stored.shape == piece.shape == shape:
            return None
        view = self._files.mapped(piece.name)
        if view is None or view.shape != shape or view.stride() != tensor.stride() or view.data_ptr() in self._used:
            return None
        return None if view.data_ptr() % _ALIGNMENT.get(view.dtype, view.element_size()) else view

    def paths(self) -> Sequence[str]:
        """The paths of the parts that use tensors of the files."""
        return tuple(self._unchecked)

    def check(self, path: str) -> None:
        """Look at all values that a part uses in the files. Raises ``StorageError`` for those that are not finite."""
        checks = ValueChecks(self._files)
        for name, view in self._unchecked[path]:
            checks.check(path, name, view, view.dtype)
        if problems := checks.problems():
            raise StorageError(problems)
        self._unchecked[path] = []  # the views of joined pieces are no longer needed


def use_views(module: nn.Module, views: Views) -> None:
    """Put tensors of files in the places of a module's own, which may be on the meta device."""
    for name, pieces in views.items():
        owner, own = _owner(module, name)
        assert owner is not None
        if len(pieces) > 1:
            assert isinstance(owner, nn.Linear)
            module.set_submodule(name.rpartition(".")[0], PiecewiseLinear(owner, pieces))
        else:
            replace(owner, own, pieces[0])


def replace(owner: nn.Module, name: str, values: Tensor) -> None:
    """Give a module's own parameter or buffer other values, which take the place of the tensor on the meta device."""
    parameter = owner._parameters.get(name)
    old = _own_tensors(owner)[name]
    if not old.is_meta:
        old.data = values  # also for the other names of a tied tensor
    elif parameter is None:
        owner._buffers[name] = values
    else:
        owner._parameters[name] = nn.Parameter(values, parameter.requires_grad)


def _own_tensors(owner: nn.Module) -> dict[str, Tensor]:
    return {
        name: tensor for name, tensor in (*owner._parameters.items(), *owner._buffers.items()) if tensor is not None
    }


def _owner(module: nn.Module, name: str) -> tuple[nn.Module | None, str]:
    """Return the module that has the tensor of a name, and the tensor's name in it, or None if no module has it."""
    path, _, own = name.rpartition(".")
    try:
        return module.get_submodule(path), own
    except AttributeError:
        return None, own


def _may_be_pieces(owner: nn.Module | None, name: str) -> bool:
    return type(owner) is nn.Linear and name.endswith(".weight")  # a subclass may do more than multiply
