"""The contract of each kind of component: that of its config (torch-free), and that of what its factory makes.

A component is registered with a config class and the import path of a factory. The config declares ports; the factory
takes the config and the same ports, and returns a ``torch.nn.Module`` that follows them. Dimension letters:

    B pictures or rows    N tokens of one picture    d depth of a code    T positions    H hidden width    V vocabulary

Config classes are frozen attrs classes with a default for every field that a preset can give; each field carries
``metadata={"help": "one sentence"}``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .evaluation import *  # noqa: F403 - its `__all__` lists the contracts, which need no second list here
from .parts import *  # noqa: F403
from .text import *  # noqa: F403
from .training import *  # noqa: F403
from .use import *  # noqa: F403

if TYPE_CHECKING:
    from .objective import Objective as Objective


def __getattr__(name: str) -> Any:
    if name == "Objective":  # a torch.nn.Module, so it is imported on first use
        from .objective import Objective

        return Objective
    raise AttributeError(f"module {__name__} has no attribute {name!r}")
