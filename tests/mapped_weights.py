"""Weights that stay in their files, beside copies of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from janiform import Plan
from janiform.storage import filling, mapped
from janiform.storage.mapped import MappedWeights
from torch import nn


def map_small_weights(patch: pytest.MonkeyPatch) -> None:
    """Let the smallest tensors of the smallest files stay in them, wherever they begin."""
    patch.setattr(mapped, "SMALLEST_FILES", 0)
    patch.setattr(mapped, "SMALLEST", 1)
    patch.setattr(mapped, "_ALIGNMENT", {})


def load_both(plan: Plan, keys: Any, files: Any, **settings: Any) -> Mapping[str, nn.Module]:
    """The copied parts, after the comparison with mapped ones: names, types, strides and every bit."""
    in_files, state = MappedWeights(files), torch.get_rng_state()
    copied = filling.load_parts(plan, keys, files, **{**settings, "mapped": None})
    torch.set_rng_state(state)  # of weights that the files do not have
    others = filling.load_parts(plan, keys, files, **{**settings, "mapped": in_files})
    for path in in_files.paths():
        in_files.check(path)
    for path, part in copied.items():
        theirs, ours = part.state_dict(), others[path].state_dict()
        assert theirs.keys() == ours.keys(), path
        for name, tensor in theirs.items():
            other = ours[name]
            assert (other.dtype, other.shape, other.stride()) == (tensor.dtype, tensor.shape, tensor.stride()), name
            assert torch.equal(other, tensor), f"{path}.{name}"
    return copied
