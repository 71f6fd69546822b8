"""Reading other projects' JSON configs: every setting is checked, and every mistake is kept with its place."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from janiform import Origin, Problem, StorageError

CONFIG = "config.json"

LARGEST = 1 << 24
"""No width, side or vocabulary is larger; a config that says so is damaged."""

DEEPEST = 1024
"""No model has more layers."""


def model_type(folder: Path) -> str:
    """What ``config.json`` says the directory holds.

    A damaged one is searched for the words, so that the directory is recognised and its damage told.
    """
    try:
        text = (folder / CONFIG).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return next((name for name in ("multi_modality", "janus") if f'"{name}"' in text), "")
    return str(said.get("model_type", "")) if isinstance(said, dict) else ""


class Settings:
    """A table of a JSON file, read setting by setting.

    Whatever is wrong goes to ``problems``, which all tables of a directory share; a harmless value stands in for it.
    """

    def __init__(self, values: Mapping[str, Any], file: Path, problems: list[Problem], path: str = "") -> None:
        self.values = values
        self.file = file
        self.problems = problems
        self.path = path

    @classmethod
    def read(cls, file: Path, problems: list[Problem], *, optional: bool = False) -> Settings:
        """The table of a file; empty, and a problem unless it is optional, where there is none."""
        settings = cls({}, file, problems)
        try:
            said = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            if not optional:
                settings.wrong("", "is missing", "it belongs to the model: download it, beside the weights")
            return settings
        except OSError as error:
            settings.wrong("", f"cannot be read: {error.strerror}")
            return settings
        except (ValueError, RecursionError) as error:
            settings.wrong("", f"is damaged or no JSON: {error}")
            return settings
        if not isinstance(said, dict):
            settings.wrong("", "is damaged: it does not hold a table")
            return settings
        return cls(said, file, problems)

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def wrong(self, name: str, message: str, hint: str = "") -> None:
        place = ".".join(filter(None, [self.path, name]))
        self.problems.append(Problem(message, place, Origin(str(self.file)), hint))

    def table(self, name: str, *, optional: bool = False) -> Settings:
        value = self.values.get(name)
        if not isinstance(value, dict):
            if value is not None or not optional:
                self.wrong(name, "is missing" if value is None else f"is a table, not {_shown(value)}")
            value = {}
        return Settings(value, self.file, self.problems, ".".join(filter(None, [self.path, name])))

    def count(self, name: str, default: int | None = None, most: int = LARGEST) -> int:
        """A whole number from 1 up."""
        value = self._value(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            self.wrong(name, f"is a whole number from 1 to {most}, not {_shown(value)}")
            return default or 1
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """A finite number above 0."""
        value = self._value(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            self.wrong(name, f"is a number above 0, not {_shown(value)}")
            return default or 1.0
        return float(value)

    def text(self, name: str, default: str = "") -> str:
        """A text; a token that is written as a table gives its content."""
        value = self._value(name, default)
        if isinstance(value, dict):
            value = value.get("content")
        if not isinstance(value, str):
            self.wrong(name, f"is a text, not {_shown(value)}")
            return default
        return value

    def counts(self, name: str, default: Iterable[int] | None, most: int) -> tuple[int, ...]:
        """A list of whole numbers from 1 up, of at most so many."""
        value = self._value(name, default)
        right = isinstance(value, list | tuple) and 0 < len(value) <= most
        if not right or any(isinstance(item, bool) or not isinstance(item, int) or item < 1 for item in value):
            self.wrong(name, f"is a list of at most {most} whole numbers from 1 up, not {_shown(value)}")
            return (1,)
        return tuple(value)

    def colour(self, name: str) -> tuple[float, float, float]:
        """Three numbers from 0 to 1."""
        value = self._value(name, None)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = [value] * 3
        right = isinstance(value, list) and len(value) == 3
        if not right or not all(isinstance(item, int | float) and 0 <= item <= 1 for item in value):
            self.wrong(name, f"is a list of three numbers from 0 to 1, not {_shown(value)}")
            return (0.5, 0.5, 0.5)
        return (float(value[0]), float(value[1]), float(value[2]))

    def only(self, name: str, *allowed: Any, default: Any) -> None:
        """Complain about a setting of which janiform has these values only."""
        value = self.values.get(name, default)
        if value not in allowed:
            shown = " or ".join(_shown(one) for one in allowed)
            self.wrong(name, f"is {_shown(value)}, and this layout is read with {shown} only")

    def equal(self, name: str, other: int | None, what: str) -> None:
        """Complain about a setting that contradicts another, where it is given."""
        if name in self and self.values[name] != other:
            self.wrong(name, f"is {_shown(self.values[name])}, but {what} is {other}")

    def _value(self, name: str, default: Any) -> Any:
        value = self.values.get(name)
        return default if value is None else value


def finish(problems: list[Problem]) -> None:
    """Raises ``StorageError`` with the problems, if there are any."""
    if problems:
        raise StorageError(list(dict.fromkeys(problems)))


def _shown(value: Any) -> str:
    if value is None:
        return "missing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "…"
