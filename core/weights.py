"""How the tensors of other projects' files are named, and how they become a part's own. Torch is imported when used.

A part's ``weights.py`` holds one ``KeyMap`` for each layout that it can read, as plain data.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from attrs import field, frozen

from .errors import Problem, StorageError

if TYPE_CHECKING:
    from torch import Tensor

_HOLE = re.compile(r"\\\{(\w+)\\\}")


@frozen
class KeyMap:
    """One layout's names for the tensors of one part.

    ``names``: our name -> theirs, tried in order; several of theirs are stacked, in that order, along the first
    dimension. A hole ``{i}`` stands for one segment of a name, and ``{rest}`` for any number of them:
    ``{"blocks.{i}.{rest}": "encoder.layers.{i}.{rest}"}``.
    ``unused``: patterns of names in their files that are left out on purpose.
    ``own``: patterns of our names that their files never have, and that keep their value.
    ``claims``: patterns of the names that are this part's, where the file holds other parts' beside them.
    ``repeats``: names in their files -> the name whose tensor they may repeat, as a tied text head does.
    """

    names: Mapping[str, str | tuple[str, ...]]
    unused: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    claims: tuple[str, ...] = ("{rest}",)
    repeats: Mapping[str, str] = field(factory=dict)

    def theirs(self, name: str) -> tuple[str, ...] | None:
        """Their names for the pieces of our tensor; None where the map does not know it."""
        for ours, pattern in self.names.items():
            if (match := _regex(ours).fullmatch(name)) is not None:
                patterns = (pattern,) if isinstance(pattern, str) else pattern
                return tuple(piece.format(**match.groupdict()) for piece in patterns)
        return None

    def is_unused(self, name: str) -> bool:
        return _matches(name, self.unused)

    def _belongs(self, name: str) -> bool:
        return _matches(name, self.claims) and not self.is_unused(name)

    def load(self, state: Mapping[str, Tensor], shapes: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A part's state dict out of their tensors; ``shapes`` is the part's own state dict, on the meta device or not.

        Leading dimensions of 1 come and go as our shape has them. Raises ``StorageError`` that names every tensor that
        is missing, has another shape or would be left over.
        """
        import torch

        problems: list[Problem] = []
        read: set[str] = set()
        loaded: dict[str, Tensor] = {}
        for name, own in shapes.items():
            if _matches(name, self.own):
                continue
            pieces = self.theirs(name)
            missing = [name] if pieces is None else [piece for piece in pieces if piece not in state]
            if pieces is None or missing:
                problems.append(Problem(f"the file lacks {_listed(missing)}", path=name))
                continue
            read.update(pieces)
            tensor = state[pieces[0]] if len(pieces) == 1 else torch.cat([state[piece] for piece in pieces])
            if _core(tensor.shape) != _core(own.shape):
                given, wanted = list(tensor.shape), list(own.shape)
                problems.append(
                    Problem(f"{_listed(pieces)} has shape {given} in the file, and {wanted} here", path=name)
                )
                continue
            loaded[name] = tensor.reshape(own.shape)
        left = [name for name in state if name not in read and self._belongs(name)]
        for name in [name for name in left if self.repeats.get(name) in state]:
            left.remove(name)
            if not torch.equal(state[name], state[self.repeats[name]]):
                problems.append(Problem(f"{name} is not the same as {self.repeats[name]}, so they cannot be one here"))
        if left:
            problems.append(Problem(f"the file has tensors that belong to nothing here: {_listed(left)}"))
        if problems:
            raise StorageError(problems)
        return loaded


def _regex(pattern: str) -> re.Pattern[str]:
    def hole(match: re.Match[str]) -> str:
        return f"(?P<{match[1]}>.+)" if match[1] == "rest" else f"(?P<{match[1]}>[^.]+)"

    return re.compile(_HOLE.sub(hole, re.escape(pattern)))


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(_regex(pattern).fullmatch(name) for pattern in patterns)


def _core(shape: Iterable[int]) -> list[int]:
    sizes = list(shape)
    while sizes and sizes[0] == 1:
        sizes.pop(0)
    return sizes


def _listed(names: Iterable[str]) -> str:
    some = list(names)
    return ", ".join(some[:4]) + (f" and {len(some) - 4} more" if len(some) > 4 else "")
