"""Weights that stay in their files are those that are copied, bit for bit, in every family."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from family_recipes import FAMILIES, family_model
from janiform import open_model
from janiform.storage.save import save_model
from mapped_weights import load_both, map_small_weights


@pytest.mark.parametrize("family", FAMILIES)
def test_mapped_weights_are_the_copied_ones(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    map_small_weights(monkeypatch)
    monkeypatch.setattr("janiform.storage.open.load_parts", load_both)
    folder = save_model(family_model(family), tmp_path / "model")
    for dtype in (torch.float32, torch.bfloat16):
        open_model(folder, dtype=dtype)
