"""Matching the tensors in files with those of a model, by their headers alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs
from attrs import frozen
from torch import nn

from ..errors import Origin, Problem, StorageError
from ..weights import KeyMap, Piece, listed
from .tensors import tensors_of
from .weight_files import WeightFiles


@frozen
class TensorMatch:
    """The tensors of files, matched with the parts of a model.

    ``placed``: path -> name in the part -> its pieces in the files. ``kept``: path -> names in the part that the files
    never have. ``unused``: name in the files -> the reason why it is left out.
    """

    placed: Mapping[str, Mapping[str, tuple[Piece, ...]]]
    kept: Mapping[str, tuple[str, ...]]
    unused: Mapping[str, str]


def match(
    modules: Mapping[str, nn.Module],
    keys: Mapping[str, KeyMap],
    files: WeightFiles,
    wanted: Iterable[str] | None = None,
) -> TensorMatch:
    """Match every tensor of the files with a part, or with the reason why it is left out.

    Args:
        modules: all parts by path, on any device; only their shapes count.
        keys: the names of every part's tensors in the files.
        wanted: paths of the parts that will be read; tensors that others lack are not an error. None means all.

    Raises:
        StorageError: tensors are missing, have another shape or kind of data type, or belong to no part; all of them,
            by part.
    """
    chosen = set(modules if wanted is None else wanted)
    placed: dict[str, dict[str, tuple[Piece, ...]]] = {}
    kept: dict[str, tuple[str, ...]] = {}
    problems: list[Problem] = []
    used: set[str] = set()
    for path, module in modules.items():
        names = keys[path]
        part = PartComparison(path, files)
        placed[path] = {}
        tensors = tensors_of(module)
        kept[path] = tuple(name for name in tensors if names.is_own(name))
        for name, tensor in tensors.items():
            if name in kept[path]:
                continue
            pieces = names.pieces(name, tensor.shape)
            if pieces is None:
                part.without_name.append(name)
                continue
            placed[path][name] = pieces
            used.update(piece.name for piece in pieces)
            for piece in pieces:
                part.compare(piece, tensor.is_floating_point())
        if path in chosen:
            problems += part.problems()
    unused, surplus = _left(files, keys, used)
    problems += surplus
    if problems:
        raise StorageError([_at(files, problem) for problem in problems])
    return TensorMatch(placed, kept, unused)


class PartComparison:
    """Compares one part's tensors with those in the files, and collects the differences."""

    def __init__(self, path: str, files: WeightFiles) -> None:
        self.path = path
        self.files = files
        self.without_name: list[str] = []
        self.missing: list[str] = []
        self.wrong_shapes: dict[tuple[str, str], list[str]] = {}
        self.unreadable: dict[str, list[str]] = {}
        self.wrong_types: dict[str, list[str]] = {}

    def compare(self, piece: Piece, floating: bool) -> None:
        stored = self.files.tensors.get(piece.name)
        if stored is None:
            self.missing.append(piece.name)
        elif stored.fault:
            self.unreadable.setdefault(stored.fault, []).append(piece.name)
        elif stored.shape != piece.shape:
            sizes = str(list(stored.shape)), str(list(piece.shape))
            self.wrong_shapes.setdefault(sizes, []).append(piece.name)
        elif stored.dtype.is_floating_point != floating:
            self.wrong_types.setdefault(stored.type_name, []).append(piece.name)

    def problems(self) -> Iterable[Problem]:
        if self.without_name:
            yield Problem(f"this format has no name for {listed(self.without_name)}", self.path)
        if self.missing:
            yield Problem(f"the files lack {listed(self.missing)}", self.path)
        for (given, wanted), names in self.wrong_shapes.items():
            yield Problem(f"{listed(names)}: the shape is {given} in the files, and {wanted} in the recipe", self.path)
        for fault, names in self.unreadable.items():
            hint = "write the weights as dense tensors in float32, bfloat16 or float16"
            yield Problem(f"{listed(names)}: {fault}", self.path, hint=hint)
        for dtype, names in self.wrong_types.items():
            yield Problem(f"{listed(names)}: the data type {dtype} in the files does not fit these weights", self.path)


def _left(files: WeightFiles, keys: Mapping[str, KeyMap], used: set[str]) -> tuple[dict[str, str], list[Problem]]:
    """The reason why each of the other tensors is left out, and problems with those that have none."""
    unused: dict[str, str] = {}
    problems: list[Problem] = []
    unknown: dict[str, list[str]] = {}
    for name in files.tensors:
        if name in used:
            continue
        why = next((why for names in keys.values() if (why := names.why_unused(name))), "")
        twin = next((twin for names in keys.values() if (twin := names.repeated(name))), "")
        if why:
            unused[name] = why
        elif twin in files.tensors:
            unused[name] = f"it repeats {twin}"
            if not files.same(name, twin):
                problems.append(Problem(f"{name} differs from {twin}, but the model has one tensor for both"))
        else:
            unknown.setdefault(_nearest_part(name, keys), []).append(name)
    for path, names in unknown.items():
        what = "tensors that the part does not have" if path else "tensors that belong to no part"
        problems.append(Problem(f"the files have {what}: {listed(names)}", path))
    return unused, problems


def _nearest_part(name: str, keys: Mapping[str, KeyMap]) -> str:
    """The part with the longest prefix of the name; empty where no prefix fits."""
    fitting = [
        (len(names.prefix), path) for path, names in keys.items() if names.prefix and name.startswith(names.prefix)
    ]
    return max(fitting)[1] if fitting else ""


def _at(files: WeightFiles, problem: Problem) -> Problem:
    """The problem with its origin: the only file, or the folder of the shards."""
    origin = files.files[0] if len(files.files) == 1 else files.files[0].parent
    return attrs.evolve(problem, origin=Origin(str(origin)))
