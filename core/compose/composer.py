"""Recipe to plan: each part declares its port, given the ports of the parts that it is connected to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from attrs import evolve

from ..components.kinds import KINDS, SINGLE_PARTS, Route, argument_of, route_of, slots
from ..errors import CompositionError, nearest
from ..ports import Codes, CodesOrLatents, Features, Hidden, Latents, PlaceValues, Port, Predicted
from .bounds import check_bounds
from .checks import (
    check_blocks,
    check_complete,
    check_context,
    check_count,
    check_each_alone,
    check_embedding,
    check_head,
    check_lenders,
    check_named_pathways,
    check_scales,
    check_shares,
    check_single_places,
    check_text,
    check_width,
    draws_places,
    sampler_process,
)
from .diagnostics import Diagnostics
from .ownership import find_owners
from .plan import Edge, PartPlan, PathwayShape, Plan
from .ports import declared_port
from .vocabulary import check_rows

if TYPE_CHECKING:
    from ..contracts import Process
    from ..recipe import Pathway, Recipe, Use


def compose(recipe: Recipe) -> Plan:
    """Connect the parts of a recipe and derive every width, without torch.

    Raises ``CompositionError`` with all problems at once: parts that are missing, out of place, wrongly shared, or that
    do not fit.
    """
    diagnostics = Diagnostics(recipe)
    check_bounds(recipe, diagnostics)
    if diagnostics.problems:
        raise CompositionError(diagnostics.problems)
    composer = _Composer(diagnostics, find_owners(recipe, diagnostics))
    hidden = composer.single_parts()
    pathways = {name: composer.pathway(pathway) for name, pathway in recipe.pathways.items()}
    shapes = {name: shape for name, shape in pathways.items() if shape is not None}
    check_shares(composer.parts, composer.owners, diagnostics)
    check_lenders(composer.parts, diagnostics)
    check_named_pathways(recipe, diagnostics)
    if hidden is not None:
        check_blocks(recipe, shapes, hidden, diagnostics)
        check_rows(composer.parts, composer.owners, hidden, diagnostics)
    if diagnostics.problems or hidden is None:
        raise CompositionError(diagnostics.problems)
    return Plan(recipe, hidden, composer.parts, tuple(dict.fromkeys(composer.edges)), shapes)


class _Composer:
    """Walks a recipe once. Parts behind a part with a problem are skipped, so that no problem is reported twice."""

    def __init__(self, diagnostics: Diagnostics, owners: Mapping[str, str]) -> None:
        self.diagnostics = diagnostics
        self.owners = owners
        self.parts: dict[str, PartPlan] = {}
        self.edges: list[Edge] = []
        self.hidden: Hidden | None = None

    def single_parts(self) -> Hidden | None:
        """Plan the parts that belong to no pathway; return the backbone's port."""
        for kind in SINGLE_PARTS:
            if not KINDS[kind].gives:
                self.add_without_port(kind)
        hidden = self.add("backbone", {})
        if isinstance(hidden, Hidden):
            self.hidden = hidden
            if "text" in self.owners:
                check_text(getattr(self.use("text").config, "vocabulary", 0), hidden, self.diagnostics)
        return self.hidden

    def pathway(self, pathway: Pathway) -> PathwayShape | None:
        """Plan the parts of a pathway; return its shape, or None where a problem leaves it unknown."""
        name, route = pathway.name, route_of(pathway.mode, pathway.parts)
        self.connect(name, route)
        encoder, tokenizer, adapter = f"{name}.encoder", f"{name}.tokenizer", f"{name}.adapter"
        visual, source = (encoder, encoder) if route == "features" else (tokenizer, f"{name}.embedding")
        features, drawn, adapted = self.output(source), self.output(tokenizer), self.output(adapter)
        process = None
        if isinstance(drawn, Codes | Latents):
            if isinstance(features, Features):
                check_count(source, features, drawn, self.diagnostics)
            if route == "draw":
                process = self.close_loop(name, drawn)
                if isinstance(self.output(f"{name}.head"), PlaceValues) and isinstance(features, Features):
                    check_single_places(source, self.use(source), features, self.diagnostics)
        if not isinstance(adapted, Features) or self.hidden is None:
            return None
        check_width(adapter, adapted, self.hidden, self.diagnostics)
        if isinstance(drawn, Codes | Latents) and route == "draw":
            self.check_drawing_adapter(adapter, cast(Features, features), adapted, drawn)
        tiling = f"{name}.tiling"
        tiles = int(self.use(tiling).config.most) if tiling in self.parts else 1
        check_context(visual, adapted.tokens * tiles, self.hidden, self.diagnostics)
        return PathwayShape(
            mode=pathway.mode,
            tokens=adapted.tokens,
            transform=self.use(self.visual(pathway.transform) if pathway.transform else visual).config.transform,
            drawn=drawn if isinstance(drawn, Codes | Latents) else None,
            features=_around(adapted, features),
            tiles=tiles,
            process=process,
            route=self.route(pathway),
            drops_hidden=process is not None and getattr(self.use(source).config, "drops_hidden", False),
            draws_places=process is not None and draws_places(self.output(f"{name}.head")),
            decodes=tokenizer not in self.parts or bool(getattr(self.use(tokenizer).config, "decodes", True)),
        )

    def route(self, pathway: Pathway) -> int:
        """The number of the backbone's set of weights that a pathway names."""
        names = ("", *self.hidden.routes) if self.hidden is not None else ("",)
        if pathway.route in names:
            return names.index(pathway.route)
        has = f"has the routes {', '.join(names[1:])}" if names[1:] else "has no routes"
        self.diagnostics.add(
            f"{pathway.name}.route",
            f"{self.diagnostics.describe('backbone')} {has}; got '{pathway.route}'",
            nearest(pathway.route, names[1:]) or f'name it in the backbone: routes = ["{pathway.route}"]',
        )
        return 0

    def visual(self, name: str) -> str:
        """The path of the part that sees a pathway's pixels first."""
        return path if (path := f"{name}.encoder") in self.owners else f"{name}.tokenizer"

    def connect(self, name: str, route: Route) -> None:
        """Plan the slots of a pathway in the order of the data; inputs come from the nearest part that gives them."""
        givers: dict[str, str] = {"hidden": "backbone"}
        for kind in (KINDS[slot] for slot in slots(route)):
            path = f"{name}.{kind.name}"
            if not kind.gives:
                self.add_without_port(path)
                continue
            sources = [givers.get(argument, "") for argument in kind.takes]
            self.add(path, dict(zip(kind.takes, sources, strict=True)))
            if sources:
                self.flow(sources[0], path)
            if kind.name == "adapter":
                self.flow(path, "backbone")
            if path in self.owners or not kind.optional:
                givers[argument_of(kind)] = path

    def close_loop(self, name: str, drawn: CodesOrLatents) -> Process | None:
        """The head must predict what the tokenizer decodes, as the sampler draws it; return the sampler's process."""
        head, sampler, tokenizer = f"{name}.head", f"{name}.sampler", f"{name}.tokenizer"
        predicted, process = self.output(head), None
        if isinstance(predicted, Predicted) and check_head(head, predicted, tokenizer, drawn, self.diagnostics):
            process = sampler_process(sampler, self.use(sampler), drawn, predicted, self.diagnostics)
        if self.output(f"{name}.embedding") is not None:
            check_scales(f"{name}.embedding", self.use(f"{name}.embedding"), drawn, self.diagnostics)
        if process is not None and (embedding := f"{name}.embedding") in self.owners:
            uses = self.use(sampler), self.use(embedding)
            check_complete(self.owners[embedding], *uses, process, drawn.tokens, self.diagnostics)
            features = self.output(embedding)
            if isinstance(features, Features) and self.hidden is not None:
                own = self.owners[embedding]
                check_embedding(own, self.use(embedding), features, self.use(head), self.hidden, self.diagnostics)
        self.flow(head, sampler)
        self.flow(sampler, tokenizer, drawn)
        return process

    def check_drawing_adapter(self, path: str, source: Features, adapted: Features, drawn: CodesOrLatents) -> None:
        """An adapter of a pathway that draws gives one position for each place, made of this place alone."""
        if adapted.tokens != source.tokens:
            check_count(path, evolve(adapted, lead=source.lead, trail=source.trail), drawn, self.diagnostics)
        elif self.hidden is not None:
            check_each_alone(path, self.use(path).config, source, self.hidden, self.diagnostics)

    def add_without_port(self, path: str) -> None:
        if path in self.owners:
            self.parts[path] = PartPlan(path, self.use(path), owner=self.other_owner(path))

    def add(self, path: str, sources: Mapping[str, str]) -> Port | None:
        """Plan a part that takes the ports of ``sources``, argument to path; return the port that it gives."""
        inputs = {name: (source, self.output(source)) for name, source in sources.items()}
        declared = {name: (source, port) for name, (source, port) in inputs.items() if port is not None}
        if path not in self.owners or len(declared) < len(sources):
            return None
        output = declared_port(path, self.use(path), declared, self.diagnostics)
        ports = {name: port for name, (_, port) in declared.items()}
        self.parts[path] = PartPlan(path, self.use(path), ports, output, self.other_owner(path))
        return output

    def flow(self, source: str, target: str, port: Port | None = None) -> None:
        """Record that data flows between two parts: the source's port, unless another one is given."""
        port = port or self.output(source)
        if port is not None and source in self.owners and target in self.owners:
            self.edges.append(Edge(self.owners[source], self.owners[target], port))

    def output(self, path: str) -> Port | None:
        return self.parts[path].output if path in self.parts else None

    def use(self, path: str) -> Use:
        return cast("Use", self.diagnostics.entries[self.owners[path]])

    def other_owner(self, path: str) -> str | None:
        """The path of the part that is shared here; None where the part is its own."""
        return self.owners[path] if self.owners[path] != path else None


def _around(adapted: Features, source: Port | None) -> Features:
    """What enters the backbone, with the vectors before and behind those of the places.

    An adapter maps vectors and may not know which of them these are; it may also put one before them itself.
    """
    if not isinstance(source, Features):
        return adapted
    return evolve(adapted, lead=max(adapted.lead, source.lead), trail=max(adapted.trail, source.trail))
