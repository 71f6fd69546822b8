"""How the tensors of other projects' files are named, and where they lie in a part's own. Torch-free, and plain data.

A part's ``weights.py`` holds one ``KeyMap`` for each layout that knows the part. It is read in both directions: from
the files when a model is opened, into files when one is written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import attrs
from attrs import field, frozen

_HOLE = re.compile(r"\\\{(\w+)\\\}")


@frozen
class Piece:
    """One tensor in the files: its name there, its shape there, and the rows of ours that it is (None for all)."""

    name: str
    shape: tuple[int, ...]
    rows: slice | None = None


@frozen
class KeyMap:
    """One layout's names for the tensors of one part.

    ``names``: our name -> theirs, the first that matches. Several of theirs are stacked, in that order, along the first
    dimension. A hole ``{i}`` stands for one segment of a name, and ``{rest}`` for any number of them:
    ``{"blocks.{i}.{rest}": "encoder.layers.{i}.{rest}"}``.
    ``prefix``: what all of theirs begin with.
    ``shares``: our name -> the proportions of the stacked ones; they are equal where nothing is said.
    ``squeezed``: patterns of our names whose first dimension is 1 and is left out in the files.
    ``unused``: patterns of names in their files, without the prefix, that are left out on purpose -> the reason why.
    ``own``: patterns of our names that their files never have, and that keep their first value.
    ``within``: what the part's names in the files begin with, without the prefix; others there are of other parts.
    ``repeats``: names in their files, without the prefix -> the name whose tensor they may repeat, as a tied text head
    does.
    """

    names: Mapping[str, str | tuple[str, ...]]
    prefix: str = ""
    shares: Mapping[str, tuple[int, ...]] = field(factory=dict)
    squeezed: tuple[str, ...] = ()
    unused: Mapping[str, str] = field(factory=dict)
    own: tuple[str, ...] = ()
    within: tuple[str, ...] = ("",)
    repeats: Mapping[str, str] = field(factory=dict)

    def below(self, prefix: str) -> KeyMap:
        """The same map for files in which the part's names begin with another prefix."""
        return attrs.evolve(self, prefix=prefix)

    def theirs(self, name: str) -> tuple[str, ...] | None:
        """Their names for our tensor; None where the map does not know it."""
        for ours, pattern in self.names.items():
            if (match := _regex(ours).fullmatch(name)) is not None:
                patterns = (pattern,) if isinstance(pattern, str) else pattern
                return tuple(self.prefix + piece.format(**match.groupdict()) for piece in patterns)
        return None

    def pieces(self, name: str, shape: Iterable[int]) -> tuple[Piece, ...] | None:
        """The tensors in the files that ours of this name and shape is made of; None where the map does not know it.

        Raises ``ValueError`` where the shape does not divide into the pieces.
        """
        shape = tuple(shape)
        theirs = self.theirs(name)
        if theirs is None:
            return None
        if len(theirs) == 1:
            return (Piece(theirs[0], shape[1:] if _matches(name, self.squeezed) else shape),)
        shares = next((shares for ours, shares in self.shares.items() if _regex(ours).fullmatch(name)), None)
        shares = shares or (1,) * len(theirs)
        unit, rest = divmod(shape[0], sum(shares)) if shape else (0, 1)
        if rest or len(shares) != len(theirs):
            raise ValueError(f"{name} of shape {list(shape)} does not divide into {len(theirs)} pieces as {shares}")
        made, start = [], 0
        for piece, share in zip(theirs, shares, strict=True):
            made.append(Piece(piece, (share * unit, *shape[1:]), slice(start, start + share * unit)))
            start += share * unit
        return tuple(made)

    def covers(self, name: str) -> bool:
        """Whether a tensor of their files can only be of this part."""
        return name.startswith(tuple(self.prefix + begin for begin in self.within))

    def is_own(self, name: str) -> bool:
        """Whether our tensor of this name is never in their files."""
        return _matches(name, self.own)

    def why_unused(self, name: str) -> str:
        """Why a tensor of their files is left out on purpose; empty where it is not."""
        if not name.startswith(self.prefix):
            return ""
        short = name.removeprefix(self.prefix)
        return next((why for pattern, why in self.unused.items() if _regex(pattern).fullmatch(short)), "")

    def repeated(self, name: str) -> str:
        """The name of the tensor that theirs of this name may repeat; empty where there is none."""
        if not name.startswith(self.prefix):
            return ""
        other = self.repeats.get(name.removeprefix(self.prefix), "")
        return self.prefix + other if other else ""


@frozen
class Released:
    """How a part's weights are published by other projects, alone or with more around them.

    ``keys``: the part's config -> its names in the directories that are about, the first ones preferred: below the
    prefix of an entry every tensor must be the part's.
    ``differences``: the part's config and what the ``config.json`` beside the weights says -> the settings that differ,
    by name, each with the recipe's value and the file's. Only what makes weights of the right shapes mean something
    else must be looked at. It raises ``ValueError`` with a sentence where the file is of another kind of model.
    """

    keys: Callable[[Any], Sequence[KeyMap]]
    differences: Callable[[Any, Mapping[str, Any]], Mapping[str, tuple[Any, Any]]] | None = None


def listed(names: Iterable[str]) -> str:
    """Names in a sentence, all of them: those that differ by their numbers only are told together.

    ``layers.0.norm, layers.1.norm, head`` -> ``layers.*.norm (2), head``.
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(re.sub(r"(?<=\.)\d+(?=\.|$)", "*", name), []).append(name)
    return ", ".join(some[0] if len(some) == 1 else f"{pattern} ({len(some)})" for pattern, some in groups.items())


@cache
def _regex(pattern: str) -> re.Pattern[str]:
    def hole(match: re.Match[str]) -> str:
        return f"(?P<{match[1]}>.+)" if match[1] == "rest" else f"(?P<{match[1]}>[^.]+)"

    return re.compile(_HOLE.sub(hole, re.escape(pattern)))


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(_regex(pattern).fullmatch(name) for pattern in patterns)
