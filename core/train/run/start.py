"""Weights of other models that training begins with, part by part, and their text tokenizer.

    {"." : "Janus-Pro-1B", "understanding.encoder": "siglip-large"}    the most specific path applies

A directory is a model in an installed format, or a checkpoint of a run, whose parts of the same paths are used; or it
contains one part, alone or among others, whose component knows the names of its tensors (``Released``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...errors import StorageError
from ...model.modules import owners
from ...model.processor import Processor
from ...model.unified_model import UnifiedModel
from ...storage.digest import file_digest
from ...storage.filling import fill
from ...storage.json_files import read_json
from ...storage.tensors import tensors_of
from ...storage.value_checks import ValueChecks
from ..checkpoints.files import MANIFEST, is_checkpoint
from .start_checks import TOKENIZER, compared


def begin(model: UnifiedModel, start: Mapping[str, str], say: Callable[[str], None]) -> dict[str, Any]:
    """Fill the parts of a model from the directories of ``[start]``, and load the text tokenizer that it names.

    Rows of the vocabulary that the files lack, and those of special tokens that are added, become the mean of the
    trained rows.

    Args:
        start: directory, or name of a shipped model, by the path of a part or pathway, or "." for all parts.
        say: called with a sentence about each part.

    Returns:
        Facts for the provenance: by path, the directory, and size and digest of its files.

    Raises:
        StorageError: a directory is missing, is not in a known format, or its tensors do not match the recipe; with
            every problem of every directory. Nothing is filled then.
    """
    if not start:
        return {}
    plan = model.plan
    placed, text = compared(plan, {path: model.part(path) for path in owners(plan, None)}, start)
    facts: dict[str, Any] = {}
    describe = cache(_description)  # a file may hold several parts
    files = {path: {file.name: describe(file) for file in source.files.files} for path, source in placed.items()}
    for path, source in placed.items():
        part = model.part(path)
        checks = ValueChecks(source.files)
        fill(path, part, source.pieces, source.files, checks)
        if broken := checks.problems():
            raise StorageError(broken)
        folder = source.files.files[0].parent
        others = f"; {source.unread} tensors of other parts there are ignored" if source.unread else ""
        say(f"{path} begins with the weights of {folder}{others}")
        facts[path] = {"folder": str(folder), "files": files[path]}
    if text is not None:
        tokenizer, added, folder = text
        model.processor = Processor(plan, text=tokenizer)
        own = {TOKENIZER: describe(folder / TOKENIZER)}
        facts["text"] = {"folder": str(folder), "files": own, "added": added}
        more = f", with the new tokens {', '.join(added)}" if added else ""
        say(f"text begins with the tokenizer of {folder}{more}")
    new = [] if text is None else [text[0].id_of(token) for token in text[1]]
    if "backbone" in placed:
        _mean_rows(model.part("backbone"), plan.hidden.vocabulary, placed["backbone"].grown, new, say)
    return facts


def _description(file: Path) -> dict[str, Any]:
    """The size and digest of a file. Raises ``StorageError`` for one of a checkpoint that was altered."""
    description = {"bytes": file.stat().st_size, "sha256": file_digest(file)}
    if is_checkpoint(file.parent) and read_json(file.parent / MANIFEST).get(file.name) != description:
        raise StorageError(f"{file} was altered after the checkpoint was written")
    return description


@torch.no_grad()
def _mean_rows(
    backbone: nn.Module, vocabulary: int, grown: Mapping[str, int], new: list[int], say: Callable[[str], None]
) -> None:
    """Set rows that the files lack, and those of new special tokens, to the mean of all others."""
    first = min(grown.values(), default=vocabulary)
    fresh = sorted({*range(first, vocabulary), *(id for id in new if id < vocabulary)})
    if not fresh:
        return
    for tensor in tensors_of(backbone).values():
        if tensor.dim() and tensor.shape[0] == vocabulary and tensor.is_floating_point():
            rows = torch.tensor(fresh, device=tensor.device)
            kept = torch.ones(vocabulary, dtype=torch.bool, device=tensor.device).index_fill(0, rows, False)
            tensor[rows] = tensor[kept].mean(dim=0, dtype=torch.float64).to(tensor.dtype)
    which = f"{fresh[0]} to {fresh[-1]}" if len(fresh) == fresh[-1] - fresh[0] + 1 else ", ".join(map(str, fresh))
    say(f"backbone: the rows of {len(fresh)} text ids, {which}, begin as the mean of the others")
