"""The port that a part's config declares, checked: a plugin's mistake is reported with the plugin's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import asdict

from ..components.kinds import KINDS
from ..ports import Codes, Features, Grid, Port, PortMismatch
from .bounds import repeats
from .diagnostics import Diagnostics

if TYPE_CHECKING:
    from ..recipe import Use


def declared_port(path: str, use: Use, inputs: Mapping[str, tuple[str, Port]], diagnostics: Diagnostics) -> Port | None:
    """The port that a part gives for ``inputs``, argument to path and port; None where there is a problem."""
    kind = KINDS[use.kind]
    method_name = kind.port_method(use.config)
    call = f"{method_name}({', '.join(kind.takes)})"
    component = f"{use.component.reference} of {use.component.provider}"
    method = getattr(use.config, method_name, None)
    if method is None:
        diagnostics.add(path, f"the config of {component} lacks {call}, which declares its port", "fix the plugin")
        return None
    try:
        port: Any = method(*(inputs[name][1] for name in kind.takes))
    except PortMismatch as mismatch:
        sources = "; ".join(f"{diagnostics.describe(source)} gives {port}" for source, port in inputs.values())
        diagnostics.add(
            path, f"{use.component.reference} does not fit: {mismatch}" + (f". {sources}" if sources else "")
        )
        return None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may fail in any way, and the error must name it
        diagnostics.add(path, f"{call} of {component} failed: {type(error).__name__}: {error}", "fix the plugin")
        return None
    if not isinstance(port, kind.gives):
        expected = " or ".join(given.__name__ for given in kind.gives)
        message = f"{call} of {component} gave {type(port).__name__}, not {expected}"
        diagnostics.add(path, message, "fix the plugin")
        return None
    if fault := _fault(port) or repeats(port):
        hint = "change its settings or the plugin"
        diagnostics.add(path, f"{diagnostics.component(path)} gives {port}, {fault}", hint)
        return None
    return port


def _fault(port: Port) -> str:
    """What is impossible about a port, or an empty string."""
    values = asdict(port, recurse=False)
    for name in ("given", "of", "full_blocks", "routes", "scales"):
        values.pop(name, None)
    for name in ("cached", "state"):  # a backbone may keep nothing per position, or per row
        if (count := values.pop(name, None)) is not None and (type(count) is not int or count < 0):
            return f"whose {name} of {count!r} is not a whole number of at least 0"
    beside = {name: values.pop(name, 0) for name in ("lead", "trail")}
    if isinstance(port, Codes) and port.given:
        whole = all(type(number) is int and number >= 0 for pair in port.given.items() for number in pair)
        if not whole or max(port.given) >= port.tokens:
            return "whose given codes are not whole numbers by places of its grid"
        if len(port.given) == port.tokens:
            return "all of whose codes are given, so that none is left to predict"
    if isinstance(port, Codes) and port.scales and (fault := _scales_fault(port)):
        return fault
    for name, value in values.items():
        numbers = (value.height, value.width) if isinstance(value, Grid) else (value,)
        if value is not None and any(type(number) is not int or number < 1 for number in numbers):
            return f"whose {name} of {value} is not a positive whole number"
    for name, count in beside.items():
        if type(count) is not int or count < 0:
            return f"whose {name} of {count} is not a whole number of at least 0"
    further = sum(beside.values())
    if isinstance(port, Features) and port.grid is not None and port.grid.size + further != port.tokens:
        return f"whose grid has {port.grid.size} positions for {port.tokens - further} tokens"
    return ""


def _scales_fault(port: Codes) -> str:
    """What is impossible about the scales of codes, or an empty string."""
    for scale in port.scales:
        if not isinstance(scale, Grid) or any(type(n) is not int or n < 1 for n in (scale.height, scale.width)):
            return f"one of whose scales is {scale}, which is not a grid with rows and columns"
    if port.scales[-1] != port.grid:
        return f"whose last scale is {port.scales[-1]} and not its grid"
    return "which has scales and given codes; codes are given on a single grid only" if port.given else ""
