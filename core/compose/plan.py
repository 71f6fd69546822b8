"""What composing a recipe gives: every part with its ports, and the edges between them. Torch-free."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

from attrs import field, frozen

from ..contracts import ImageTransform
from ..ports import Codes, Features, Hidden, Port
from .vocabulary import text_ids

if TYPE_CHECKING:
    from ..recipe import Recipe, Use


@frozen
class PartPlan:
    """One part of a model, with the ports that its factory is given and the port that it gives.

    ``inputs`` are in the order of the factory's arguments. ``output`` is None for a part that is configured and not
    connected (text, layout, sampler). ``owner`` is the path of the part that is used instead, where this one is shared.
    """

    path: str
    use: Use
    inputs: Mapping[str, Port] = field(factory=dict)
    output: Port | None = None
    owner: str | None = None


@frozen
class Edge:
    """What flows from one part to another. Both paths are those of owners, so that a shared part is one node."""

    from_path: str
    to_path: str
    port: Port


@frozen
class PathwayShape:
    """What the sequence model must know of a pathway.

    ``tokens``: positions that one picture takes in the sequence, or one of at most ``tiles`` that it is cut into.
    ``transform()`` gives the picture's transform; it may
    import torch. ``codes``: None for a pathway that looks through an encoder. ``features``: what enters the backbone.
    """

    mode: Literal["look", "draw"]
    tokens: int
    transform: Callable[[], ImageTransform] = field(eq=False, repr=False)
    codes: Codes | None
    features: Features
    tiles: int = 1


@frozen
class Plan:
    """A recipe whose parts fit together. ``parts`` and ``pathways`` are keyed by path and by name."""

    recipe: Recipe
    hidden: Hidden
    parts: Mapping[str, PartPlan]
    edges: tuple[Edge, ...]
    pathways: Mapping[str, PathwayShape]

    def owner(self, path: str) -> str:
        """The path under which a part's weights are kept: its own, or that of the part it shares."""
        return self.parts[path].owner or path

    @property
    def shared(self) -> dict[str, str]:
        """Paths of shared parts, to those of their owners."""
        return {path: part.owner for path, part in self.parts.items() if part.owner is not None}

    @property
    def text_ids(self) -> int:
        """How many ids of the backbone's vocabulary are text; those from it on are codes, where a part takes some."""
        return text_ids(self.parts, self.hidden)
