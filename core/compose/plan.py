"""The result of composing a recipe: every part with its ports, and the edges between them. Torch-free."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from attrs import field, frozen

from ..contracts import ImageTransform, Process
from ..ports import Codes, CodesOrLatents, Features, Grid, Hidden, Latents, Port
from .vocabulary import text_ids

if TYPE_CHECKING:
    from numpy.random import Generator

    from ..recipe import Recipe, Use
    from ..sequence.corruption import Corruption


@frozen
class PartPlan:
    """One part of a model, with the ports that its factory takes and the port that it gives.

    ``inputs`` are in the order of the factory's arguments. ``output`` is None for a part without a port (text, layout,
    sampler). ``owner`` is the path of the part that is used instead, where this one is shared.
    """

    path: str
    use: Use
    inputs: Mapping[str, Port] = field(factory=dict)
    output: Port | None = None
    owner: str | None = None


@frozen
class Edge:
    """Data that flows from one part to another. Both paths are those of owners, so that a shared part is one node."""

    from_path: str
    to_path: str
    port: Port


@frozen
class PathwayShape:
    """The properties of a pathway that the sequence model needs.

    ``tokens`` is the number of positions that a picture takes, or one of the at most ``tiles`` that it is cut into.
    ``transform()`` gives the picture's transform and may import torch. ``drawn`` are the codes or latents of its
    tokenizer; None for a pathway that looks through an encoder. ``features`` is the port that enters the backbone.
    ``process`` is how its pictures come about; None where they are drawn place by place, or scale by scale. ``route``
    is the number of the backbone's set of weights that its positions use. ``draws_places``: whether its head is a
    ``PlaceHead``. ``decodes``: whether its tokenizer gives pixels.
    ``drops_hidden``: whether the backbone reads a picture without its hidden places.
    """

    mode: Literal["look", "draw"]
    tokens: int
    transform: Callable[[], ImageTransform] = field(eq=False, repr=False)
    drawn: CodesOrLatents | None
    features: Features
    tiles: int = 1
    process: Process | None = field(default=None, eq=False, repr=False)
    route: int = 0
    draws_places: bool = False
    decodes: bool = True
    drops_hidden: bool = False

    @property
    def before_text(self) -> float:
        """The largest share of the process that pictures have taken in training which text follows; 0 for no limit."""
        return float(getattr(self.process, "before_text", 0.0))

    def corruption(self, chance: Generator | None, *, before_text: bool = False) -> Corruption | None:
        """How one of its pictures is corrupted for training; without ``chance``, the corruption of a complete one.

        ``before_text``: whether text with a loss follows. None where pictures are drawn place by place or scale by
        scale.
        """
        if self.process is None or self.drawn is None:
            return None
        process: Any = self.process
        places = self.drawn.tokens
        made: Corruption
        if chance is None:
            made = process.complete(places)
        elif before_text and self.before_text:
            made = process.corrupt(places, chance, self.before_text)
        else:
            made = process.corrupt(places, chance)
        return made

    @property
    def codes(self) -> Codes | None:
        """The codes of its tokenizer; None where it has none, or latents."""
        return self.drawn if isinstance(self.drawn, Codes) else None

    @property
    def scales(self) -> tuple[Grid, ...]:
        """The scales of its codes, from coarse to fine; none where a picture has one grid."""
        return () if self.codes is None else self.codes.scales

    @property
    def block_lengths(self) -> tuple[int, ...]:
        """The lengths of the full blocks that its pictures consist of: their scales, where their codes have any."""
        return tuple(scale.size for scale in self.scales)

    @property
    def place_by_place(self) -> bool:
        """Whether pictures are drawn one place after the other, so that the state before a place predicts it."""
        return self.process is None and not self.scales

    @property
    def latents(self) -> Latents | None:
        """The latents of its tokenizer; None where it has none, or codes."""
        return self.drawn if isinstance(self.drawn, Latents) else None


@frozen
class Plan:
    """A recipe whose parts fit together. ``parts`` are by path, ``pathways`` by name."""

    recipe: Recipe
    hidden: Hidden
    parts: Mapping[str, PartPlan]
    edges: tuple[Edge, ...]
    pathways: Mapping[str, PathwayShape]

    def owner(self, path: str) -> str:
        """The path of a part's weights: its own, or that of the part that it shares."""
        return self.parts[path].owner or path

    @property
    def shared(self) -> dict[str, str]:
        """Paths of shared parts, to those of their owners."""
        return {path: part.owner for path, part in self.parts.items() if part.owner is not None}

    @property
    def text_ids(self) -> tuple[range, ...]:
        """The ids of the backbone's vocabulary that are text: all before those of codes, and those between or after."""
        return text_ids(self.parts, self.hidden)
