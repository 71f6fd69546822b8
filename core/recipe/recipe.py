"""A recipe as an object: the component of each part with its settings. Plain data; nothing is built here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import field, frozen

from ..components.kinds import PATHWAY_PARTS, SINGLE_PARTS, Mode
from ..errors import Origin, Problem, RecipeError, nearest
from .part import Share, Use
from .stage import Stage, Training


@frozen
class Pathway:
    """A path between pictures and the backbone, which looks at them or draws them."""

    name: str
    mode: Mode
    parts: Mapping[str, Use | Share]
    transform: str = ""
    """The pathway by whose transform pictures become pixels; empty for its own."""
    route: str = ""
    """The set of the backbone's weights that its positions use; empty for that of the text."""


@frozen
class Recipe:
    """A resolved recipe: every name has its version, every setting its value.

    ``start`` maps the path of a part, of a pathway, or "." to the directory with its initial weights. ``origins`` maps
    paths of values (``generation.adapter.depth``) to where they were written. ``notes`` are sentences about settings
    that were dropped because another file or an override chose another component. Neither is compared by ``==``.
    """

    name: str
    description: str
    backbone: Use
    text: Use
    layout: Use
    pathways: Mapping[str, Pathway]
    sources: Mapping[str, Use] = field(factory=dict)
    stages: Mapping[str, Stage] = field(factory=dict)
    training: Training = field(factory=Training)
    sinks: Mapping[str, Use] = field(factory=dict)
    start: Mapping[str, str] = field(factory=dict)
    origins: Mapping[str, Origin] = field(factory=dict, eq=False, repr=False)
    notes: tuple[str, ...] = field(default=(), eq=False, repr=False)

    def parts(self) -> Iterator[tuple[str, Use | Share]]:
        """Every part of the model with its path: backbone, text, layout, then the pathways in the order of the data."""
        for kind in SINGLE_PARTS:
            if (use := getattr(self, kind)) is not None:
                yield kind, use
        for pathway in self.pathways.values():
            for kind in PATHWAY_PARTS:
                if kind in pathway.parts:
                    yield f"{pathway.name}.{kind}", pathway.parts[kind]

    def part(self, path: str) -> Use | Share:
        """The part at a path. Raises ``RecipeError`` with the nearest path where there is none."""
        parts = dict(self.parts())
        if path not in parts:
            raise RecipeError(Problem(f"recipe '{self.name}' has no part '{path}'", hint=nearest(path, parts)))
        return parts[path]
