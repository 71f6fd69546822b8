"""Calling a component's factory, and checking that what it makes follows its kind's contract."""

from __future__ import annotations

from typing import Any

from .. import contracts
from ..components.component import Component
from ..components.kinds import KINDS
from ..errors import ComponentError, JaniformError, Problem
from ..ports import Port
from ..untrusted_text import text_of


def make(component: Component, *arguments: Any) -> Any:
    """Call the factory of a component with its config and the kind's other arguments; return what it makes.

    Raises ``ComponentError`` naming the plugin where the factory fails, or where what it makes lacks a name of the
    kind's contract. A ``JaniformError`` of the factory passes through.
    """
    factory = component.load()
    subject = f"the factory of {component.kind} {component.reference}, from {component.provider},"
    try:
        made = factory(*arguments)
    except (JaniformError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a plugin may fail in any way, and the error must name it
        message = f"{subject} failed: {type(error).__name__}: {text_of(error)}"
        raise ComponentError(Problem(message, hint="change its settings or fix the plugin")) from error
    if violation := _violation(component.kind, made):
        raise ComponentError(Problem(f"{subject} gave {type(made).__name__}, {violation}", hint="fix the plugin"))
    return made


def contract_of(kind: str, port: Port | None = None) -> str:
    """The name of the protocol that whatever a factory of the kind makes follows, where it gives this ``port``."""
    row = KINDS[kind]
    of_port = row.port_contracts.get(getattr(port, "of", ""), row.port_contracts.get(type(port), ""))  # type: ignore[arg-type]
    return of_port or row.module_contract


def contract_names(kind: str, port: Port | None = None) -> list[str]:
    """The names that whatever a factory of the kind makes must have, by the kind's contract."""
    contract = getattr(contracts, contract_of(kind, port), None)
    if required := getattr(contract, "__abstractmethods__", None):
        return sorted(required)
    return [name for name in vars(contract) if not name.startswith("_")] if contract else []


def missing_names(kind: str, made: Any, port: Port | None = None) -> str:
    """The names of a kind's contract that an object lacks, as the end of a sentence; empty where it has all of them."""
    missing = sorted(set(contract_names(kind, port)) - set(dir(made)))
    return f"which lacks {', '.join(missing)}; see {contract_of(kind, port)} in janiform.contracts" if missing else ""


def _violation(kind: str, made: Any) -> str:
    if KINDS[kind].weights:  # the module's methods are checked with the whole model
        from torch import nn

        return "" if isinstance(made, nn.Module) else "not a torch.nn.Module"
    return missing_names(kind, made)
