"""Paths of data files in a recipe: braces, globs, and the start of relative paths."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from janiform import Problem, UsageError

DATA_VARIABLE = "JANIFORM_DATA"
"""The environment variable with the folder at which relative paths start."""

MAX_PATHS = 100_000
"""Maximum number of paths that the braces of one pattern expand to."""

_SHOWN = 20
"""Maximum number of problems that an error lists."""

_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:(//|\s*\S+\s)|pipe:", re.IGNORECASE)


def data_path(text: str) -> Path:
    """The file of a path in a recipe: ``~`` is the home folder; relative paths start at ``$JANIFORM_DATA`` where it is
    set, else at the working directory."""
    path = Path(text).expanduser()
    data = os.environ.get(DATA_VARIABLE)
    return path if path.is_absolute() or not data else Path(data).expanduser() / path


def files_of(patterns: Sequence[str], files_in: Callable[[Path], list[Path]] | None = None) -> list[Path]:
    """The files that patterns match, without repetition, those of a glob sorted by name.

    ``files_in`` gives the files that a folder stands for, or none; without it a folder is refused.

    Raises ``UsageError`` with every pattern that matches nothing, and every path that is not a file.
    """
    files: dict[Path, None] = {}
    problems: list[Problem] = []
    for pattern in patterns:
        try:
            for path in _matches(pattern, files_in):
                files[path] = None
        except UsageError as error:
            problems += error.problems
    raise_all(problems)
    return list(files)


def sizes_of(files: Sequence[Path]) -> dict[str, int]:
    """Sizes of files in bytes, by their paths below their common folder."""
    top = Path(os.path.commonpath([path.parent for path in files]))
    return {path.relative_to(top).as_posix(): path.stat().st_size for path in files}


def raise_all(problems: Sequence[Problem]) -> None:
    """Raise ``UsageError`` with the first problems and the number of the others, if there are any."""
    if len(problems) > _SHOWN:
        more = Problem(f"and {len(problems) - _SHOWN} more like these")
        problems = [*problems[:_SHOWN], more]
    if problems:
        raise UsageError(problems)


def _matches(pattern: str, files_in: Callable[[Path], list[Path]] | None) -> Iterator[Path]:
    if _ADDRESS.match(pattern):
        raise UsageError(
            Problem(
                f"'{pattern}' is an address, and janiform does not download data",
                hint="download it, and give the path of the copy",
            )
        )
    problems = []
    for text in expanded(pattern):
        path = data_path(text)
        if glob.has_magic(text):
            matches = glob.glob(str(path), recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
            files = [Path(match) for match in sorted(matches) if Path(match).is_file()]
            yield from files
            if not files:
                problems.append(Problem(f"no file matches '{path}'", hint=_start(text)))
        elif path.is_dir() and files_in is not None and (files := files_in(path)):
            yield from files
        elif path.is_dir():
            problems.append(Problem(f"'{path}' is a folder", hint=f"write '{text.rstrip('/')}/*' for the files in it"))
        elif not path.is_file():
            problems.append(Problem(f"there is no file '{path}'", hint=_start(text)))
        else:
            yield path
    if problems:
        raise UsageError(problems)


def _start(text: str) -> str:
    if Path(text).expanduser().is_absolute():
        return ""
    if data := os.environ.get(DATA_VARIABLE):
        return f"relative paths start at {DATA_VARIABLE}={data}"
    return f"relative paths start at {Path.cwd()}, or at ${DATA_VARIABLE}"


def expanded(pattern: str) -> list[str]:
    """The texts that a pattern with braces expands to, as in a shell: ``x-{00..12}.tar``, ``{train,val}/*.json``.

    Raises ``UsageError`` for more than ``MAX_PATHS``.
    """
    texts = [""]
    for choices in _pieces(pattern):
        if len(texts) * len(choices) > MAX_PATHS:
            raise UsageError(f"'{pattern}' stands for more than {MAX_PATHS} paths")
        texts = [text + choice for text in texts for choice in choices]
    return texts


def _pieces(pattern: str) -> Iterator[list[str]]:
    """The alternatives for each piece of a pattern, from left to right."""
    start = 0
    while (opening := pattern.find("{", start)) >= 0:
        closing = _closing(pattern, opening)
        if closing < 0:
            break
        yield [pattern[start:opening]]
        yield _choices(pattern[opening + 1 : closing], pattern)
        start = closing + 1
    yield [pattern[start:]]


def _choices(inside: str, pattern: str) -> list[str]:
    if match := _RANGE.fullmatch(inside):
        first, last = int(match[1]), int(match[2])
        if abs(last - first) >= MAX_PATHS:
            raise UsageError(f"'{pattern}' stands for more than {MAX_PATHS} paths")
        padded = any(re.match(r"-?0\d", end) for end in match.groups())
        width = max(map(len, match.groups())) if padded else 0
        step = 1 if first <= last else -1
        return [f"{number:0{width}d}" for number in range(first, last + step, step)]
    parts = _split(inside)
    if len(parts) == 1:
        return [f"{{{text}}}" for text in expanded(inside)]
    return [text for part in parts for text in expanded(part)]


def _closing(pattern: str, opening: int) -> int:
    depth = 0
    for index in range(opening, len(pattern)):
        depth += {"{": 1, "}": -1}.get(pattern[index], 0)
        if depth == 0:
            return index
    return -1


def _split(inside: str) -> list[str]:
    """Split at the commas outside of inner braces."""
    parts, depth = [""], 0
    for letter in inside:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts
