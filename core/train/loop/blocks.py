"""The repeated blocks of parts, each of which can be compiled, or recomputed in the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from ...compose.selectors import select
from ...errors import ComponentError, Problem
from ...model.unified_model import UnifiedModel
from ...recipe import Stage

Call = Callable[..., Any]

DECLARE = "a part declares its blocks by a method blocks()"


def blocks_of(model: UnifiedModel) -> dict[str, nn.Module]:
    """The blocks of all parts by path. Raises ``ComponentError`` where a part declares something else as its blocks."""
    blocks: dict[str, nn.Module] = {}
    for path, part in model.built_parts().items():
        try:
            blocks |= {f"{path}.{name}": block for name, block in part_blocks(part).items()}
        except ValueError as error:
            provider = model.plan.parts[path].use.component.provider
            raise ComponentError(Problem(f"{error}; it is from {provider}", path, hint="fix the plugin")) from error
    return blocks


def part_blocks(part: nn.Module) -> dict[str, nn.Module]:
    """The blocks of a part by their names in it: those that its method ``blocks`` declares (``Layered``).

    For a part without the method they are the members of its outermost module lists, of whatever classes; of a member
    without a ``forward``, such as a list or a dict of modules, its own members.

    Raises ``ValueError`` with a sentence where the method fails, or gives something else than modules with a
    ``forward`` in the part, each once and none within another.
    """
    declare = getattr(part, "blocks", None)
    declared = f"blocks() of {type(part).__name__}"
    if not callable(declare) or isinstance(declare, nn.Module):
        if isinstance(declare, list | tuple) and any(isinstance(member, nn.Module) for member in declare):
            raise ValueError(f"blocks of {type(part).__name__} is a {type(declare).__name__}, expected a method")
        return dict(_listed(part))
    try:
        given = list(declare())
    except Exception as error:  # any plugin's code runs here
        line = str(error).strip().partition("\n")[0]
        raise ValueError(f"{declared} gives no sequence of modules ({type(error).__name__}: {line})") from error
    names = {module: name for name, module in part.named_modules() if name}
    blocks: dict[str, nn.Module] = {}
    for block in given:
        if not isinstance(block, nn.Module) or block not in names:
            raise ValueError(f"{declared} gives a {type(block).__name__} that is not a module in it")
        if names[block] in blocks:
            raise ValueError(f"{declared} gives {names[block]} twice")
        if not _has_forward(block):
            raise ValueError(f"{declared} gives {names[block]}, a {type(block).__name__}, which has no forward")
        blocks[names[block]] = block
    for name in blocks:
        if outer := next((other for other in blocks if name.startswith(f"{other}.")), None):
            raise ValueError(f"{declared} gives {name}, which is within {outer}")
    return blocks


def _listed(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    for name, child in module.named_children():
        if isinstance(child, nn.ModuleList):
            yield from _with_forward(child, f"{prefix}{name}")
        else:
            yield from _listed(child, f"{prefix}{name}.")


def _with_forward(container: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    for key, member in container._modules.items():  # named_children() leaves out a member that is listed again
        if member is None:
            continue
        if _has_forward(member):
            yield f"{name}.{key}", member
        else:
            yield from _with_forward(member, f"{name}.{key}")


def _has_forward(module: nn.Module) -> bool:
    return getattr(module.forward, "__func__", None) is not nn.Module.forward


def without_blocks(model: UnifiedModel, stage: Stage, *, attends: bool) -> str:
    """A sentence where settings of a stage recompute or compile nothing in the backbone, or at all; else empty."""
    wanted = {"checkpointing": stage.checkpointing is True, "compile": stage.compile}
    settings = " and ".join(name for name, on in wanted.items() if on)
    blocks = blocks_of(model)
    if not settings or any(path.startswith("backbone.") or not attends for path in blocks):
        return ""
    where = f"in the backbone, {_backbone(model)}" if attends else "in any part"
    have = "have" if all(wanted.values()) else "has"
    return f"stage '{stage.name}': {settings} {have} no effect, since there are no blocks {where}; {DECLARE}"


def unsharded(model: UnifiedModel) -> str:
    """A sentence where sharding gathers the whole backbone at once; else empty."""
    if any(path.startswith("backbone.") for path in blocks_of(model)):
        return ""
    return (
        f"training.parallel: every process gathers the whole backbone at once, since there are no blocks in "
        f"{_backbone(model)}; {DECLARE}"
    )


def _backbone(model: UnifiedModel) -> str:
    component = model.plan.parts["backbone"].use.component
    return f"{component.reference} from {component.provider}"


def recomputed(model: UnifiedModel, wanted: bool | tuple[str, ...]) -> dict[str, nn.Module]:
    """The blocks that a stage's ``checkpointing`` names: all for True, else those at or below the paths.

    Raises ``JaniformError`` for paths that match none, and what ``blocks_of`` raises.
    """
    blocks = blocks_of(model)
    if isinstance(wanted, bool):
        return blocks if wanted else {}
    chosen = select(blocks, wanted, model.plan.shared, what="block")
    return {path: block for path, block in blocks.items() if path in chosen}


def prepare_blocks(
    compiled: Mapping[str, nn.Module], checkpointed: Mapping[str, nn.Module], backend: str = "inductor"
) -> None:
    """Compile the forward of some blocks, and recompute that of some in the backward pass.

    A call without gradients, as when sample pictures are drawn, uses the original forward.
    """
    blocks = {id(block): block for block in (*compiled.values(), *checkpointed.values())}
    compile_ids = {id(block) for block in compiled.values()}
    checkpoint_ids = {id(block) for block in checkpointed.values()}
    for key, block in blocks.items():
        plain = block.forward
        trained: Call = torch.compile(plain, backend=backend) if key in compile_ids else plain
        if key in checkpoint_ids:
            trained = _recomputing(trained)
        block.forward = _choosing(trained, plain)


def release_blocks(model: UnifiedModel) -> None:
    """Undo ``prepare_blocks``."""
    for block in blocks_of(model).values():
        block.__dict__.pop("forward", None)


def _recomputing(forward: Call) -> Call:
    def run(*arguments: Any, **named: Any) -> Any:
        return checkpoint(forward, *arguments, use_reentrant=False, **named)

    return run


def _choosing(trained: Call, plain: Call) -> Call:
    def forward(*arguments: Any, **named: Any) -> Any:
        return (trained if torch.is_grad_enabled() else plain)(*arguments, **named)

    return forward
