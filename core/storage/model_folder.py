"""Model folders: weights, the recipe that they belong to, the text tokenizer, and where all of it came from.

Models are opened in every layout that an installed ``format`` knows. What is written here is janiform's own:

recipe.toml          the resolved recipe
model.safetensors    weights, by the paths of the parts; or shards, and model.safetensors.index.json
tokenizer.json       the text tokenizer
model.json           provenance, and the digest of the weights
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from .. import __version__
from ..attention import attention_for
from ..components.registry import registry
from ..compose import compose
from ..errors import Problem, StorageError, UsageError, nearest
from ..kernels import DEFAULT, Asked
from ..model import UnifiedModel
from ..recipe import dumps
from ..sequence.processor import Processor
from ..weights import KeyMap
from .atomic import explained, write_files
from .digest import digest_of, file_digest
from .filling import load_parts
from .formats import format_of, recognise, unknown_layout
from .weight_files import SAFETENSORS, WeightFiles

if TYPE_CHECKING:
    from ..compose import Plan
    from .export import Export

Mode = Literal["look", "draw"]

_DIGESTED_BYTES = 256 << 20
"""Larger weights are not read twice to check their digest; their size and header are checked always."""


def save_model(
    model: UnifiedModel, folder: str | Path, dtype: torch.dtype | None = None, facts: Mapping[str, Any] | None = None
) -> Path:
    """Write a model folder; a file that was there before stands until all the new ones are on the disk.

    Args:
        dtype: of the floating-point weights in the file, but for tokenizers', which keep theirs; None keeps all.
        facts: what else belongs into ``model.json``: command, seed, data digests, scores.

    Raises:
        StorageError: the disk is full, or the folder may not be written.
    """
    from .export import Export

    return write_model(Export.of(model, dtype), folder, facts)


def write_model(
    model: Export, folder: str | Path, facts: Mapping[str, Any] | None = None, shard_size: int | None = None
) -> Path:
    """``save_model`` of a model that need not be in memory. ``shard_size``: bytes that a file of weights has at most.

    A folder that is given shards must not hold ``model.safetensors``, which would be read instead.
    """
    folder = Path(folder)

    def provenance(path: Path) -> None:
        about = {
            "janiform": __version__,
            "recipe": model.plan.recipe.name,
            "weights": _recorded([path.parent / name for name in weights if name.endswith(SAFETENSORS)]),
            "parameters": sum(parameter.numel() for part in model.modules.values() for parameter in part.parameters()),
            **(facts or {}),
        }
        path.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    def recipe(path: Path) -> None:
        path.write_text(dumps(model.plan.recipe), encoding="utf-8")

    def text(path: Path) -> None:
        model.text.save(path.parent)

    metadata = {"format": "janiform", "version": __version__}
    weights = model.writers(own_keys(model.plan), metadata, shard_size)
    writers = {"recipe.toml": recipe, "tokenizer.json": text, **weights, "model.json": provenance}
    write_files(folder, writers, withdraw="model.json")
    return folder


def _recorded(files: list[Path]) -> dict[str, Any]:
    """What ``model.json`` says of the files of weights; of several also what each of them is."""
    each = {file.name: {"bytes": file.stat().st_size, "sha256": file_digest(file)} for file in files}
    digest = digest_of({name: str(said["sha256"]) for name, said in each.items()})
    whole = {"bytes": sum(file.stat().st_size for file in files), "sha256": digest}
    return whole if len(files) == 1 else {**whole, "files": each}


def own_keys(plan: Plan) -> dict[str, KeyMap]:
    """The names in janiform's own files: the paths of the parts, and the parts' names in them."""
    owners = dict.fromkeys(plan.owner(path) for path, part in plan.parts.items() if part.output is not None)
    return {path: KeyMap({"{rest}": "{rest}"}, prefix=f"{path}.") for path in owners}


def open_model(
    name_or_folder: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    parts: Iterable[str] | None = None,
    only: Mode | None = None,
    quantize: str | None = None,
    attention: str = DEFAULT,
    on_size: Callable[[int], None] | None = None,
) -> UnifiedModel:
    """A model with its weights: of a recipe that ships with weights, by name, or of a directory of any known layout.

    Weights are mapped and copied part by part, so that no more than the model itself is ever in memory.

    Args:
        dtype: of the weights in memory; None is float32.
        parts: only these, by path or first name (``("backbone", "understanding")``); other weights are not read.
        only: ``"look"`` or ``"draw"`` leaves out the pathways that do the other, instead of ``parts``.
        quantize: ``"int8"`` or ``"int4"`` for the backbone's linear layers; see ``storage.quantize``.
        attention: the kernel that computes the backbone's attention, or ``"auto"``; see ``kernels.choose``.
        on_size: called with the bytes that the weights will take in memory, before they take any; may raise.

    Raises:
        UsageError: there is no such model, it has no weights, or ``only`` is no face of it or stands beside ``parts``;
            or the kernel cannot do what is asked.
        ComponentError: there is no such kernel.
        RecipeError: its recipe has mistakes.
        StorageError: its files are damaged, or do not belong together; every tensor that does not fit is named.
    """
    if only is not None and only not in ("look", "draw"):
        raise UsageError(Problem(f"a model is opened to 'look' or to 'draw' only, not to '{only}'"))
    if only is not None and parts is not None:
        raise UsageError(Problem("'parts' and 'only' both say what to read", hint="give one of them"))
    folder = model_folder(name_or_folder)
    layout = format_of(folder).format
    plan = compose(layout.recipe(folder))
    number = str(dtype or torch.float32).removeprefix("torch.")
    asked = Asked(device=str(device), dtype=number, head_width=plan.hidden.head_width, cached=True)
    kernel = attention_for(attention, asked)
    keys = layout.keys(plan)
    files = layout.weights(folder)
    check_whole(files, about(folder).get("weights"))
    if only is not None:
        parts = ["backbone", *(name for name, shape in plan.pathways.items() if shape.mode == only)]
    modules = load_parts(plan, keys, files, device=device, dtype=dtype, parts=parts, quantize=quantize, on_size=on_size)
    model = UnifiedModel(plan, modules, Processor(plan, folder))
    model.attention = kernel
    return model.eval().requires_grad_(False)


def weights_in(folder: Path) -> tuple[Path, ...]:
    """The files that hold the weights of a model folder. Raises ``StorageError``."""
    return format_of(folder).format.weights(folder).files


def model_folder(name_or_folder: str | Path) -> Path:
    """The folder of a model.

    Raises ``UsageError`` where there is none, or where it has a recipe and no weights, saying how to get them.
    """
    models = registry().models()
    name = str(name_or_folder)
    if name in models:
        return models[name]
    folder = Path(name_or_folder)
    if folder.is_dir():
        if recognise(folder) is not None:
            return folder
        if (folder / "run.json").exists():
            raise UsageError(
                f"the run in {folder} is not finished; go on with: "
                f"janiform train {folder / 'recipe.toml'} --out {folder} --resume"
            )
        raise UsageError(unknown_layout(folder))
    if name in registry().recipes() or folder.suffix == ".toml":
        out = f"runs/{Path(name).stem}"
        raise UsageError(f"'{name}' has no weights; train it with: janiform train {name} --out {out}")
    raise UsageError(
        Problem(f"there is no model '{name}'", hint=nearest(name, models) or "give a model's name or its folder")
    )


def about(folder: Path) -> dict[str, Any]:
    """What ``model.json`` says; empty where there is none. Raises ``StorageError`` where it is damaged."""
    path = folder / "model.json"
    with explained("read", path):
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise StorageError(f"{path} is damaged: {error}") from error
    if not isinstance(said, dict):
        raise StorageError(f"{path} is damaged: it does not hold a table")
    return said


def check_whole(files: WeightFiles, recorded: Any) -> None:
    """Refuse files that are not those that ``model.json`` was written for."""
    if not isinstance(recorded, dict):
        return
    each = {files.files[0].name: recorded} if len(files.files) == 1 else recorded.get("files")
    total = 0
    for path in files.files:
        said = each.get(path.name) if isinstance(each, dict) else None
        if not isinstance(said, dict):
            continue
        with explained("read", path):
            size = path.stat().st_size
            total += size
            if size != said.get("bytes"):
                raise StorageError(
                    f"{path} has {size} bytes where {said.get('bytes')} were written: it is truncated or another file"
                )
            if total <= _DIGESTED_BYTES and file_digest(path) != said.get("sha256"):
                raise StorageError(f"{path} was altered: its digest is not the one that model.json records")
