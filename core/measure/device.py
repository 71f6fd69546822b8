"""A device by its name, checked before anything is computed on it."""

from __future__ import annotations

from typing import Any

import torch

from ..errors import UsageError

_UNKNOWN = "it is not the name of a device, such as cpu, cuda or cuda:1"


def usable_device(device: Any, *, allocate: bool = True) -> torch.device:
    """The device of a name, such as ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.

    Args:
        allocate: whether to use the device once, which on a GPU makes a context there.

    Raises ``UsageError`` where it does not exist or cannot be used.
    """
    if not isinstance(device, str | torch.device):
        raise UsageError(f"the device '{device}' cannot be used: {_UNKNOWN}")
    try:
        torch_device = torch.device(device)
    except RuntimeError:
        raise UsageError(f"the device '{device}' cannot be used: {_UNKNOWN}") from None
    try:
        if torch_device.type == "meta":
            raise RuntimeError("it holds no values")
        if allocate:
            torch.empty(0, device=torch_device)
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UsageError(f"the device '{device}' cannot be used: {reason}") from None
    return torch_device
