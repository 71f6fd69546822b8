"""Values that no weight can be, gathered while files are read."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import Origin, Problem
from ..weights import listed
from .weight_files import WeightFiles


class Faults:
    """What was found wrong with the values of files, by part."""

    def __init__(self, files: WeightFiles) -> None:
        self._files = files
        self._found: dict[tuple[str, tuple[str, str], str], list[str]] = {}
        self._names: set[str] = set()

    def look(self, path: str, name: str, values: Tensor, dtype: torch.dtype) -> None:
        """Look at some values of the tensor ``name``, which belong to the part at ``path`` and become ``dtype``."""
        if name in self._names or not values.is_floating_point() or not values.numel():
            return
        if fault := _fault(values, dtype):
            self._names.add(name)
            self._found.setdefault((path, fault, str(self._files.tensors[name].file)), []).append(name)

    def problems(self) -> list[Problem]:
        return [
            Problem(f"{listed(names)}: {fault[0]}", path, Origin(file), fault[1])
            for (path, fault, file), names in self._found.items()
        ]


def _fault(values: Tensor, dtype: torch.dtype) -> tuple[str, str] | None:
    """What is wrong with values that become ``dtype``, and what would help."""
    if values.element_size() == 1:
        values = values.float()
    low, high = (float(bound) for bound in values.aminmax())  # NaN if any value is
    if not (abs(low) < float("inf") and abs(high) < float("inf")):
        return "holds values that are NaN or infinite", "the weights are damaged, or their training failed"
    most = max(-low, high)
    if most > torch.finfo(dtype).max:
        kind = str(dtype).removeprefix("torch.")
        return f"reaches {most:.3g}, which {kind} cannot hold", "take bfloat16 or float32"
    return None
