"""Pictures in one folder per class, as in ImageNet."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from janiform import (
    Contents,
    Conversation,
    Epochs,
    Problem,
    StorageError,
    UsageError,
    nearest,
    parse_json,
    read_bounded,
    read_picture,
)
from numpy.typing import NDArray

from .config import ImageFolderConfig
from .paths import data_path
from .pictures import EXTENSIONS, captioned, choose
from .placeholders import checked_text


class ImageFolder:
    """Pictures by index. Raises ``UsageError`` without pictures, and where the file of names lacks a folder."""

    def __init__(self, config: ImageFolderConfig) -> None:
        self.config = config
        self.folder = data_path(config.folder)
        if not self.folder.is_dir():
            raise UsageError(f"there is no folder '{self.folder}'")
        with os.scandir(self.folder) as entries:
            folders = sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
        listed = {name: _pictures(self.folder / name) for name in folders}
        self._files = {name: files for name, files in listed.items() if len(files)}
        if not self._files:
            held = "no folders" if not folders else f"{len(folders)} folders without pictures"
            message = f"'{self.folder}' holds {held}; it should hold one folder of pictures per class"
            raise UsageError(Problem(message, hint=f"pictures have the extensions .{', .'.join(EXTENSIONS[:4])}, …"))
        self.classes = _named(list(self._files), data_path(config.names) if config.names else None)
        self._ends = np.cumsum([len(files) for files in self._files.values()])
        self._folders = list(self._files)
        self.epochs = Epochs(int(self._ends[-1]), config.seed, config.shuffle, config.limit)
        self.length = self.epochs.length

    def contents(self) -> Contents:
        """The number of pictures, in total and per class."""
        return Contents(int(self._ends[-1]), {name: len(files) for name, files in self._files.items()}, "pictures")

    def example(self, index: int) -> Conversation:
        """A picture, with the name of its class as its caption."""
        number = self.epochs.at(index)
        which = int(np.searchsorted(self._ends, number, side="right"))
        name = self._folders[which]
        row = number - (int(self._ends[which - 1]) if which else 0)
        place = self.folder / name
        picture = read_picture(place / os.fsdecode(bytes(self._files[name][row])))
        caption = choose(self.config.captions, self.config.seed, index).replace("{name}", self.classes[name])
        checked_text(caption, f"'{place}', whose name is the caption")
        return captioned(self.config, index, picture, caption)


_MAX_NAMES_BYTES = 64 << 20


def _pictures(folder: Path) -> NDArray[np.bytes_]:
    """The sorted names of the pictures in a folder, as an array: Python strings would take five times the memory."""
    with os.scandir(folder) as entries:
        names = [os.fsencode(entry.name) for entry in entries]
    wanted = tuple(f".{ending}".encode() for ending in EXTENSIONS)
    return np.array(sorted(name for name in names if name.lower().endswith(wanted)), np.bytes_)


def _named(folders: list[str], file: Path | None) -> dict[str, str]:
    """The name of each class, by its folder."""
    if file is None:
        return {folder: folder.replace("_", " ") for folder in folders}
    names = _read(file)
    unknown = [folder for folder in folders if folder not in names]
    if unknown:
        shown = ", ".join(f"'{folder}'" for folder in unknown[:5]) + (", …" if len(unknown) > 5 else "")
        message = f"'{file}' has no name for {len(unknown)} of {len(folders)} folders: {shown}"
        raise UsageError(Problem(message, hint=nearest(unknown[0], names)))
    return {folder: names[folder] for folder in folders}


def _read(file: Path) -> Mapping[str, str]:
    try:
        text = read_bounded(file, _MAX_NAMES_BYTES).decode("utf-8-sig")
        names = parse_json(text, unique_keys=True) if text.lstrip()[:1] == "{" else _lines(text, file)
    except OSError as error:
        raise UsageError(f"names: '{file}' cannot be read: {error.strerror}") from None
    except StorageError as error:
        raise UsageError(f"names: {error}") from None
    except ValueError as error:
        raise UsageError(f"names: '{file}' is neither JSON nor lines of UTF-8: {error}") from None
    wrong = [key for key, value in names.items() if not isinstance(value, str) or not value.strip(" ,")]
    if wrong:
        raise UsageError(f"names: '{file}' has no name for '{wrong[0]}'")
    return {key: value.partition(",")[0].strip() or value for key, value in names.items()}


def _lines(text: str, file: Path) -> dict[str, str]:
    names: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        key, _, name = line.strip().partition(" ") if "\t" not in line else line.strip().partition("\t")
        if not name.strip():
            raise UsageError(f"names: '{file}':{number} has no name after '{key}'")
        if names.setdefault(key, name.strip()) != name.strip():
            raise UsageError(f"names: '{file}':{number} gives '{key}' another name than a line before")
    return names
