"""Names of a part's tensors in files of other projects, as plain data without torch.

A part's weights module has one ``KeyMap`` per format with the part. It is used in both directions: to open a model, and
to write one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any

import attrs
from attrs import field, frozen

_HOLE = re.compile(r"\\\{(\w+)\\\}")


_MOST_LISTED = 100
"""Groups of names that one sentence gives; a model's own names have some thirty."""

_LONGEST = 200


@frozen
class Piece:
    """One tensor in the files: its name and shape there, and the rows of the part's tensor in it (None: all)."""

    name: str
    shape: tuple[int, ...]
    rows: slice | None = None


@frozen
class KeyMap:
    """One format's names for the tensors of one part.

    ``names``: name in the part -> name in the files; the first match counts. Several names in the files are stacked, in
    that order, along the first dimension. ``{i}`` stands for one segment of a name, ``{rest}`` for any number of them:
    ``{"blocks.{i}.{rest}": "encoder.layers.{i}.{rest}"}``.
    ``prefix``: prefix of all names in the files.
    ``shares``: name in the part -> the proportions of the stacked tensors; equal by default.
    ``squeezed``: patterns of names in the part whose first dimension is 1 and is left out in the files.
    ``matrices``: patterns of names in the part of 1×1 convolutions that are matrices in the files.
    ``stacks``: patterns of names in the part of matrices below one another -> their number n, where the files have one
    tensor [n, rows, columns] for them.
    ``unused``: patterns of names in the files, without the prefix, that are left out on purpose -> the reason.
    ``own``: patterns of names in the part that the files never have, and that keep their initial value.
    ``within``: prefixes of the part's names in the files, after ``prefix``; other names belong to other parts.
    ``repeats``: names in the files, without the prefix -> the name of the tensor that they may repeat, as a tied text
    head does.
    """

    names: Mapping[str, str | tuple[str, ...]]
    prefix: str = ""
    shares: Mapping[str, tuple[int, ...]] = field(factory=dict)
    squeezed: tuple[str, ...] = ()
    matrices: tuple[str, ...] = ()
    stacks: Mapping[str, int] = field(factory=dict)
    unused: Mapping[str, str] = field(factory=dict)
    own: tuple[str, ...] = ()
    within: tuple[str, ...] = ("",)
    repeats: Mapping[str, str] = field(factory=dict)

    def below(self, prefix: str) -> KeyMap:
        """The same map with another prefix."""
        return attrs.evolve(self, prefix=prefix)

    def in_files(self, name: str) -> tuple[str, ...] | None:
        """The names in the files for a tensor of the part; None where the map has none."""
        for own_pattern, pattern in self.names.items():
            if (match := _regex(own_pattern).fullmatch(name)) is not None:
                patterns = (pattern,) if isinstance(pattern, str) else pattern
                return tuple(self.prefix + piece.format(**match.groupdict()) for piece in patterns)
        return None

    def pieces(self, name: str, shape: Iterable[int]) -> tuple[Piece, ...] | None:
        """The tensors in the files that a tensor of this name and shape consists of; None where the map has none.

        Raises ``ValueError`` where the shape does not divide into the pieces.
        """
        shape = tuple(shape)
        names = self.in_files(name)
        if names is None:
            return None
        if len(names) == 1:
            if count := next((n for pattern, n in self.stacks.items() if _regex(pattern).fullmatch(name)), 0):
                return (Piece(names[0], (count, shape[0] // count, *shape[1:])),)
            first = 1 if _matches(name, self.squeezed) else 0
            return (Piece(names[0], shape[first:2] if _matches(name, self.matrices) else shape[first:]),)
        shares = next((shares for pattern, shares in self.shares.items() if _regex(pattern).fullmatch(name)), None)
        shares = shares or (1,) * len(names)
        unit, rest = divmod(shape[0], sum(shares)) if shape else (0, 1)
        if rest or len(shares) != len(names):
            raise ValueError(
                f"{name} of shape {list(shape)} cannot be divided into {len(names)} pieces in proportions {shares}"
            )
        made, start = [], 0
        for piece, share in zip(names, shares, strict=True):
            made.append(Piece(piece, (share * unit, *shape[1:]), slice(start, start + share * unit)))
            start += share * unit
        return tuple(made)

    def covers(self, name: str) -> bool:
        """Whether a tensor in the files can only belong to this part."""
        return name.startswith(tuple(self.prefix + begin for begin in self.within))

    def is_own(self, name: str) -> bool:
        """Whether the part's tensor of this name is never in the files."""
        return _matches(name, self.own)

    def why_unused(self, name: str) -> str:
        """The reason why a tensor in the files is left out on purpose; empty where it is not."""
        if not name.startswith(self.prefix):
            return ""
        short = name.removeprefix(self.prefix)
        return next((why for pattern, why in self.unused.items() if _regex(pattern).fullmatch(short)), "")

    def repeated(self, name: str) -> str:
        """The name of the tensor that one in the files may repeat; empty where there is none."""
        if not name.startswith(self.prefix):
            return ""
        other = self.repeats.get(name.removeprefix(self.prefix), "")
        return self.prefix + other if other else ""


@frozen
class Released:
    """How other projects publish a part's weights, alone or within a larger model.

    ``keys``: the part's config -> its names in known directories, preferred ones first; below the prefix of an entry
    every tensor must be the part's.
    ``differences``: the part's config and the ``config.json`` beside the weights -> name of a setting that differs ->
    the recipe's value and the file's. Only settings that change the meaning of weights of the same shapes count. It
    raises ``ValueError`` with a sentence where the file describes another type of model.
    ``files``: names of files of weights that a directory may hold instead of those with the usual names.
    """

    keys: Callable[[Any], Sequence[KeyMap]]
    differences: Callable[[Any, Mapping[str, Any]], Mapping[str, tuple[Any, Any]]] | None = None
    files: tuple[str, ...] = ()


def listed(names: Iterable[str]) -> str:
    """Names in a sentence; names that differ in numbers only are grouped, and of very many groups the first are given.

    ``layers.0.norm, layers.1.norm, head`` -> ``layers.*.norm (2), head``.
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(re.sub(r"(?<=\.)\d+(?=\.|$)", "*", name), []).append(name)
    shown = [
        shortened(some[0]) if len(some) == 1 else f"{shortened(pattern)} ({len(some)})"
        for pattern, some in islice(groups.items(), _MOST_LISTED)
    ]
    more = sum(map(len, islice(groups.values(), _MOST_LISTED, None)))
    return ", ".join(shown) + (f" and {more} more" if more else "")


def shortened(name: str) -> str:
    """A name in a sentence, cut where it is very long."""
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    def hole(match: re.Match[str]) -> str:
        return f"(?P<{match[1]}>.+)" if match[1] == "rest" else f"(?P<{match[1]}>[^.]+)"

    return re.compile(_HOLE.sub(hole, re.escape(pattern)))


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(_regex(pattern).fullmatch(name) for pattern in patterns)
