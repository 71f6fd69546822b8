"""Which tensor of the files becomes which of the model, before a single value is read."""

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
class Matched:
    """What the files hold, by the parts of the model.

    ``placed``: path -> our name in the part -> the pieces in the files. ``kept``: path -> our names that the files
    never have. ``unused``: their name -> the reason why it is left out.
    """

    placed: Mapping[str, Mapping[str, tuple[Piece, ...]]]
    kept: Mapping[str, tuple[str, ...]]
    unused: Mapping[str, str]


def match(
    modules: Mapping[str, nn.Module],
    keys: Mapping[str, KeyMap],
    files: WeightFiles,
    wanted: Iterable[str] | None = None,
) -> Matched:
    """Every tensor of the files finds its place in a part, or the reason why it has none.

    Args:
        modules: of all parts, on whatever device; only shapes are looked at.
        keys: the names in the files of every part.
        wanted: the paths of the parts that will be read; what others lack is no problem. None is all of them.

    Raises:
        StorageError: tensors are missing, have another shape, are no numbers of the right sort or belong to nothing;
            all of them, by part.
    """
    chosen = set(modules if wanted is None else wanted)
    placed: dict[str, dict[str, tuple[Piece, ...]]] = {}
    kept: dict[str, tuple[str, ...]] = {}
    problems: list[Problem] = []
    used: set[str] = set()
    for path, module in modules.items():
        names = keys[path]
        part = Compared(path, files)
        placed[path] = {}
        tensors = tensors_of(module)
        kept[path] = tuple(name for name in tensors if names.is_own(name))
        for name, tensor in tensors.items():
            if name in kept[path]:
                continue
            pieces = names.pieces(name, tensor.shape)
            if pieces is None:
                part.nameless.append(name)
                continue
            placed[path][name] = pieces
            used.update(piece.name for piece in pieces)
            for piece in pieces:
                part.look_at(piece, tensor.is_floating_point())
        if path in chosen:
            problems += part.problems()
    unused, surplus = _left(files, keys, used)
    problems += surplus
    if problems:
        raise StorageError([_at(files, problem) for problem in problems])
    return Matched(placed, kept, unused)


class Compared:
    """What is wrong with one part's tensors."""

    def __init__(self, path: str, files: WeightFiles) -> None:
        self.path = path
        self.files = files
        self.nameless: list[str] = []
        self.missing: list[str] = []
        self.misshapen: dict[tuple[str, str], list[str]] = {}
        self.numbers: dict[str, list[str]] = {}

    def look_at(self, piece: Piece, floating: bool) -> None:
        stored = self.files.tensors.get(piece.name)
        if stored is None:
            self.missing.append(piece.name)
        elif stored.shape != piece.shape:
            sizes = str(list(stored.shape)), str(list(piece.shape))
            self.misshapen.setdefault(sizes, []).append(piece.name)
        elif stored.dtype.is_floating_point != floating or stored.dtype.is_complex:
            self.numbers.setdefault(str(stored.dtype).removeprefix("torch."), []).append(piece.name)

    def problems(self) -> Iterable[Problem]:
        if self.nameless:
            yield Problem(f"this layout has no name for {listed(self.nameless)}", self.path)
        if self.missing:
            yield Problem(f"the files lack {listed(self.missing)}", self.path)
        for (given, wanted), names in self.misshapen.items():
            yield Problem(f"{listed(names)}: the shape is {given} in the files, and {wanted} in the recipe", self.path)
        for dtype, names in self.numbers.items():
            yield Problem(f"{listed(names)}: {dtype} numbers in the files are no such weights", self.path)


def _left(files: WeightFiles, keys: Mapping[str, KeyMap], used: set[str]) -> tuple[dict[str, str], list[Problem]]:
    """Why each of the other tensors is left out, and those for which there is no reason."""
    unused: dict[str, str] = {}
    problems: list[Problem] = []
    strangers: dict[str, list[str]] = {}
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
                problems.append(Problem(f"{name} is not the same as {twin}, so they cannot be one tensor here"))
        else:
            strangers.setdefault(_nearest_part(name, keys), []).append(name)
    for path, names in strangers.items():
        what = "tensors that it has no place for" if path else "tensors that belong to no part"
        problems.append(Problem(f"the files have {what}: {listed(names)}", path))
    return unused, problems


def _nearest_part(name: str, keys: Mapping[str, KeyMap]) -> str:
    """The part whose prefix the name has, the longest one; none where all of them are empty."""
    fitting = [
        (len(names.prefix), path) for path, names in keys.items() if names.prefix and name.startswith(names.prefix)
    ]
    return max(fitting)[1] if fitting else ""


def _at(files: WeightFiles, problem: Problem) -> Problem:
    """The problem, with the file it is about: the only one, or the folder of the shards."""
    place = files.files[0] if len(files.files) == 1 else files.files[0].parent
    return attrs.evolve(problem, origin=Origin(str(place)))
