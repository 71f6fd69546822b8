"""Asking one config for its port, and blaming the right one where it does not answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import asdict

from ..ports import Features, Grid, Misfit, Port
from .diagnostics import Findings
from .slots import SLOTS

if TYPE_CHECKING:
    from ..recipe import Use


def ask(path: str, use: Use, inputs: Mapping[str, tuple[str, Port]], findings: Findings) -> Port | None:
    """The port that a part gives when it is given ``inputs`` (name to path and port); None where it has a problem."""
    slot = SLOTS[use.kind]
    call = f"{slot.method}({', '.join(slot.takes)})"
    blame = f"{use.component.reference} of {use.component.provider}"
    method = getattr(use.config, slot.method, None)
    if method is None:
        findings.add(path, f"the config of {blame} lacks {call}, by which its port is declared", "mend the plugin")
        return None
    try:
        port: Any = method(*(inputs[name][1] for name in slot.takes))
    except Misfit as misfit:
        given = "; ".join(f"{findings.end(source)} gives {port}" for source, port in inputs.values())
        findings.add(path, f"{use.component.reference} does not fit: {misfit}" + (f". {given}" if given else ""))
        return None
    except Exception as error:  # a plugin may fail in any way, and the user needs to know whose fault it is
        findings.add(path, f"{call} of {blame} failed: {type(error).__name__}: {error}", "mend the plugin")
        return None
    if not isinstance(port, slot.gives):
        wrong = f"{call} of {blame} gave {type(port).__name__}, not {slot.gives.__name__}"
        findings.add(path, wrong, "mend the plugin")
        return None
    if fault := _fault(port):
        findings.add(
            path, f"{findings.component(path)} gives {port}, {fault}", "its settings or the plugin must change"
        )
        return None
    return port


def _fault(port: Port) -> str:
    """What is impossible about a port, or an empty string."""
    for name, value in asdict(port, recurse=False).items():
        numbers = (value.height, value.width) if isinstance(value, Grid) else (value,)
        if value is not None and any(type(number) is not int or number < 1 for number in numbers):
            return f"whose {name} of {value} is no positive whole number"
    if isinstance(port, Features) and port.grid is not None and port.grid.size != port.tokens:
        return f"whose grid has {port.grid.size} places for {port.tokens} tokens"
    return ""
