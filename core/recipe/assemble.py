"""One resolved tree to a ``Recipe``: every table by the grammar."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import attrs

from ..components.kernels import AUTO, find
from ..errors import JaniformError, Origin, nearest
from .grammar import DEFAULT_USES, PROVIDERS, SINGLE_PARTS, WHOLE
from .part import Use
from .part_reader import DEFAULT, PartReader
from .paths import beside
from .pathways import NAME, Pathways
from .positions import Path
from .recipe import Pathway, Recipe
from .report import Report
from .stage import Stage, Training
from .structure import Mistakes, structure
from .tree import Node, Table, child, dotted, leaves, nearest_origin, plain
from .values import got

T = TypeVar("T")

_DERIVED = Origin("derived")


def assemble(
    tree: Table, parts: PartReader, report: Report, *, fallback_name: str, notes: Iterable[str] = ()
) -> Recipe:
    """The recipe of a tree. Raises ``RecipeError`` with all that is wrong, what ``report`` holds already included."""
    reader = _Reader(tree, parts, report)
    parts.providers = reader.providers()
    name = reader.text("name", fallback_name, _DERIVED)
    description = reader.text("description", "", DEFAULT)
    singles = {kind: reader.single(kind) for kind in SINGLE_PARTS}
    pathways = Pathways(tree, parts, report).read()
    start = reader.start(pathways)
    sources = reader.named("source", reader.component)
    stages = reader.named("stage", reader.stage)
    training = reader.training()
    sinks = reader.named("sink", reader.component)
    report.raise_if_any()
    return Recipe(
        name=name,
        description=description,
        pathways=pathways,
        start=start,
        sources=sources,
        stages=stages,
        training=training,
        sinks=sinks,
        origins=parts.origins,
        notes=(*notes, *parts.notes),
        **{kind: use for kind, use in singles.items() if use},
    )


class _Reader:
    """Reads the tables beside the pathways."""

    def __init__(self, tree: Table, parts: PartReader, report: Report) -> None:
        self.tree = tree
        self.parts = parts
        self.report = report

    def text(self, name: str, fallback: str, origin: Origin) -> str:
        node = self.tree.entries.get(name)
        value = fallback if node is None else plain(node)
        self.parts.origins[name] = node.origin if node else origin
        if not isinstance(value, str):
            self.report.add(f"expected a text in quotes, got {got(value)}", (name,), self.parts.origins[name])
            return fallback
        if node is not None and name == "name" and not value.strip():
            self.report.add("is empty", (name,), node.origin)
        return value

    def providers(self) -> dict[str, str]:
        """What ``dumps`` wrote about where components came from. It decides nothing; it explains what is missing."""
        node = self.tree.entries.get(PROVIDERS, Table({}, DEFAULT))
        if not isinstance(node, Table):
            self.report.add(f"expected a table, got {got(plain(node))}", (PROVIDERS,), node.origin)
            return {}
        found = {}
        for name, entry in node.entries.items():
            if isinstance(value := plain(entry), str):
                found[name] = value
            else:
                self.report.add(f"expected a text in quotes, got {got(value)}", (PROVIDERS, name), entry.origin)
        return found

    def single(self, kind: str) -> Use | None:
        node = self.tree.entries.get(kind)
        if node is None and kind not in DEFAULT_USES:
            self.report.missing(f"the recipe has no {kind}", (kind,), self.tree.origin, f'add [{kind}] with use = "…"')
            return None
        return self.parts.use((kind,), kind, node or Table({}, DEFAULT))

    def start(self, pathways: Mapping[str, Pathway]) -> dict[str, str]:
        """The directories to start from, by the paths of parts and pathways; one text stands for all parts."""
        node = self.tree.entries.get("start")
        if node is None:
            return {}
        if not isinstance(node, Table):
            node = Table({WHOLE: node}, node.origin)
        known = {WHOLE, "backbone", "text", *pathways}
        known |= {
            f"{name}.{part}"
            for name, pathway in pathways.items()
            for part in pathway.parts
            if part not in ("sampler", "tiling")
        }
        found = {}
        for path, leaf in leaves(node):
            place, name, value = ("start", *path), ".".join(map(str, path)), plain(leaf)
            if name not in known:
                self.report.missing(f"there is no part '{name}' to start", place, leaf.origin, nearest(name, known))
            elif not isinstance(value, str) or not value.strip():
                hint = "write the directory of the weights in quotes"
                self.report.add(f"expected a directory, got {got(value)}", place, leaf.origin, hint)
            else:
                shipped = value in self.parts.registry.models()
                found[name] = value if shipped else beside(value, leaf.origin)
                self.parts.origins[dotted(("start", name))] = leaf.origin
        return found

    def named(self, section: str, read: Callable[[Path, Node], T | None]) -> dict[str, T]:
        """The tables ``[section.NAME]`` by their names."""
        node = self.tree.entries.get(section)
        if node is not None and not isinstance(node, Table):
            hint = f"write [{section}.NAME]"
            self.report.add(f"expected tables by name, got {got(plain(node))}", (section,), node.origin, hint)
            return {}
        found = {}
        for name, entry in node.entries.items() if node else ():
            path = (section, name)
            if not NAME.fullmatch(name):
                hint = "letters, digits, - and _, not beginning with a digit"
                self.report.add(f"is no name for a {section}", path, entry.origin, hint)
            if (value := read(path, entry)) is not None:
                found[name] = value
        return found

    def component(self, path: Path, node: Node) -> Use | None:
        """A source or a sink, by the section that it stands in."""
        section = str(path[0])
        if isinstance(node, Table) or not isinstance(self.tree.entries[section], Table):
            return self.parts.use(path, section, node)
        hint = f"write [{section}.NAME]; {path[-1]} stands directly in [{section}]"
        self.report.add(f"expected a table, got {got(plain(node))}", path, node.origin, hint)
        return None

    def stage(self, path: Path, node: Node) -> Stage | None:
        if not isinstance(node, Table):
            hint = f"write [stage.NAME]; {path[-1]} stands directly in [stage]"
            self.report.add(f"expected a table, got {got(plain(node))}", path, node.origin, hint)
            return None
        given: dict[str, object] = {"name": path[-1], "objective": None}
        if (objective := node.entries.get("objective")) is None:
            hint = 'write objective = { use = "…" }'
            self.report.missing("is missing", (*path, "objective"), node.origin, hint)
        else:
            given["objective"] = self.parts.use((*path, "objective"), "objective", objective)
        settings = node.without("objective")
        self._known_sources(child(settings, "mixture"), (*path, "mixture"))
        try:
            stage = structure(Stage, plain(settings), given)
        except Mistakes as mistakes:
            self.report.mistakes(mistakes, path, settings)
            return None
        self.parts.record_settings(path, stage, settings, but=tuple(given))
        return stage

    def training(self) -> Training:
        node = self.tree.entries.get("training", Table({}, DEFAULT))
        stages = self.tree.entries.get("stage")
        if not isinstance(node, Table):
            self.report.add(f"expected a table, got {got(plain(node))}", ("training",), node.origin)
            return Training()
        self._known(child(node, "stages"), ("training", "stages"), "stage")
        try:
            training = structure(Training, plain(node))
        except Mistakes as mistakes:
            self.report.mistakes(mistakes, ("training",), node)
            return Training()
        training = self._with_kernel(training, child(node, "attention"))
        self.parts.record_settings(("training",), training, node)
        if "stages" not in node.entries and isinstance(stages, Table):
            training = attrs.evolve(training, stages=tuple(stages.entries))
            self.parts.origins["training.stages"] = _DERIVED
        return training

    def _with_kernel(self, training: Training, node: Node | None) -> Training:
        """With the kernel's version, as resolved recipes name components."""
        if node is None or training.attention in (AUTO, Training().attention):  # a registry may be without kernels
            return training
        try:
            return attrs.evolve(training, attention=find(training.attention, self.parts.registry).reference)
        except JaniformError as error:
            for problem in error.problems:
                self.report.add(problem.message, ("training", "attention"), node.origin, problem.hint)
            return training

    def _known_sources(self, node: Node | None, path: Path) -> None:
        """Whether the names in a mixture are those of sources, those in its groups included."""
        if isinstance(node, Table):
            groups = {name: entry for name, entry in node.entries.items() if isinstance(entry, Table)}
            self._known(node.without(*groups), path, "source")
            for name, group in groups.items():
                self._known_sources(child(group, "of"), (*path, name, "of"))

    def _known(self, node: Node | None, path: Path, section: str) -> None:
        """Whether the names in a table or list are those of tables ``[section.NAME]``."""
        there = self.tree.entries.get(section)
        known = set(there.entries) if isinstance(there, Table) else set()
        value = plain(node) if node else []
        names = value if isinstance(value, dict) else dict(enumerate(value)) if isinstance(value, list) else {}
        for step, name in ((name, name) for name in names) if isinstance(value, dict) else names.items():
            if node and isinstance(name, str) and name not in known:
                origin = nearest_origin(node, (step,))
                hint = nearest(name, known) or f"write [{section}.NAME]"
                self.report.missing(f"there is no {section} '{name}'", (*path, step), origin, hint)
