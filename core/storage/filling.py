"""Modules with weights: made without memory, given it part by part, and filled from files that are read as it goes.

Nothing exists twice: a part's memory is allocated in its final type and on its final device, and the values come from
the mapped files, some rows at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from ..compose import Plan
from ..errors import StorageError
from ..model.modules import build_modules, owners
from ..weights import KeyMap, Piece
from .faults import Faults
from .matching import Matched, match
from .quantize import bytes_saved, quantizable, quantized
from .tensors import tensors_of
from .weight_files import WeightFiles


def load_parts(
    plan: Plan,
    keys: Mapping[str, KeyMap],
    files: WeightFiles,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    parts: Iterable[str] | None = None,
    quantize: str | None = None,
    on_size: Callable[[int], None] | None = None,
) -> dict[str, nn.Module]:
    """The modules of a plan by path, with the weights of the files.

    Args:
        keys: the names in the files, for every part with weights.
        dtype: of the floating-point weights in memory; None is what the parts are made of, float32.
        parts: only these, by path or first name; the values of others are not read.
        quantize: ``"int8"`` or ``"int4"`` for the backbone's linear layers, each as soon as it is read.
        on_size: called with the bytes that the weights will take, before any is allocated; may raise.

    Raises:
        StorageError: the files do not belong to the plan, or hold values that are no numbers; everything, by part.
        CompositionError: a factory fails, or there is no such part.
    """
    wanted = owners(plan, parts)
    shells = build_modules(plan, device="meta", dtype=dtype)
    matched = match(shells, keys, files, wanted)
    shrunk = {path: _shrunk(plan, path, shells[path], quantize) for path in wanted}
    if on_size is not None:
        saved = sum(bytes_saved(layer, quantize or "") for layers in shrunk.values() for layer in layers.values())
        on_size(sum(_size(shells[path]) for path in wanted) - saved)
    modules: dict[str, nn.Module] = {}
    faults = Faults(files)
    for path in wanted:
        shell, placed = shells.pop(path), matched.placed[path]
        made = _needs_making(shell, matched, path)
        module = build_modules(plan, device=device, dtype=dtype, parts=(path,))[path] if made else shell
        for name in tuple(shrunk.pop(path)):  # the layers themselves must go as soon as they are reduced
            layer = module.get_submodule(name).to_empty(device=device)
            fill(path, layer, placed, files, faults, f"{name}.")
            module.set_submodule(name, quantized(layer, quantize or ""))  # type: ignore[arg-type]
        if not made:
            for child in module.modules():
                if any(tensor.is_meta for tensor in (*child.parameters(False), *child.buffers(False))):
                    child.to_empty(device=device, recurse=False)
        fill(path, module, placed, files, faults)
        modules[path] = module
    if problems := faults.problems():
        raise StorageError(problems)
    return modules


def _needs_making(shell: nn.Module, matched: Matched, path: str) -> bool:
    """Whether the part holds what the files do not give: it must then be made as for training, to have it."""
    given = set(matched.placed[path])
    held = {name for name, _ in shell.named_parameters(remove_duplicate=False)}
    held |= {name for name, _ in shell.named_buffers(remove_duplicate=False)}
    loose = any(isinstance(value, Tensor) for module in shell.modules() for value in vars(module).values())
    return loose or held != given


def _shrunk(plan: Plan, path: str, shell: nn.Module, quantize: str | None) -> dict[str, nn.Linear]:
    """The layers of a part that are to be quantised, by name."""
    if quantize is None or path != plan.owner("backbone"):
        return {}
    return dict(quantizable(shell, quantize, plan.hidden.vocabulary))


def _size(module: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in {*module.parameters(), *module.buffers()})


@torch.no_grad()
def fill(
    path: str,
    module: nn.Module,
    placed: Mapping[str, tuple[Piece, ...]],
    files: WeightFiles,
    faults: Faults,
    prefix: str = "",
) -> None:
    """Copy tensors of a part, which has them under ``prefix``, out of the files, and look at their values."""
    for name, tensor in tensors_of(module).items():
        for piece in placed.get(prefix + name, ()):
            target = tensor if piece.rows is None else tensor[piece.rows]
            target = target if target.dim() == len(piece.shape) else target[0]
            for rows, values in files.rows(piece.name):
                faults.look(path, piece.name, values, target.dtype)
                (target[rows] if piece.shape else target).copy_(values)
