"""Tables of parts to ``Use``s: look up the component, merge its preset and settings, and structure them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from ..components.component import Component
from ..components.kinds import KINDS
from ..components.registry import Registry
from ..errors import JaniformError, Origin, nearest
from .grammar import PART_KEYS
from .part import Use
from .paths import with_paths
from .positions import KeyPath
from .problems import ProblemList
from .renamed import with_current_names
from .structure import Mistakes, structure
from .tree import Leaf, Node, Table, child, dotted, overlay, plain, table_from
from .values import got

DEFAULT = Origin("default")


class PartReader:
    """Reads the tables of parts. ``origins`` collects the origin of each value of each part; ``notes`` are sentences
    for the user about settings that were renamed.

    ``providers`` are the distributions of components when the recipe was written, by kind and reference.
    """

    def __init__(self, registry: Registry, problems: ProblemList) -> None:
        self.registry = registry
        self.problems = problems
        self.origins: dict[str, Origin] = {}
        self.notes: list[str] = []
        self.providers: Mapping[str, str] = {}

    def use(self, path: KeyPath, kind: str, node: Node, hint: str = "") -> Use | None:
        """The component that a part's table names, with its settings; None where there is a problem, which is added.

        ``hint`` is the remedy where the table names no component.
        """
        if not isinstance(node, Table):
            value = plain(node)
            written = f'{{ use = "{value}" }}' if isinstance(value, str) and value else '{ use = "…" }'
            self.problems.add(f"expected a table, got {got(value)}", path, node.origin, f"write {path[-1]} = {written}")
            return None
        if "share" in node.entries:
            hint = "only parts of pathways can be shared"
            self.problems.add("cannot be shared", path, node.entries["share"].origin, hint)
            return None
        component = self._component(path, kind, node, hint)
        if component is None:
            return None
        settings = with_paths(component.config, self._with_preset(path, component, node))
        try:
            config = structure(component.config, plain(settings))
        except Mistakes as mistakes:
            presets = f"or choose a preset: {', '.join(component.presets)}" if component.presets else ""
            self.problems.mistakes(mistakes, path, settings, presets)
            return None
        self.record_settings(path, config, settings)
        return Use(kind, component, config)

    def _component(self, path: KeyPath, kind: str, table: Table, hint: str) -> Component | None:
        use_path = (*path, "use")
        node = table.entries.get("use")
        if node is None and KINDS[kind].default:
            node = Leaf(KINDS[kind].default, DEFAULT)
        if node is None:
            names = sorted({component.name for component in self.registry.components(kind)})
            hint = hint or (
                f"choose one of {', '.join(names)}" if names else f"no plugin provides a component of kind {kind}"
            )
            self.problems.missing('has no component: use = "…" is missing', path, table.origin, hint)
            return None
        reference = plain(node)
        if not isinstance(reference, str):
            self.problems.add(f"expected the name of a component, got {got(reference)}", use_path, node.origin)
            return None
        try:
            component = self.registry.find(kind, reference)
        except JaniformError as error:
            provided_by = self.providers.get(f"{kind} {reference}")
            hint = self.registry.explain_missing(kind, reference, provided_by) if provided_by else ""
            for problem in error.problems:
                self.problems.add(problem.message, use_path, node.origin, hint or problem.hint)
            return None
        self.origins[dotted(use_path)] = node.origin
        return component

    def _with_preset(self, path: KeyPath, component: Component, table: Table) -> Table:
        """The part's own settings, merged over those of its preset."""
        own, node = self._current_names(path, component, table.without(*PART_KEYS)), table.entries.get("preset")
        if node is None:
            return own
        name, preset_path = plain(node), (*path, "preset")
        if not isinstance(name, str):
            self.problems.add(f"expected the name of a preset, got {got(name)}", preset_path, node.origin)
        elif name not in component.presets:
            hint = nearest(name, component.presets) or f"its presets: {', '.join(component.presets) or 'none'}"
            self.problems.add(
                f"{component.kind} '{component.reference}' has no preset '{name}'", preset_path, node.origin, hint
            )
        else:
            preset = with_current_names(
                component.config, table_from(component.presets[name], Origin(f"preset '{name}'"))
            ).settings
            return Table(overlay(preset, own).entries, table.origin)
        return own

    def _current_names(self, path: KeyPath, component: Component, settings: Table) -> Table:
        renamed = with_current_names(component.config, settings)
        self.notes += [f"{dotted(path)}: {note}" for note in renamed.notes]
        for old, name in renamed.clashes:
            message = f"is also set by its former name '{old}'"
            self.problems.add(message, (*path, name), renamed.settings.entries[name].origin, f"remove '{old}'")
        return renamed.settings

    def record_settings(self, path: KeyPath, value: Any, node: Node | None, but: Sequence[str] = ()) -> None:
        """Record the origin of every value of a structured object; values that are not written are defaults."""
        if attrs.has(type(value)):
            for attribute in attrs.fields(type(value)):
                name = attribute.alias or attribute.name
                if attribute.init and name not in but:
                    self.record_settings((*path, name), getattr(value, attribute.name), child(node, name))
        elif isinstance(value, Mapping) and value:
            for name, item in value.items():
                self.record_settings((*path, name), item, child(node, name))
        else:
            self.origins[dotted(path)] = node.origin if node else DEFAULT
