"""Where training begins: weights of other models, part by part, and their text tokenizer.

    {"." : "Janus-Pro-1B", "understanding.encoder": "siglip-large"}    the path nearest to a part decides

A directory is either a model of an installed layout, of which the parts of the same paths are taken, or holds one part,
alone or with others around it, whose component says what its tensors are called (``Released``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from ...errors import StorageError
from ...model.modules import owners
from ...model.processor import Processor
from ...model.unified_model import UnifiedModel
from ...storage.filling import fill
from ...storage.tensors import tensors_of
from ...storage.value_checks import ValueChecks
from .start_checks import compared


def begin(model: UnifiedModel, start: Mapping[str, str], say: Callable[[str], None]) -> dict[str, Any]:
    """Fill the parts of a model from the directories of ``[start]``, and take up the text tokenizer that it names.

    Rows that a vocabulary has more than the files, and those of special tokens that the tokenizer is given, become the
    mean of the rows that were trained.

    Args:
        start: directory, or name of a model that ships, by path of a part, of a pathway, or "." for all parts.
        say: told in a sentence what each part begins with.

    Returns:
        What belongs into the provenance: by path, the directory and the sizes of its files.

    Raises:
        StorageError: a directory is missing, is of no known layout, or its tensors are not those of the recipe; every
            problem of every directory. Nothing is filled then.
    """
    if not start:
        return {}
    plan = model.plan
    placed, text = compared(plan, {path: model.part(path) for path in owners(plan, None)}, start)
    facts: dict[str, Any] = {}
    for path, found in placed.items():
        part = model.part(path)
        checks = ValueChecks(found.files)
        fill(path, part, found.pieces, found.files, checks)
        if broken := checks.problems():
            raise StorageError(broken)
        facts[path] = {file.name: file.stat().st_size for file in found.files.files}
        folder = found.files.files[0].parent
        others = f"; {found.unread} tensors of other parts there are left alone" if found.unread else ""
        say(f"{path} begins with the weights of {folder}{others}")
        facts[path] = {"folder": str(folder), "files": facts[path]}
    if text is not None:
        tokenizer, added, folder = text
        model.processor = Processor(plan, text=tokenizer)
        facts["text"] = {"folder": str(folder), "added": added}
        more = f", and is given {', '.join(added)}" if added else ""
        say(f"text begins with the tokenizer of {folder}{more}")
    new = [] if text is None else [text[0].id_of(token) for token in text[1]]
    if "backbone" in placed:
        _mean_rows(model.part("backbone"), plan.hidden.vocabulary, placed["backbone"].grown, new, say)
    return facts


@torch.no_grad()
def _mean_rows(
    backbone: nn.Module, vocabulary: int, grown: Mapping[str, int], new: list[int], say: Callable[[str], None]
) -> None:
    """Rows that nothing was read for, and those of new special tokens, become the mean of all others."""
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
