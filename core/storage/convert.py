"""A model written in another layout, bit by bit the same."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from pathlib import Path

import torch
from attrs import frozen

from ..compose import compose
from ..errors import Problem, UsageError
from .adapters import read_adapters, with_adapters
from .contents import left_out
from .export import export_from
from .formats import format_of, named_format
from .open import model_folder
from .weight_files import WeightFiles


@frozen
class Converted:
    """What was done: the formats, where the result lies, and the source's tensors that it lacks, with reasons."""

    source: str
    target: str
    folder: Path
    left_out: Mapping[str, str]


def convert(
    name_or_folder: str | Path,
    target: str | Path,
    to: str,
    shard_size: int | None = None,
    adapters: str | Path | None = None,
) -> Converted:
    """Write a model as a directory of the format ``to``; every tensor keeps its values and its type.

    A source whose tensors are of several types is written in the one that holds all of them. The tensors are read and
    written a few rows at a time, so that no model is too large. ``shard_size``: bytes that a file of weights has at
    most; None is what the format thinks right. ``adapters``: a directory of low-rank adapters, which are merged.

    Raises:
        UsageError: there is no such model, there is something at the target already, or a format of a third party has
            no shards.
        ComponentError: there is no such format.
        CompositionError: the model has what the format cannot express; everything, before any weight is read.
        StorageError: the source or the adapters are damaged or do not fit, or the target cannot be written.
    """
    source, target = model_folder(name_or_folder), Path(target)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(Problem(f"'{target}' is there already", hint="give a folder that is new or empty"))
    written, found = named_format(to), format_of(source)
    written.format.keys(compose(found.format.recipe(source)))
    model = export_from(source, found.format, stored_dtype)
    if adapters is not None:
        model = with_adapters(model, read_adapters(Path(adapters)))
    written.format.write(model, target, shard_size)
    return Converted(found.component.name, written.component.name, target, left_out(source))


def stored_dtype(files: WeightFiles) -> torch.dtype:
    """The type that holds the values of all floating-point tensors of the files."""
    dtypes = {stored.dtype for stored in files.tensors.values() if stored.dtype.is_floating_point}
    return reduce(torch.promote_types, dtypes) if dtypes else torch.float32
