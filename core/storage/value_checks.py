"""Checks of the values in files of weights: not NaN, not infinite, within the range of the data type in memory."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import Origin, Problem
from ..weights import listed
from .weight_files import WeightFiles


class ValueChecks:
    """Collects the tensors with invalid values while files are read."""

    def __init__(self, files: WeightFiles) -> None:
        self._files = files
        self._faults: dict[tuple[str, tuple[str, str], str], list[str]] = {}
        self._names: set[str] = set()

    def check(self, path: str, name: str, values: Tensor, dtype: torch.dtype) -> None:
        """Check some values of the tensor ``name``, which belong to the part at ``path`` and become ``dtype``."""
        if name in self._names or not values.is_floating_point() or not values.numel():
            return
        if fault := _fault(values, dtype):
            self._names.add(name)
            self._faults.setdefault((path, fault, str(self._files.tensors[name].file)), []).append(name)

    def problems(self) -> list[Problem]:
        """One problem per part, fault and file."""
        return [
            Problem(f"{listed(names)}: {fault[0]}", path, Origin(file), fault[1])
            for (path, fault, file), names in self._faults.items()
        ]


def _fault(values: Tensor, dtype: torch.dtype) -> tuple[str, str] | None:
    """The fault of values that become ``dtype``, and a hint; None where they are valid."""
    if values.element_size() == 1:
        values = values.float()
    wide = torch.finfo(dtype).max >= torch.finfo(values.dtype).max
    if wide and values.sum().isfinite():  # quicker than the extremes; with NaN or infinite values it is not finite
        return None
    low, high = (float(bound) for bound in values.aminmax())  # NaN where any value is NaN
    if not (abs(low) < float("inf") and abs(high) < float("inf")):
        return "contains NaN or infinite values", "the weights are damaged, or their training failed"
    most = max(-low, high)
    if most > torch.finfo(dtype).max:
        kind = str(dtype).removeprefix("torch.")
        return f"contains {most:.3g}, which is out of range for {kind}", "use bfloat16 or float32"
    return None
