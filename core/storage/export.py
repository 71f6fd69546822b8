"""A model for a format to write, whose tensors are read a few rows at a time.

They come from a model in memory or from the files of another format, so a model larger than memory can be converted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from attrs import field, frozen
from torch import Tensor, nn

from ..compose import compose
from ..contracts import Format, TextTokenizer
from ..errors import CompositionError, Problem, StorageError
from ..model.modules import build_modules, owners
from ..model.processor import Processor
from ..weights import KeyMap, Piece, listed
from .atomic import Writer
from .matching import match
from .model_json import about, check_whole, kept_facts
from .tensor_files import TensorEntry, writers
from .tensors import tensors_of
from .value_checks import ValueChecks
from .weight_files import WeightFiles

if TYPE_CHECKING:
    from ..compose import Plan
    from ..model.unified_model import UnifiedModel

Rows = Callable[[str, str, slice | None], Iterator[Tensor]]
"""Function from path, name and slice of rows (None: all) to the values of a tensor, in slices."""

_CHUNK = 16 << 20


@frozen(eq=False)
class Export:
    """A model to write.

    ``text`` is its text tokenizer, ``dtype`` the data type of its floating-point weights, ``modules`` its parts by
    path; only names and shapes of their tensors count, so they may be on the meta device.
    """

    plan: Plan
    text: TextTokenizer
    dtype: torch.dtype
    modules: Mapping[str, nn.Module] = field(repr=False)
    rows: Rows = field(repr=False)
    casts: Mapping[str, torch.dtype] = field(factory=dict)
    """Path of a part -> data type of its floating-point weights in the file; other parts keep theirs."""
    facts: Mapping[str, Any] = field(repr=False, factory=dict)
    """Where the model comes from and what it scored, for formats that store it: entries of ``model.json``."""
    problems: Callable[[], StorageError | None] = field(repr=False, default=lambda: None)
    """The error for invalid values among those read so far; None where all are valid."""

    @classmethod
    def of(cls, model: UnifiedModel, dtype: torch.dtype | None = None) -> Export:
        """A model in memory. ``dtype``: data type of the floating-point weights to write; None keeps the model's.

        Tokenizers keep theirs. A code is the nearest of the codebook's vectors, some of which are close together: with
        rounded weights, the tokenizer would give other codes for the pictures that the model was trained on.
        """
        modules = {path: model.part(path) for path in owners(model.plan, None)}
        rounded = [path for path in modules if model.plan.parts[path].use.component.kind != "tokenizer"]
        casts = dict.fromkeys(rounded, dtype) if dtype is not None else {}
        kind = dtype or next(model.part("backbone").parameters()).dtype
        tensors = {path: tensors_of(module) for path, module in modules.items()}

        def rows(path: str, name: str, wanted: slice | None) -> Iterator[Tensor]:
            tensor = tensors[path][name]
            for values in _in_chunks(tensor if wanted is None else tensor[wanted]):
                yield values.to("cpu", casts.get(path) if values.is_floating_point() else None)

        return cls(model.plan, model.processor.text, kind, modules, rows, casts)

    def entries(self, keys: Mapping[str, KeyMap]) -> dict[str, TensorEntry]:
        """All tensors by their names in a format, in the order of the parts.

        Raises ``CompositionError`` with those that the format has no name for.
        """
        entries: dict[str, TensorEntry] = {}
        problems = []
        for path, names in keys.items():
            nameless = []
            for name, tensor in tensors_of(self.modules[path]).items():
                if names.is_own(name):
                    continue
                pieces = names.pieces(name, tensor.shape)
                if pieces is None:
                    nameless.append(name)
                    continue
                dtype = self.casts.get(path, tensor.dtype) if tensor.is_floating_point() else tensor.dtype
                for piece in pieces:
                    entries[piece.name] = TensorEntry(piece.shape, dtype, partial(self.rows, path, name, piece.rows))
            if nameless:
                problems.append(Problem(f"the format has no name for {listed(nameless)}", path))
        if problems:
            raise CompositionError(problems)
        return entries

    def writers(
        self,
        keys: Mapping[str, KeyMap],
        metadata: Mapping[str, str],
        shard_size: int | None = None,
        stem: str = "model",
        edit: Callable[[dict[str, TensorEntry]], dict[str, TensorEntry]] = dict,
    ) -> dict[str, Writer]:
        """The writers of the files of weights by name: one file, or shards of at most ``shard_size`` bytes.

        ``stem``: the files' name without suffix. ``edit``: gives the tensors to write from those of the model, where a
        format has some in another shape, or further ones. The last of them raises ``StorageError`` for invalid values
        in any of them, so that no file is kept.
        """
        made = writers(edit(self.entries(keys)), metadata, shard_size, stem)
        last = list(made)[-1]
        write = made[last]

        def write_last(path: Path) -> None:
            write(path)
            if error := self.problems():
                raise error

        return made | {last: write_last}


def export_from(folder: Path, layout: Format, dtype: Callable[[WeightFiles], torch.dtype]) -> Export:
    """The model in a directory, of which only headers are read yet; ``dtype`` chooses the data type to write.

    Raises what ``open_model`` raises.
    """
    plan = compose(layout.recipe(folder))
    keys, files = layout.keys(plan), layout.weights(folder)
    facts = about(folder)
    check_whole(files, facts.get("weights"))
    kind = dtype(files)
    modules = build_modules(plan, device="meta", dtype=kind)
    matched = match(modules, keys, files)
    checks = ValueChecks(files)
    shapes = {path: tensors_of(module) for path, module in modules.items()}

    def rows(path: str, name: str, wanted: slice | None) -> Iterator[Tensor]:
        target = shapes[path][name].dtype
        pieces = matched.placed[path].get(name)
        if pieces is None:  # the files never have it: the part's initial value
            made = tensors_of(build_modules(plan, dtype=kind, parts=(path,))[path])[name]
            yield made if wanted is None else made[wanted]
            return
        for piece in pieces:
            for values in _within(piece, wanted, files):
                checks.check(path, piece.name, values, target)
                yield values.to(target)

    def problems() -> StorageError | None:
        faults = checks.problems()
        return StorageError(faults) if faults else None

    return Export(plan, Processor(plan, folder).text, kind, modules, rows, facts=kept_facts(facts), problems=problems)


def _within(piece: Piece, wanted: slice | None, files: WeightFiles) -> Iterator[Tensor]:
    """The wanted rows of a piece; ``wanted`` counts rows of the whole tensor."""
    start = piece.rows.start if piece.rows is not None else 0
    for part, values in files.rows(piece.name):
        if wanted is None:
            yield values
            continue
        first = max(wanted.start, start + part.start)
        last = min(wanted.stop, start + part.stop)
        if first < last:
            yield values[first - start - part.start : last - start - part.start]


def _in_chunks(tensor: Tensor) -> Iterator[Tensor]:
    if tensor.dim() == 0:
        yield tensor
        return
    row = max(1, tensor[:1].numel() * tensor.element_size())
    step = max(1, _CHUNK // row)
    yield from (tensor[start : start + step] for start in range(0, len(tensor), step))
