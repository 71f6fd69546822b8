"""Loading weights into modules: built on the meta device, allocated and filled part by part.

Nothing exists twice: a part is allocated with its final data type on its final device, and its values are copied from
the mapped files, a few rows at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from ..compose import Plan
from ..errors import StorageError
from ..model.modules import build_modules, owners
from ..weights import KeyMap, Piece
from .mapped import MappedWeights, Views, replace, use_views
from .matching import TensorMatch, match
from .quantize import bytes_saved, quantizable, quantized
from .tensors import tensors_of
from .value_checks import ValueChecks
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
    mapped: MappedWeights | None = None,
) -> dict[str, nn.Module]:
    """The modules of a plan by path, with the weights of the files.

    Args:
        keys: the names in the files, for every part with weights.
        dtype: data type of the floating-point weights in memory; None is that of new parts, float32.
        parts: parts to load, by path or first name; the values of others are not read.
        quantize: ``"int8"`` or ``"int4"`` for the backbone's linear layers, each quantized as soon as it is read.
        on_size: called with the size of the weights in bytes, before it is allocated; may raise.
        mapped: gets the tensors that stay in the files, for parts on the CPU; None copies all.

    Raises:
        StorageError: the files do not fit the plan, or contain invalid values; all problems, by part.
        CompositionError: a factory fails, or a part does not exist.
    """
    wanted = owners(plan, parts)
    shells = build_modules(plan, device="meta", dtype=dtype)
    matched = match(shells, keys, files, wanted)
    to_quantize = {path: _to_quantize(plan, path, shells[path], quantize) for path in wanted}
    if on_size is not None:
        saved = sum(bytes_saved(layer, quantize or "") for layers in to_quantize.values() for layer in layers.values())
        on_size(sum(_size(shells[path]) for path in wanted) - saved)
    modules: dict[str, nn.Module] = {}
    checks = ValueChecks(files)
    on_cpu = torch.device(device).type == "cpu"
    for path in wanted:
        shell, placed = shells.pop(path), matched.placed[path]
        made = _needs_initial_values(shell, matched, path)
        module = build_modules(plan, device=device, dtype=dtype, parts=(path,))[path] if made else shell
        for name in tuple(to_quantize.pop(path)):  # without references, each layer is freed once it is quantized
            layer = module.get_submodule(name).to_empty(device=device)
            fill(path, layer, placed, files, checks, f"{name}.")
            module.set_submodule(name, quantized(layer, quantize or ""))  # type: ignore[arg-type]
        views: Views = {} if mapped is None or not on_cpu else mapped.views(path, module, placed)
        _allocate(module, device, views)
        fill(path, module, {name: pieces for name, pieces in placed.items() if name not in views}, files, checks)
        use_views(module, views)
        modules[path] = module
    if problems := checks.problems():
        raise StorageError(problems)
    return modules


def _needs_initial_values(shell: nn.Module, matched: TensorMatch, path: str) -> bool:
    """Whether the part has tensors that the files do not have; it is then built with initial values."""
    given = set(matched.placed[path])
    held = {name for name, _ in shell.named_parameters(remove_duplicate=False)}
    held |= {name for name, _ in shell.named_buffers(remove_duplicate=False)}
    loose = any(isinstance(value, Tensor) for module in shell.modules() for value in vars(module).values())
    return loose or held != given


def _allocate(module: nn.Module, device: str | torch.device, views: Views) -> None:
    """Give the tensors on the meta device memory, except those that files have."""
    named = (*module.named_parameters(), *module.named_buffers())
    for name, tensor in named:
        if tensor.is_meta and name not in views:
            path, _, own = name.rpartition(".")
            empty = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=device)
            replace(module.get_submodule(path), own, empty)


def _to_quantize(plan: Plan, path: str, shell: nn.Module, quantize: str | None) -> dict[str, nn.Linear]:
    """The layers of a part to quantize, by name."""
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
    checks: ValueChecks,
    prefix: str = "",
) -> None:
    """Copy a part's tensors, whose names begin with ``prefix``, from the files, and check their values."""
    for name, tensor in tensors_of(module).items():
        for piece in placed.get(prefix + name, ()):
            target = tensor if piece.rows is None else tensor[piece.rows]
            target = target if target.dim() == len(piece.shape) else target.view(piece.shape)
            for rows, values in files.rows(piece.name):
                checks.check(path, piece.name, values, target.dtype)
                (target[rows] if piece.shape else target).copy_(values)
