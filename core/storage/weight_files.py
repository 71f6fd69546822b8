"""Files of weights: those of a directory, the tensors in them, and their values, read from mapped files.

Only headers are read until values are requested. Pages read from a mapped file count as memory of the process for as
long as the mapping lasts, so a file is mapped anew from time to time and never counts whole.
"""

from __future__ import annotations

import math
import pickle
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..errors import Origin, Problem, StorageError
from ..weights import listed, shortened
from .atomic import explained
from .file_views import FileViews
from .json_files import read_json
from .stored import SAFETENSORS_TYPES, StoredTensor

SAFETENSORS, PICKLE = ".safetensors", ".bin"

_CHUNK = 16 << 20
"""Bytes of values that are yielded at once, in whole rows."""

_LEAST_MAPPED = 64 << 20
_MAPPINGS = 32
"""A file is mapped anew after a 32nd of it was read: at most that much is held, and opening it costs little."""

MOST_TENSORS, MOST_FILES = 100_000, 10_000
"""Most tensors and files of one model; released ones have some thousands, and some hundred."""

MOST_HEADER = 16 << 20
"""Most bytes of the header of a safetensors file, which describes its tensors in some 100 bytes each."""

_WRAPPERS = frozenset({"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
_PARALLEL = "module."

_MOST_LISTED = 20

_LFS = b"version https://git-lfs"


class WeightFiles:
    """The tensors of one or several files, by name.

    ``rename``: gives the name that a tensor has here, from the one in the files; for formats whose versions name the
    same tensors differently.

    Raises ``StorageError`` where a file is missing, is damaged, does not hold weights or contains code, and where two
    files have a tensor of the same name.
    """

    def __init__(self, files: Sequence[Path], rename: Callable[[str], str] = str) -> None:
        self.files = tuple(files)
        self._readers = {file: _Reader(file) for file in self.files}
        self.tensors: dict[str, StoredTensor] = {}
        """The tensors by name, without the prefixes that wrappers of a model add to all of them."""
        problems: list[Problem] = []
        for file, reader in self._readers.items():
            try:
                tensors = reader.header()
            except StorageError as error:
                problems += error.problems
                continue
            duplicates = sorted(tensors.keys() & self.tensors.keys())
            if duplicates:
                first = self.tensors[duplicates[0]].file.name
                problems.append(_problem(file, f"contains {', '.join(duplicates)}, which {first} contains too"))
            self.tensors |= tensors
        names = {stored: rename(name) for stored, name in unwrapped(self.tensors).items()}
        self._stored_names = {name: stored for stored, name in names.items()}
        if len(self._stored_names) < len(names):
            twins = [stored for stored, name in names.items() if self._stored_names[name] != stored]
            problems.append(_problem(files[0], f"has {listed(twins)} under two names"))
        if problems:
            raise StorageError(problems)
        self.tensors = {names[stored]: tensor for stored, tensor in self.tensors.items()}

    def stored_names(self) -> frozenset[str]:
        """The names of all tensors as they stand in the files."""
        return frozenset(self._stored_names.values())

    def rows(self, name: str) -> Iterator[tuple[slice, Tensor]]:
        """A tensor's values, a few rows at a time; a tensor without dimensions is yielded whole.

        The rows are views of the mapped file: copy them, and do not write to them. Raises ``StorageError`` for a tensor
        whose values cannot be read.
        """
        stored = self.tensors[name]
        if stored.fault:
            raise StorageError(_problem(stored.file, f"{name} {stored.fault}"))
        reader = self._readers[stored.file]
        count = stored.shape[0] if stored.shape else 1
        row = stored.dtype.itemsize * math.prod(stored.shape[1:])
        step = max(1, _CHUNK // max(1, row))
        stored_name = self._stored_names[name]
        for start in range(0, count, step):
            part = slice(start, min(start + step, count))
            with explained("read", stored.file):
                yield part, reader.part(stored_name, part if stored.shape else None, row * (part.stop - start))
        reader.release()

    def mapped(self, name: str) -> Tensor | None:
        """A tensor as it lies in its file, as a view of a private mapping; None where its values cannot be used so.

        A format that overrides ``rows``, because it gives other values than those in the files, must override this too,
        or none of its tensors are used so.
        """
        stored = self.tensors[name]
        if stored.fault or type(self).rows is not WeightFiles.rows:
            return None
        return self._mapped(name)

    def _mapped(self, name: str) -> Tensor | None:
        stored = self.tensors[name]
        with explained("read", stored.file):
            return self._readers[stored.file].whole(self._stored_names[name])

    def same(self, one: str, other: str) -> bool:
        """Whether two tensors hold the same values."""
        first, second = self.tensors[one], self.tensors[other]
        if first.shape != second.shape or first.dtype != second.dtype:
            return False
        pairs = zip(self.rows(one), self.rows(other), strict=True)
        return all(torch.equal(left, right) for (_, left), (_, right) in pairs)


def unwrapped(names: Collection[str]) -> dict[str, str]:
    """Names in files -> names without the parts that wrappers of a model add.

    ``torch.compile``, FSDP and activation checkpointing add a part anywhere, data parallelism ``module.`` to all names.
    """
    made = {name: name for name in names}
    while True:
        for name, short in made.items():
            if "._" in f".{short}":
                made[name] = ".".join(part for part in short.split(".") if part not in _WRAPPERS)
        if not made or not all(short.startswith(_PARALLEL) for short in made.values()):
            return made
        made = {name: short.removeprefix(_PARALLEL) for name, short in made.items()}


def weight_files(
    folder: Path, stems: Sequence[str] = ("model", "pytorch_model"), rename: Callable[[str], str] = str
) -> WeightFiles:
    """The weights of a directory, as transformers names them: one file or shards with an index.

    ``model.safetensors`` or ``pytorch_model.bin``, or the files that ``model.safetensors.index.json`` or
    ``pytorch_model.bin.index.json`` list; the first that is there. ``rename``: see ``WeightFiles``. Raises
    ``StorageError``.
    """
    names = [stem + suffix for suffix in (SAFETENSORS, PICKLE) for stem in stems]
    for name in names:
        for file in (folder / name, folder / f"{name}.index.json"):
            if file.is_symlink() and not file.exists():
                raise StorageError(_problem(file, *_dangling(file)))
        if (folder / name).is_file():
            return WeightFiles([folder / name], rename)
        index = folder / f"{name}.index.json"
        if index.is_file():
            return _sharded(folder, index, rename)
    raise StorageError(f"{folder} has no weights: neither {' nor '.join(names)}, nor shards with an index")


def _sharded(folder: Path, index: Path, rename: Callable[[str], str]) -> WeightFiles:
    where = read_json(index).get("weight_map")
    if not isinstance(where, dict) or not where or not all(isinstance(name, str) for name in where.values()):
        raise StorageError(_problem(index, "needs a 'weight_map' from names of tensors to names of files"))
    counts = Counter(where.values())
    for number, most, what in ((len(where), MOST_TENSORS, "tensors"), (len(counts), MOST_FILES, "files")):
        if number > most:
            raise StorageError(_problem(index, f"lists {number} {what}, and the limit is {most}"))
    problems = []
    for name in sorted(counts):
        if name in ("", ".", "..") or set(name) & set("/\\\0:") or not name.endswith((SAFETENSORS, PICKLE)):
            message = f"lists '{shortened(name)}', which is not a valid file name of a shard"
            problems.append(_problem(index, message, "shards are beside it"))
        elif fault := _file_fault(folder / name):
            message = f"lists the shard {shortened(name)} with {counts[name]} tensors, but the file {fault}"
            problems.append(_problem(index, message, "download it into the same folder"))
    if problems:
        raise StorageError(_first(problems, index))
    files = WeightFiles([folder / name for name in sorted(counts)], rename)
    absent: dict[tuple[str, str], list[str]] = {}
    by_stored_name = {stored: files.tensors[rename(name)] for stored, name in unwrapped(files.stored_names()).items()}
    for tensor, name in where.items():
        stored = by_stored_name.get(tensor)
        if stored is None or stored.file.name != name:
            absent.setdefault((name, stored.file.name if stored else ""), []).append(tensor)
    for (name, other), tensors in absent.items():
        elsewhere = f"; {other} has it" if other else ""
        problems.append(_problem(index, f"lists {listed(tensors)} in {name}, which does not have it{elsewhere}"))
    if problems:
        raise StorageError(_first(problems, index))
    return files


def _file_fault(path: Path) -> str:
    """Why there is no file at a path; empty where there is one."""
    try:
        if path.is_symlink() and not path.exists():
            return _dangling(path)[0]
        return "" if path.is_file() else "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _dangling(path: Path) -> tuple[str, str]:
    """What is wrong with a link to nothing, and what may help."""
    target = path.readlink()
    message = f"is a link to {shortened(str(target))}, which does not exist"
    return message, "the download may be incomplete, or the directory was copied without the files that it links to"


def _first(problems: list[Problem], index: Path) -> list[Problem]:
    """The first problems of an index, and how many there are more."""
    more = len(problems) - _MOST_LISTED
    return problems if more <= 0 else [*problems[:_MOST_LISTED], _problem(index, f"has {more} more such faults")]


class _Reader:
    """One file, mapped while it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tensors: Mapping[str, Tensor] | _Safetensors | None = None
        self._held = 0
        self._most = _LEAST_MAPPED

    def header(self) -> dict[str, StoredTensor]:
        with explained("open", self.path):
            self._most = max(_LEAST_MAPPED, self.path.stat().st_size // _MAPPINGS)
            self._tensors = opened = self._open()
        if len(opened) > MOST_TENSORS:
            raise StorageError(_problem(self.path, f"has {len(opened)} tensors, and the limit is {MOST_TENSORS}"))
        if isinstance(opened, _Safetensors):
            return {name: StoredTensor.named(*opened.described(name), self.path) for name in opened}
        tensors = {}
        for name, tensor in opened.items():
            if not isinstance(tensor, Tensor):
                raise StorageError(_problem(self.path, f"'{name}' must be a tensor, got {type(tensor).__name__}"))
            tensors[name] = StoredTensor.of(tensor, self.path)
        return tensors

    def part(self, name: str, rows: slice | None, size: int) -> Tensor:
        if self._held > self._most or self._tensors is None:
            self.release()
            self._tensors = self._open()
        self._held += size
        tensor = self._tensors[name]
        return tensor if rows is None else tensor[rows]

    def whole(self, name: str) -> Tensor:
        if self._tensors is None:
            self._tensors = self._open()
        view = self._tensors.view(name) if isinstance(self._tensors, _Safetensors) else None
        return self._tensors[name] if view is None else view

    def release(self) -> None:
        """Unmap the file once enough of it was read; views of it keep the mapping until they are deleted."""
        if self._held > self._most:
            self._tensors, self._held = None, 0

    def _open(self) -> Mapping[str, Tensor] | _Safetensors:
        if self.path.suffix != SAFETENSORS:
            return _unpickled(self.path)
        with self.path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
        if MOST_HEADER < size <= self.path.stat().st_size:
            raise StorageError(_problem(self.path, f"has a header of {size} bytes, and the limit is {MOST_HEADER}"))
        try:
            return _Safetensors(self.path)
        except SafetensorError as error:
            if _is_pointer(self.path):
                raise StorageError(_problem(self.path, *_POINTER)) from error
            message = f"is damaged, truncated or not a safetensors file: {error}"
            raise StorageError(_problem(self.path, message, "download or write it again")) from error


class _Safetensors(Mapping[str, Tensor]):
    def __init__(self, path: Path) -> None:
        self._views = FileViews(path)
        self._file: Any = safe_open(path, framework="pt")

    @cached_property
    def _names(self) -> Sequence[str]:
        return tuple(self._file.keys())

    def described(self, name: str) -> tuple[tuple[int, ...], str]:
        """Shape and name of the data type of a tensor, of which no values are read."""
        part = self._file.get_slice(name)
        return tuple(part.get_shape()), part.get_dtype()

    def view(self, name: str) -> Tensor | None:
        """A tensor in a mapping of its own; None where there can be none."""
        shape, kind = self.described(name)
        return self._views.view(name, SAFETENSORS_TYPES[kind], shape)

    def __getitem__(self, name: str) -> Tensor:
        tensor: Tensor = self._file.get_tensor(name)
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


_POINTER = ("is a pointer of Git LFS and not the weights themselves", "fetch them with: git lfs pull")


def _unpickled(path: Path) -> Mapping[str, Tensor]:
    """The tensors of a pickle, mapped. Nothing in it is executed; a file with anything else than data is refused.

    Of a checkpoint with more than a model's tensors, they are those in its ``state_dict``, as PyTorch Lightning writes
    it, or ``model``.
    """
    if _is_pointer(path):
        raise StorageError(_problem(path, *_POINTER))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of kinds of tensors that torch calls experimental, and that are refused
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        named = ", ".join(_code_in(path)) or "more than tensors"
        message = f"is refused: it contains {named}, which would run as code when it is loaded"
        raise StorageError(
            _problem(path, message, "get the weights as safetensors, or from a source that you trust")
        ) from error
    except OSError:
        raise
    except Exception as error:  # the library raises errors of any type for damaged files
        reason = str(error).partition("\n")[0]
        if "_use_new_zipfile_serialization" in str(error):
            reason = "its format is older than PyTorch 1.6 and cannot be mapped; convert it to safetensors"
        raise StorageError(_problem(path, f"is damaged, truncated or not a file of weights: {reason}")) from error
    if isinstance(state, dict):
        state = next((state[name] for name in ("state_dict", "model") if isinstance(state.get(name), dict)), state)
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise StorageError(_problem(path, f"must hold tensors by name, got {type(state).__name__}"))
    return state


def _code_in(path: Path) -> list[str]:
    try:
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:  # the file is too damaged for this as well
        return []


def _is_pointer(path: Path) -> bool:
    with explained("read", path), path.open("rb") as file:
        return file.read(len(_LFS)) == _LFS


def _problem(path: Path, message: str, hint: str = "") -> Problem:
    return Problem(message, origin=Origin(str(path)), hint=hint)
