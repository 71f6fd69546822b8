"""What an attention kernel serves, what is asked of one, and which one that makes.

Kernels are components of the kind ``kernel``. Their configs say, without torch, what they serve; ``choose`` compares it
with what is asked before anything is computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

from attrs import frozen

from ..components.component import Component
from ..components.kernels import AUTO, DEFAULT, find
from ..components.registry import Registry
from ..components.registry import registry as process_registry
from ..contracts.kernels import AttentionRequest, KernelSupport
from ..errors import Problem, UsageError


@frozen
class Choice:
    """A kernel, with the reason why it was taken where ``auto`` took it."""

    component: Component
    config: Any
    reason: str = ""

    @property
    def serves(self) -> KernelSupport:
        serves: KernelSupport = self.config.serves()
        return serves


def choose(name: str, asked: AttentionRequest, registry: Registry | None = None) -> Choice:
    """The kernel of a name, ``"flex"`` or ``"flex@1"``, or for ``"auto"`` the best one for what is asked.

    Best is one that serves it and whose config names an advantage over the default, built-in ones first; else the
    default.

    Raises:
        ComponentError: there is no such kernel.
        UsageError: it cannot do what is asked; the sentence says why, and which can.
    """
    registry = registry or process_registry()
    if name == AUTO:
        return _best(asked, registry)
    component = find(name, registry)
    choice = Choice(component, component.config())
    if missing := shortcomings(choice.serves, asked):
        raise refused(component.name, missing, asked, registry)
    return choice


def refused(name: str, missing: list[str], asked: AttentionRequest, registry: Registry | None = None) -> UsageError:
    """The error for a kernel that cannot do what is asked, with those that can."""
    able = [component.name for component, _ in _able(asked, registry or process_registry())]
    hint = f"what serves it: {', '.join([*dict.fromkeys(able), AUTO])}" if able else "no installed kernel serves it"
    return UsageError(Problem(f"attention '{name}' cannot serve {asked}: it {'; it '.join(missing)}", hint=hint))


def shortcomings(serves: KernelSupport, asked: AttentionRequest) -> list[str]:
    """What keeps a kernel from what is asked, each as the end of a sentence that begins with "it"."""
    found = []
    if asked.kind not in serves.devices:
        found.append(f"computes on {_either(serves.devices)} only")
    elif asked.learning and asked.kind not in serves.learns:
        where = f", only on {_either(serves.learns)}" if serves.learns else ""
        found.append(f"passes no gradients on {asked.kind}{where}")
    if asked.dtype not in serves.dtypes:
        found.append(f"computes in {_either(serves.dtypes)} only")
    if asked.head_width % serves.multiple:
        found.append(f"takes heads whose width is a multiple of {serves.multiple}, not {asked.head_width}")
    if serves.widest and asked.head_width > serves.widest:
        found.append(f"takes heads up to a width of {serves.widest}, not {asked.head_width}")
    if asked.blocks and not serves.blocks:
        found.append("knows no full blocks inside of causal text")
    if asked.grouped and not serves.grouped:
        found.append("knows no grouped heads (fewer key heads than query heads)")
    if asked.cached and not serves.cached:
        found.append("takes as many queries as keys, so it cannot go on from a cache")
    found += [f"needs {module} ({remedy})" for module, remedy in serves.needs.items() if not _there(module)]
    if asked.kind == "cuda" and not found and serves.capability > (0, 0):
        found += _too_old(serves.capability, asked.device)
    return found


def _best(asked: AttentionRequest, registry: Registry) -> Choice:
    able = list(_able(asked, registry))
    for component, config in sorted(able, key=lambda pair: pair[0].distribution != "janiform"):
        if advantage := config.advantage(asked):
            return Choice(component, config, f"for {asked}: {advantage}")
    default = choose(DEFAULT, asked, registry)
    others = ", ".join(component.name for component, _ in able if component.name != DEFAULT)
    why = f"{others} would serve it too, and claim no advantage" if others else "no other installed kernel serves it"
    return Choice(default.component, default.config, f"for {asked}: {why}")


def _able(asked: AttentionRequest, registry: Registry) -> Iterator[tuple[Component, Any]]:
    """Kernels that serve what is asked, in the registry's order, the newest version of each name."""
    newest = {component.name: component for component in registry.components("kernel")}
    for component in newest.values():
        try:
            config = component.config()
            if not shortcomings(config.serves(), asked):
                yield component, config
        except Exception:  # a third party's config; what it breaks is said when it is asked for by name
            continue


def _either(words: tuple[str, ...]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else "nothing"


def _there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:  # a parent that is missing
        return False


def _too_old(capability: tuple[int, int], device: str) -> Iterator[str]:
    import torch

    if torch.cuda.is_available() and (has := torch.cuda.get_device_capability(device)) < capability:
        wanted, got = (".".join(map(str, version)) for version in (capability, has))
        yield f"needs a GPU of compute capability {wanted} or more, and this one has {got}"
