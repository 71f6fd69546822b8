"""Paths in a recipe to files: braces, globs, and where relative paths start."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from janiform import Problem, UsageError

HOME = "JANIFORM_DATA"
"""The environment variable that names the folder at which relative paths start."""

MOST = 100_000
"""Paths that one pattern's braces may stand for."""

_SHOWN = 20
"""Problems that a report lists."""

_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:(//|\s*\S+\s)|pipe:", re.IGNORECASE)


def data_path(text: str) -> Path:
    """A path as a recipe has it: ``~`` is the home folder, and a relative one starts at ``$JANIFORM_DATA``, if that is
    set, or at the working directory."""
    path = Path(text).expanduser()
    home = os.environ.get(HOME)
    return path if path.is_absolute() or not home else Path(home).expanduser() / path


def files_of(patterns: Sequence[str]) -> list[Path]:
    """The files that patterns stand for, each once, those of a glob in the order of their names.

    Raises ``UsageError`` with every pattern that matches nothing, and every path that is no file.
    """
    found: dict[Path, None] = {}
    problems: list[Problem] = []
    for pattern in patterns:
        try:
            for path in _matches(pattern):
                found[path] = None
        except UsageError as error:
            problems += error.problems
    raise_all(problems)
    return list(found)


def sizes_of(files: Sequence[Path]) -> dict[str, int]:
    """Bytes of files by their names below the folder that they have in common."""
    top = Path(os.path.commonpath([path.parent for path in files]))
    return {path.relative_to(top).as_posix(): path.stat().st_size for path in files}


def raise_all(problems: Sequence[Problem]) -> None:
    """Raise ``UsageError`` with the problems, as many as a person reads, if there are any."""
    if len(problems) > _SHOWN:
        more = Problem(f"and {len(problems) - _SHOWN} more like these")
        problems = [*problems[:_SHOWN], more]
    if problems:
        raise UsageError(problems)


def _matches(pattern: str) -> Iterator[Path]:
    if _ADDRESS.match(pattern):
        raise UsageError(
            Problem(
                f"'{pattern}' is an address, and nothing is fetched",
                hint="copy it to a disk, and give the path of the copy",
            )
        )
    problems = []
    for text in expanded(pattern):
        path = data_path(text)
        if glob.has_magic(text):
            found = glob.glob(str(path), recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
            matching = [Path(match) for match in sorted(found) if Path(match).is_file()]
            yield from matching
            if not matching:
                problems.append(Problem(f"no file matches '{path}'", hint=_start(text)))
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
    home = os.environ.get(HOME)
    return f"relative paths start at {HOME}={home}" if home else f"relative paths start at {Path.cwd()}, or at ${HOME}"


def expanded(pattern: str) -> list[str]:
    """The texts that a pattern with braces stands for, as in a shell: ``x-{00..12}.tar``, ``{train,val}/*.json``.

    Raises ``UsageError`` where they are too many.
    """
    texts = [""]
    for choices in _pieces(pattern):
        if len(texts) * len(choices) > MOST:
            raise UsageError(f"'{pattern}' stands for more than {MOST} paths")
        texts = [text + choice for text in texts for choice in choices]
    return texts


def _pieces(pattern: str) -> Iterator[list[str]]:
    """What a pattern is made of, from left to right: for each piece what it may be."""
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
        if abs(last - first) >= MOST:
            raise UsageError(f"'{pattern}' stands for more than {MOST} paths")
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
    for place in range(opening, len(pattern)):
        depth += {"{": 1, "}": -1}.get(pattern[place], 0)
        if depth == 0:
            return place
    return -1


def _split(inside: str) -> list[str]:
    """At the commas that stand in no inner braces."""
    parts, depth = [""], 0
    for letter in inside:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts
