"""Paths in recipes. A relative path starts at the folder of its file, or at the working directory of an override.

Paths are made absolute when a recipe is read, so that the copy in a run's folder names the same files.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import attrs

from ..errors import Origin
from .tree import Leaf, Table

PATH = "path"
"""Key in the metadata of a config's field whose string is a path, or empty."""

_NAME = r"([\w][\w.-]{0,95}/[\w][\w.-]{0,95})"
_HUB_NAME = re.compile(rf"(?:(?:https?://(?:www\.)?(?:huggingface|hf)\.co/|hf://){_NAME}(?:/tree/main)?|{_NAME})/?")


def hub_name(text: str) -> str:
    """The name of a model on the hub, ``deepseek-ai/Janus-Pro-1B``, of a name or URL; empty for other texts."""
    match = _HUB_NAME.fullmatch(text)
    name = (match[1] or match[2]) if match else ""
    return "" if name.endswith((".toml", ".safetensors", ".bin", ".json")) else name


def absolute_path(text: str, origin: Origin) -> str:
    """The absolute path of a path that was written at an origin."""
    absolute = text.startswith("~") or Path(text).is_absolute()
    return text if origin.folder is None or absolute or not text.strip() else str((origin.folder / text).absolute())


def folder_or_hub_name(text: str, origin: Origin) -> str:
    """As ``absolute_path``; a name of a model on the hub is kept where no folder has that path."""
    path = absolute_path(text, origin)
    return text if hub_name(text) and not is_folder(Path(path)) else path


def user_path(text: str) -> Path:
    """The path that a user wrote, with ``~`` as the home directory where that is known."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # "~name" of a user that does not exist
        return Path(text)


def is_folder(path: Path) -> bool:
    """Whether there is a folder at a path; False for texts that cannot be names of files."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def with_paths(config: type[Any], settings: Table) -> Table:
    """The settings of a component, with absolute paths."""
    entries = dict(settings.entries)
    for attribute in attrs.fields(config):
        name = attribute.alias or attribute.name
        node = entries.get(name)
        if attribute.metadata.get(PATH) and isinstance(node, Leaf) and isinstance(node.value, str):
            entries[name] = Leaf(absolute_path(node.value, node.origin), node.origin)
    return Table(entries, settings.origin)
