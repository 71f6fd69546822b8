"""The cache of the Hugging Face hub: where it keeps models, and the snapshot of a model in it. Nothing is downloaded.

The cache holds ``models--OWNER--NAME/snapshots/COMMIT`` for every model, and the commits by name below ``refs``.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..errors import Problem, UsageError
from ..recipe.paths import is_folder


def cache_folder() -> Path:
    """The folder of the cache: of ``HF_HUB_CACHE``, else below ``HF_HOME``, else below the user's cache."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if folder := os.environ.get(name):
            return Path(os.path.expandvars(folder)).expanduser()
    home = os.environ.get("HF_HOME")
    user = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expandvars(home) if home else f"{user}/huggingface").expanduser() / "hub"


def cached_models(cache: Path) -> list[str]:
    """The names of the models in a cache."""
    folders = sorted(cache.glob("models--*--*")) if is_folder(cache) else []
    return [folder.name.removeprefix("models--").replace("--", "/", 1) for folder in folders]


def cached(name: str) -> Path:
    """The folder in which the cache keeps a model, if it is there."""
    return cache_folder() / f"models--{name.replace('/', '--')}"


def in_snapshot(folder: Path) -> bool:
    """Whether a folder is a snapshot in a cache of the hub, or lies in one; a link counts as what it points to."""
    chain = (folder.resolve(), *folder.resolve().parents)
    return any(path.parent.name == "snapshots" and path.parent.parent.name.startswith("models--") for path in chain)


def snapshot_in(folder: Path) -> Path:
    """The snapshot in a model's folder of the cache, or any other folder itself.

    It is that of ``refs/main``, or else the only one. Raises ``UsageError`` where there is none, or more than one.
    """
    if not is_folder(folder / "snapshots") or not folder.name.startswith("models--"):
        return folder
    try:
        commit = (folder / "refs" / "main").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        commit = ""
    if re.fullmatch(r"[\w.-]+", commit) and is_folder(folder / "snapshots" / commit):
        return folder / "snapshots" / commit
    snapshots = sorted(path for path in (folder / "snapshots").iterdir() if path.is_dir())
    if len(snapshots) == 1:
        return snapshots[0]
    name = folder.name.removeprefix("models--").replace("--", "/", 1)
    if not snapshots:
        raise UsageError(Problem(f"{folder} holds no snapshot of {name}", hint=f"fetch it with: hf download {name}"))
    paths = ", ".join(map(str, snapshots))
    raise UsageError(Problem(f"{folder} holds {len(snapshots)} snapshots of {name}", hint=f"give one of them: {paths}"))
