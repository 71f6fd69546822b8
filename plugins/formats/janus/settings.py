"""JSON config files of other projects: every setting is checked, and every error is collected with its path."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from janiform import Origin, Problem, StorageError, parse_json, read_bounded

CONFIG = "config.json"

TYPES = ("multi_modality", "janus", "chameleon", "emu3", "Emu3")
"""Values of ``model_type`` that a format reads."""

MAX_BYTES = 128 << 20
"""Maximum size of a file."""

LARGEST = 1 << 24
"""Maximum of widths, sides and vocabularies; a config with a larger one is damaged."""

MAX_LAYERS = 1024
"""Maximum number of layers."""


def model_type(folder: Path) -> str:
    """The ``model_type`` in the ``config.json`` of a directory, or an empty text.

    A damaged file is searched for known types, so that the directory is recognised and the damage reported.
    """
    try:
        data = read_bounded(folder / CONFIG)
    except (OSError, StorageError):
        return ""
    try:
        config = parse_json(data)
    except ValueError:
        return next((name for name in TYPES if f'"{name}"'.encode() in data), "")
    return str(config.get("model_type", "")) if isinstance(config, dict) else ""


def is_janusflow(folder: Path) -> bool:
    """Whether the ``config.json`` of a directory, which may be damaged, has the table of JanusFlow's encoder."""
    try:
        return b'"vision_gen_enc_config"' in read_bounded(folder / CONFIG)
    except (OSError, StorageError):
        return False


def is_show_o(folder: Path) -> bool:
    """Whether the ``config.json`` of a directory, which may be damaged, has the settings of Show-o's class."""
    try:
        data = read_bounded(folder / CONFIG)
    except (OSError, StorageError):
        return False
    return b'"llm_vocab_size"' in data and b'"num_vq_tokens"' in data


class Settings:
    """A table of a JSON file, read setting by setting.

    Errors are added to ``problems``, which all tables of a directory share, and a valid value is returned instead.
    """

    def __init__(self, values: Mapping[str, Any], file: Path, problems: list[Problem], path: str = "") -> None:
        self.values = values
        self.file = file
        self.problems = problems
        self.path = path

    @classmethod
    def read(
        cls, file: Path, problems: list[Problem], *, optional: bool = False, max_bytes: int = MAX_BYTES
    ) -> Settings:
        """The table of a file. A missing file gives an empty table, and a problem unless it is optional."""
        settings = cls({}, file, problems)
        try:
            values = parse_json(read_bounded(file, max_bytes))
        except FileNotFoundError:
            if not optional:
                settings.wrong(
                    "", "is missing", "download it from the model's repository, into the directory of the weights"
                )
            return settings
        except OSError as error:
            settings.wrong("", f"cannot be read: {error.strerror}")
            return settings
        except StorageError as error:
            problems.extend(error.problems)
            return settings
        except ValueError as error:
            settings.wrong("", f"is not valid JSON: {error}")
            return settings
        if not isinstance(values, dict):
            settings.wrong("", "does not hold a JSON object")
            return settings
        return cls(values, file, problems)

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def wrong(self, name: str, message: str, hint: str = "") -> None:
        """Add a problem with a setting, or with the table where the name is empty."""
        path = ".".join(filter(None, [self.path, name]))
        self.problems.append(Problem(message, path, Origin(str(self.file)), hint))

    def table(self, name: str, *, optional: bool = False) -> Settings:
        value = self.values.get(name)
        if not isinstance(value, dict):
            if value is not None or not optional:
                self.wrong(name, "is missing" if value is None else f"must be a table, not {_shown(value)}")
            value = {}
        return Settings(value, self.file, self.problems, ".".join(filter(None, [self.path, name])))

    def count(self, name: str, default: int | None = None, most: int = LARGEST) -> int:
        """A whole number from 1 up."""
        value = self._value(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            self.wrong(name, f"must be a whole number from 1 to {most}, not {_shown(value)}")
            return default or 1
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """A finite number above 0."""
        value = self._value(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            self.wrong(name, f"must be a number above 0, not {_shown(value)}")
            return default or 1.0
        return float(value)

    def text(self, name: str, default: str = "") -> str:
        """A text; of a token that is written as a table, its content."""
        value = self._value(name, default)
        if isinstance(value, dict):
            value = value.get("content")
        if not isinstance(value, str):
            self.wrong(name, f"must be a text, not {_shown(value)}")
            return default
        return value

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self._value(name, default)
        if not isinstance(value, bool):
            self.wrong(name, f"must be true or false, not {_shown(value)}")
            return default
        return value

    def counts(self, name: str, default: Iterable[int] | None, most: int) -> tuple[int, ...]:
        """A list of at most ``most`` whole numbers from 1 up."""
        value = self._value(name, default)
        valid = isinstance(value, list | tuple) and 0 < len(value) <= most
        if not valid or any(isinstance(item, bool) or not isinstance(item, int) or item < 1 for item in value):
            self.wrong(name, f"must be a list of at most {most} whole numbers from 1 up, not {_shown(value)}")
            return (1,)
        return tuple(value)

    def colour(self, name: str) -> tuple[float, float, float]:
        """Three numbers from 0 to 1."""
        value = self._value(name, None)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = [value] * 3
        valid = isinstance(value, list) and len(value) == 3
        if not valid or not all(isinstance(item, int | float) and 0 <= item <= 1 for item in value):
            self.wrong(name, f"must be a list of three numbers from 0 to 1, not {_shown(value)}")
            return (0.5, 0.5, 0.5)
        return (float(value[0]), float(value[1]), float(value[2]))

    def only(self, name: str, *allowed: Any, default: Any) -> None:
        """Add a problem where a setting has another value than the ones that janiform supports."""
        value = self.values.get(name, default)
        if value not in allowed:
            supported = " or ".join(map(_shown, allowed))
            self.wrong(name, f"is {_shown(value)}, but janiform supports {supported} only")

    def equal(self, name: str, other: int | None, what: str) -> None:
        """Add a problem where a setting is given and contradicts another."""
        if name in self and self.values[name] != other:
            self.wrong(name, f"is {_shown(self.values[name])}, but {what} is {other}")

    def _value(self, name: str, default: Any) -> Any:
        value = self.values.get(name)
        return default if value is None else value


def finish(problems: list[Problem]) -> None:
    """Raise ``StorageError`` with the problems, if there are any."""
    if problems:
        raise StorageError(list(dict.fromkeys(problems)))


def _shown(value: Any) -> str:
    if value is None:
        return "missing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"
