"""One resolved tree to a ``Recipe``: each table is read by its part of the grammar."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import attrs

from ..components.kernels import AUTO, find
from ..components.kinds import KINDS, SINGLE_PARTS
from ..errors import JaniformError, Origin, UsageError, nearest
from .grammar import PROVIDERS, WHOLE
from .part import Use
from .part_reader import DEFAULT, PartReader
from .paths import folder_or_hub_name
from .pathways import NAME, Pathways
from .positions import KeyPath
from .problems import ProblemList
from .recipe import Pathway, Recipe
from .stage import Stage, Training
from .structure import Mistakes, structure
from .tree import Node, Table, child, dotted, leaves, nearest_origin, plain
from .values import got

T = TypeVar("T")

_DERIVED = Origin("derived")


def assemble(
    tree: Table, parts: PartReader, problems: ProblemList, *, fallback_name: str, notes: Iterable[str] = ()
) -> Recipe:
    """The recipe of a tree. Raises ``RecipeError`` with all problems, those already in ``problems`` included."""
    reader = _UseReader(tree, parts, problems)
    parts.providers = reader.providers()
    name = reader.text("name", fallback_name, _DERIVED)
    description = reader.text("description", "", DEFAULT)
    singles = {kind: reader.single(kind) for kind in SINGLE_PARTS}
    pathways = Pathways(tree, parts, problems).read()
    start = reader.start(pathways)
    sources = reader.named("source", reader.component)
    stages = reader.named("stage", reader.stage)
    training = reader.training()
    sinks = reader.named("sink", reader.component)
    problems.raise_if_any()
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


class _UseReader:
    """Reads the tables other than the pathways."""

    def __init__(self, tree: Table, parts: PartReader, problems: ProblemList) -> None:
        self.tree = tree
        self.parts = parts
        self.problems = problems

    def text(self, name: str, fallback: str, origin: Origin) -> str:
        node = self.tree.entries.get(name)
        value = fallback if node is None else plain(node)
        self.parts.origins[name] = node.origin if node else origin
        if not isinstance(value, str):
            self.problems.add(f"expected a string in quotes, got {got(value)}", (name,), self.parts.origins[name])
            return fallback
        if node is not None and name == "name" and not value.strip():
            self.problems.add("is empty", (name,), node.origin)
        return value

    def providers(self) -> dict[str, str]:
        """The distributions of components, as written by ``dumps``; used only to explain missing components."""
        node = self.tree.entries.get(PROVIDERS, Table({}, DEFAULT))
        if not isinstance(node, Table):
            self.problems.add(f"expected a table, got {got(plain(node))}", (PROVIDERS,), node.origin)
            return {}
        providers = {}
        for name, entry in node.entries.items():
            if isinstance(value := plain(entry), str):
                providers[name] = value
            else:
                self.problems.add(f"expected a string in quotes, got {got(value)}", (PROVIDERS, name), entry.origin)
        return providers

    def single(self, kind: str) -> Use | None:
        node = self.tree.entries.get(kind)
        if node is None and KINDS[kind].optional:
            return None
        if node is None and not KINDS[kind].default:
            self.problems.missing(
                f"the recipe has no {kind}", (kind,), self.tree.origin, f'add [{kind}] with use = "…"'
            )
            return None
        return self.parts.use((kind,), kind, node or Table({}, DEFAULT))

    def start(self, pathways: Mapping[str, Pathway]) -> dict[str, str]:
        """The directories of initial weights, by the paths of parts and pathways; a string stands for all parts."""
        node = self.tree.entries.get("start")
        if node is None:
            return {}
        if not isinstance(node, Table):
            node = Table({WHOLE: node}, node.origin)
        startable = {WHOLE, "text", *pathways, *(kind for kind in SINGLE_PARTS if KINDS[kind].weights)}
        startable |= {
            f"{name}.{kind}" for name, pathway in pathways.items() for kind in pathway.parts if KINDS[kind].weights
        }
        start = {}
        for path, leaf in leaves(node):
            full_path, name, value = ("start", *path), ".".join(map(str, path)), plain(leaf)
            if name not in startable:
                hint = nearest(name, startable)
                self.problems.missing(f"there is no part '{name}' to start", full_path, leaf.origin, hint)
            elif not isinstance(value, str) or not value.strip():
                hint = "write the directory of the weights in quotes"
                self.problems.add(f"expected a directory, got {got(value)}", full_path, leaf.origin, hint)
            else:
                try:
                    shipped = self.parts.registry.model(value) is not None
                except UsageError as error:
                    self.problems.add(error.problems[0].message, full_path, leaf.origin, error.problems[0].hint)
                    continue
                start[name] = value if shipped else folder_or_hub_name(value, leaf.origin)
                self.parts.origins[dotted(("start", name))] = leaf.origin
        return start

    def named(self, section: str, read: Callable[[KeyPath, Node], T | None]) -> dict[str, T]:
        """The tables ``[section.NAME]`` by name."""
        node = self.tree.entries.get(section)
        if node is not None and not isinstance(node, Table):
            hint = f"write [{section}.NAME]"
            self.problems.add(f"expected tables by name, got {got(plain(node))}", (section,), node.origin, hint)
            return {}
        named = {}
        for name, entry in node.entries.items() if node else ():
            path = (section, name)
            if not NAME.fullmatch(name):
                hint = "use letters, digits, - and _, and do not begin with a digit"
                self.problems.add(f"is not a valid name for a {section}", path, entry.origin, hint)
            if (value := read(path, entry)) is not None:
                named[name] = value
        return named

    def component(self, path: KeyPath, node: Node) -> Use | None:
        """A source or a sink, depending on its section."""
        section = str(path[0])
        if isinstance(node, Table) or not isinstance(self.tree.entries[section], Table):
            return self.parts.use(path, section, node)
        hint = f"write [{section}.NAME]; {path[-1]} is directly in [{section}]"
        self.problems.add(f"expected a table, got {got(plain(node))}", path, node.origin, hint)
        return None

    def stage(self, path: KeyPath, node: Node) -> Stage | None:
        if not isinstance(node, Table):
            hint = f"write [stage.NAME]; {path[-1]} is directly in [stage]"
            self.problems.add(f"expected a table, got {got(plain(node))}", path, node.origin, hint)
            return None
        fixed: dict[str, object] = {"name": path[-1], "objective": None}
        if (objective := node.entries.get("objective")) is None:
            hint = 'write objective = { use = "…" }'
            self.problems.missing("is missing", (*path, "objective"), node.origin, hint)
        else:
            fixed["objective"] = self.parts.use((*path, "objective"), "objective", objective)
        settings = node.without("objective")
        self._check_sources(child(settings, "mixture"), (*path, "mixture"))
        try:
            stage = structure(Stage, plain(settings), fixed)
        except Mistakes as mistakes:
            self.problems.mistakes(mistakes, path, settings)
            return None
        self.parts.record_settings(path, stage, settings, but=tuple(fixed))
        return stage

    def training(self) -> Training:
        node = self.tree.entries.get("training", Table({}, DEFAULT))
        stages = self.tree.entries.get("stage")
        if not isinstance(node, Table):
            self.problems.add(f"expected a table, got {got(plain(node))}", ("training",), node.origin)
            return Training()
        self._check_names(child(node, "stages"), ("training", "stages"), "stage")
        try:
            training = structure(Training, plain(node))
        except Mistakes as mistakes:
            self.problems.mistakes(mistakes, ("training",), node)
            return Training()
        training = self._with_kernel(training, child(node, "attention"))
        self.parts.record_settings(("training",), training, node)
        if "stages" not in node.entries and isinstance(stages, Table):
            training = attrs.evolve(training, stages=tuple(stages.entries))
            self.parts.origins["training.stages"] = _DERIVED
        return training

    def _with_kernel(self, training: Training, node: Node | None) -> Training:
        """Add the kernel's version, as in other references of a resolved recipe."""
        if node is None or training.attention in (AUTO, Training().attention):  # the registry need not have kernels
            return training
        try:
            return attrs.evolve(training, attention=find(training.attention, self.parts.registry).reference)
        except JaniformError as error:
            for problem in error.problems:
                self.problems.add(problem.message, ("training", "attention"), node.origin, problem.hint)
            return training

    def _check_sources(self, node: Node | None, path: KeyPath) -> None:
        """Check that the names in a mixture, those in its groups included, are names of sources."""
        if isinstance(node, Table):
            groups = {name: entry for name, entry in node.entries.items() if isinstance(entry, Table)}
            self._check_names(node.without(*groups), path, "source")
            for name, group in groups.items():
                self._check_sources(child(group, "of"), (*path, name, "of"))

    def _check_names(self, node: Node | None, path: KeyPath, section: str) -> None:
        """Check that the names in a table or list are names of tables ``[section.NAME]``."""
        table = self.tree.entries.get(section)
        existing = set(table.entries) if isinstance(table, Table) else set()
        value = plain(node) if node else []
        names = value if isinstance(value, dict) else dict(enumerate(value)) if isinstance(value, list) else {}
        for step, name in ((name, name) for name in names) if isinstance(value, dict) else names.items():
            if node and isinstance(name, str) and name not in existing:
                origin = nearest_origin(node, (step,))
                hint = nearest(name, existing) or f"write [{section}.NAME]"
                self.problems.missing(f"there is no {section} '{name}'", (*path, step), origin, hint)
