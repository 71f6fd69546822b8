"""The folder of a model from what people type: a name, a folder, a name on the hub; or why there is none."""

from __future__ import annotations

from pathlib import Path

from ..components.registry import registry
from ..errors import Problem, StorageError, UsageError, nearest
from ..recipe.paths import hub_name, is_folder
from ..weights import shortened
from .formats import recognise, unknown_layout
from .hub import cache_folder, cached, cached_models, snapshot_in
from .json_files import read_json

ADAPTER_CONFIG = "adapter_config.json"
"""The file that tells a folder of peft adapters."""

WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf")
"""Suffixes of files that hold weights."""


def model_folder(name_or_folder: str | Path) -> Path:
    """The folder of a model.

    Raises ``UsageError`` where there is none, or where a recipe has no weights, with the command that trains them.
    """
    models = registry().models()
    name = str(name_or_folder)
    if (shipped := registry().model(name)) is not None:
        return shipped
    folder = Path(name_or_folder)
    if is_folder(folder):
        return whole_model(folder)
    if name in registry().recipes() or folder.suffix == ".toml":
        out = f"runs/{Path(name).stem}"
        raise UsageError(f"'{name}' has no weights; train it with: janiform train {name} --out {out}")
    check_not_file(folder)
    if hub_name(name):
        return hub_model(name)
    raise UsageError(Problem(f"there is no model '{shortened(name)}'", hint=_similar(name, models)))


def whole_model(folder: Path) -> Path:
    """The folder, or the snapshot in a folder of the hub's cache. Raises ``UsageError`` where it is not a model."""
    model = snapshot_in(folder)
    if recognise(model) is not None:
        return model
    if (model / "run.json").exists():
        raise UsageError(
            f"the run in {model} is not finished; resume it with: "
            f"janiform train {model / 'recipe.toml'} --out {model} --resume"
        )
    raise UsageError(unusable(model))


def unusable(folder: Path) -> Problem:
    """Why a folder is not a model, and what would be right."""
    links = [path for path in sorted(folder.iterdir()) if path.is_symlink() and not path.exists()]
    if links:
        target = shortened(str(links[0].readlink()))
        message = f"{folder}: {links[0].name} is a link to {target}, which does not exist"
        return Problem(message, hint="the download may be incomplete, or was copied without the files that it links to")
    if (folder / ADAPTER_CONFIG).is_file():
        base = read_json(folder / ADAPTER_CONFIG).get("base_model_name_or_path")
        base = base if isinstance(base, str) and base else "MODEL"
        command = f"janiform convert {base} NEW --to FORMAT --adapters {folder}"
        return Problem(f"{folder} holds low-rank adapters, not a whole model", hint=f"merge them with: {command}")
    for cache in (folder, folder / "hub"):
        if names := cached_models(cache):
            message = f"{folder} is a cache of the Hugging Face hub, not a model"
            return Problem(message, hint=f"give one of the models in it: {', '.join(names[:20])}")
    inside = [path for path in sorted(folder.iterdir())[:1000] if path.is_dir() and recognise(path) is not None]
    if inside:
        return Problem(f"{folder} is not a model, but holds some", hint=f"give one of them: {_listed(inside)}")
    if (folder / "config.json").is_file():
        try:
            read_json(folder / "config.json")
        except StorageError as error:
            return error.problems[0]
    problem = unknown_layout(folder)
    if any(path.suffix in WEIGHTS for path in folder.iterdir()) and not (folder / "config.json").exists():
        return Problem(f"{problem.message}: it has files of weights, but no config.json", hint=problem.hint)
    return problem


def check_not_file(path: Path) -> None:
    """Raise ``UsageError`` where a path is that of a file, or of a link to nothing."""
    try:
        is_file, is_link = path.exists(), path.is_symlink()
    except (OSError, ValueError):
        return
    if is_link and not is_file:
        raise UsageError(f"'{path}' is a link to {shortened(str(path.readlink()))}, which does not exist")
    if is_file and path.suffix != ".toml":
        kind = "a file of weights" if path.suffix in WEIGHTS else "a file"
        parent = path.absolute().parent
        hint = f"give its folder: {path.parent}" if recognise(parent) is not None else "give a folder with its config"
        raise UsageError(Problem(f"'{path}' is {kind}, and a model is a folder", hint=hint))


def hub_model(text: str) -> Path:
    """The cached snapshot of a model on the hub. Raises ``UsageError`` where there is none, with how to fetch it."""
    model = hub_snapshot(text)
    if recognise(model) is None:
        problem = unusable(model)
        raise UsageError(Problem(problem.message, hint="; ".join(filter(None, [problem.hint, _fetch(text)]))))
    return model


def hub_snapshot(text: str) -> Path:
    """The cached snapshot of any repository on the hub, a model or not. Raises as ``hub_model``."""
    folder = cached(hub_name(text))
    if not is_folder(folder):
        message = f"there is no model '{text}': neither a folder of this name, nor {folder} in the hub's cache"
        raise UsageError(Problem(message, hint=f"{_fetch(text)}; then it opens by this name"))
    return snapshot_in(folder)


def _fetch(text: str) -> str:
    return f"if it is a model on huggingface.co, fetch it with: hf download {hub_name(text)}"


def _similar(name: str, models: dict[str, Path]) -> str:
    on_hub = [full for full in cached_models(cache_folder()) if full.rpartition("/")[2].lower() == name.lower()]
    if on_hub:
        return f"did you mean {' or '.join(map(repr, on_hub))}, in the hub's cache?"
    return nearest(name, models) or "give a model's name or its folder"


def _listed(paths: list[Path]) -> str:
    return ", ".join(map(str, paths[:20]))
