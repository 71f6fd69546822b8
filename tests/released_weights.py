"""Parts with the weights of a directory of transformers, in any precision."""

from __future__ import annotations

from pathlib import Path

import torch
from janiform import KeyMap, weight_files
from janiform.storage.matching import match


def fill(ours: torch.nn.Module, folder: Path, names: KeyMap) -> None:
    """``match`` raises where a tensor of either side has no counterpart on the other, or another shape."""
    files = weight_files(folder)
    placed = match({"backbone": ours}, {"backbone": names}, files).placed["backbone"]
    tensors = ours.state_dict()
    assert set(placed) == set(tensors)
    for name, pieces in placed.items():
        for piece in pieces:
            target = tensors[name] if piece.rows is None else tensors[name][piece.rows]
            for rows, values in files.rows(piece.name):
                target[rows] = values
