"""The repeated blocks of parts, each of which can be compiled, or recomputed in the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from ...compose.selectors import select
from ...errors import JaniformError
from ...model.unified_model import UnifiedModel

Call = Callable[..., Any]


def blocks_of(model: UnifiedModel) -> dict[str, nn.Module]:
    """The repeated blocks of all parts by path: the members of a part's outermost module lists of one class."""
    blocks: dict[str, nn.Module] = {}
    for path in dict.fromkeys(model.plan.owner(path) for path in model.plan.parts):
        try:
            part = model.part(path)
        except JaniformError:  # text, layout and sampler are parts without a module
            continue
        blocks |= {f"{path}.{name}": block for name, block in _repeated(part)}
    return blocks


def _repeated(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    for name, child in module.named_children():
        if isinstance(child, nn.ModuleList):
            if len({type(block) for block in child}) == 1:
                yield from ((f"{prefix}{name}.{index}", block) for index, block in enumerate(child))
        else:
            yield from _repeated(child, f"{prefix}{name}.")


def recomputed(model: UnifiedModel, wanted: bool | tuple[str, ...]) -> dict[str, nn.Module]:
    """The blocks that a stage's ``checkpointing`` names: all for True, else those at or below the paths.

    Raises ``JaniformError`` for paths that match none.
    """
    blocks = blocks_of(model)
    if isinstance(wanted, bool):
        return blocks if wanted else {}
    chosen = select(blocks, wanted, model.plan.shared)
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
