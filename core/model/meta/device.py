"""The device of new tensors, also where another library replaced functions of torch for a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _device


def tensors_on(device: str | torch.device) -> torch.device:
    """The device as a context, in which functions such as ``torch.linspace`` make their tensors on it."""
    list_anew()
    return torch.device(device)


def list_anew() -> None:
    """Let torch list the functions that make tensors again, where its list is not of those that it has.

    It lists them when the first tensor is made under a device, once per process. ``from_pretrained`` of transformers
    replaces ``torch.linspace`` meanwhile. Where it is the first, the replacement is listed in place of the function,
    which from then on ignores ``with torch.device(…)``: a part that is built on the meta device mixes two devices.
    """
    listed: Any = getattr(_device, "_device_constructors", None)  # private: a later torch may not need this
    current: Callable[[], set[Any]] | None = getattr(listed, "__wrapped__", None)
    if current is not None and listed() != current():
        listed.cache_clear()
