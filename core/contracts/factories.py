"""Calling a component's factory, and seeing that what it makes is of its kind."""

from __future__ import annotations

from typing import Any

from .. import contracts
from ..components.component import Component
from ..components.kinds import KINDS
from ..errors import ComponentError, JaniformError, Problem

_PARTS = {"encoder", "tokenizer", "embedding", "adapter", "backbone", "head"}
"""Kinds whose factories make a ``torch.nn.Module``; what it can do is seen where the whole model is checked."""


def make(component: Component, *arguments: Any) -> Any:
    """What the factory of a component makes of its config and of what the kind gives beside it.

    Raises ``ComponentError`` naming the plugin where the factory fails, or gives what lacks a name of the kind's
    contract; a ``JaniformError`` of its own passes.
    """
    factory = component.load()
    blame = f"the factory of {component.kind} {component.reference}, from {component.provider},"
    try:
        made = factory(*arguments)
    except JaniformError:
        raise
    except Exception as error:  # a plugin may fail in any way, and the user needs to know whose fault it is
        message = f"{blame} failed: {type(error).__name__}: {error}"
        raise ComponentError(Problem(message, hint="its settings or the plugin must change")) from error
    if wrong := _wrong(component.kind, made):
        raise ComponentError(Problem(f"{blame} gave {type(made).__name__}, {wrong}", hint="mend the plugin"))
    return made


def promised(kind: str) -> list[str]:
    """The names that whatever a factory of the kind makes must have, by the kind's contract."""
    contract = getattr(contracts, KINDS[kind].module_contract, None)
    if required := getattr(contract, "__abstractmethods__", None):
        return sorted(required)
    return [name for name in vars(contract) if not name.startswith("_")] if contract else []


def _wrong(kind: str, made: Any) -> str:
    if kind in _PARTS:
        from torch import nn

        return "" if isinstance(made, nn.Module) else "not a torch.nn.Module"
    return lacking(kind, made)


def lacking(kind: str, made: Any) -> str:
    """What is missing of a kind's contract, as the end of a sentence; empty where nothing is."""
    missing = sorted(set(promised(kind)) - set(dir(made)))
    return (
        f"which lacks {', '.join(missing)}; see {KINDS[kind].module_contract} in janiform.contracts" if missing else ""
    )
