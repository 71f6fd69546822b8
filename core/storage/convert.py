"""Converting a model to another format without changing a bit of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from attrs import evolve, frozen

from ..compose import compose
from ..errors import Problem, UsageError
from .adapters import read_adapters, with_adapters
from .atomic import sweep, write_text
from .card import CARD, CardSettings, model_card, model_name, stated_license
from .contents import left_out
from .export import Export, export_from
from .formats import format_of, named_format
from .locate import model_folder
from .model_json import about
from .weight_files import WeightFiles


@frozen
class Converted:
    """The result: names of both formats, the new folder, and the source's tensors that were left out, with reasons."""

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
    card: CardSettings | None = None,
) -> Converted:
    """Write a model as a directory of the format ``to``, with a model card; every tensor keeps its values and its type.

    Tensors of several data types are written in the one that holds all values, and float8 as bfloat16. They are read
    and written a few rows at a time, so no model is too large. ``shard_size``: largest size of a file of weights in
    bytes; None is the format's default. ``adapters``: a directory of low-rank adapters to merge into the weights.
    ``card``: what the card cannot know from the source's files.

    Raises:
        UsageError: the model does not exist, the target is not empty, or a third party's format does not write shards.
        ComponentError: the format does not exist.
        CompositionError: the format cannot express the model; all reasons, before any weight is read.
        StorageError: the source or the adapters are damaged or do not fit, or the target cannot be written.
    """
    source, target = model_folder(name_or_folder), Path(target)
    sweep(target)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(Problem(f"'{target}' exists already", hint="give a new or empty folder"))
    target_format, source_format = named_format(to), format_of(source)
    target_format.format.keys(compose(source_format.format.recipe(source)))  # raises where it has no names
    model = export_from(source, source_format.format, stored_dtype)
    if adapters is not None:
        model = with_adapters(model, read_adapters(Path(adapters)))
    model = evolve(model, facts=_facts(model, source, source_format.component.reference, adapters))
    target_format.format.write(model, target, shard_size)
    own = about(target)
    write_text(target / CARD, model_card(target, card, {**model.facts, **own}))
    return Converted(source_format.component.name, target_format.component.name, target, left_out(source))


def _facts(model: Export, source: Path, layout: str, adapters: str | Path | None) -> dict[str, Any]:
    """What is recorded about the source, without scores where adapters change what it does."""
    facts = {name: fact for name, fact in model.facts.items() if adapters is None or name != "scores"}
    weights = about(source).get("weights")
    converted = {"source": model_name(source), "format": layout}
    if isinstance(weights, dict):
        converted["sha256"] = weights.get("sha256", "")
    if adapters is not None:
        converted["adapters"] = Path(adapters).resolve().name
    license_id = stated_license(source, facts)
    return {**facts, "converted": converted, **({"license": license_id} if license_id else {})}


def stored_dtype(files: WeightFiles) -> torch.dtype:
    """The data type that holds the values of all floating-point tensors of the files.

    bfloat16 holds the values of the types of 8 bits, in which modules cannot be built.
    """
    readable = {
        stored.dtype for stored in files.tensors.values() if stored.dtype.is_floating_point and not stored.fault
    }
    dtypes = {torch.bfloat16 if dtype.itemsize == 1 else dtype for dtype in readable}
    return reduce(torch.promote_types, dtypes) if dtypes else torch.float32
