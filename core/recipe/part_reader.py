"""Tables of parts to uses of components: the component found, its preset laid below, its settings structured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from ..components.component import Component
from ..components.registry import Registry
from ..errors import JaniformError, Origin, nearest
from .grammar import DEFAULT_USES, PART_KEYS
from .part import Use
from .paths import with_paths
from .positions import Path
from .renamed import with_current_names
from .report import Report
from .structure import Mistakes, structure
from .tree import Leaf, Node, Table, child, dotted, overlay, plain, table_from
from .values import got

DEFAULT = Origin("default")


class PartReader:
    """Reads the tables of parts. ``origins`` collects where each value of each part was written; ``notes`` are
    sentences for the user about settings that were renamed.

    ``providers`` are the distributions that components came from when the recipe was written, by kind and reference.
    """

    def __init__(self, registry: Registry, report: Report) -> None:
        self.registry = registry
        self.report = report
        self.origins: dict[str, Origin] = {}
        self.notes: list[str] = []
        self.providers: Mapping[str, str] = {}

    def use(self, path: Path, kind: str, node: Node, hint: str = "") -> Use | None:
        """The component that a part's table names, with its settings; None where the report says why there is none.

        ``hint`` is what would help where the table names no component.
        """
        if not isinstance(node, Table):
            value = plain(node)
            written = f'{{ use = "{value}" }}' if isinstance(value, str) and value else '{ use = "…" }'
            self.report.add(f"expected a table, got {got(value)}", path, node.origin, f"write {path[-1]} = {written}")
            return None
        if "share" in node.entries:
            hint = "only the parts of a pathway can be shared"
            self.report.add("cannot be shared", path, node.entries["share"].origin, hint)
            return None
        component = self._component(path, kind, node, hint)
        if component is None:
            return None
        settings = with_paths(component.config, self._with_preset(path, component, node))
        try:
            config = structure(component.config, plain(settings))
        except Mistakes as mistakes:
            presets = f"or choose a preset: {', '.join(component.presets)}" if component.presets else ""
            self.report.mistakes(mistakes, path, settings, presets)
            return None
        self.record_settings(path, config, settings)
        return Use(kind, component, config)

    def _component(self, path: Path, kind: str, table: Table, hint: str) -> Component | None:
        place = (*path, "use")
        node = table.entries.get("use")
        if node is None and kind in DEFAULT_USES:
            node = Leaf(DEFAULT_USES[kind], DEFAULT)
        if node is None:
            names = sorted({component.name for component in self.registry.components(kind)})
            hint = hint or (
                f"there is: {', '.join(names)}" if names else f"no plugin brings a component of kind {kind}"
            )
            self.report.missing(f'names no {kind}: use = "…" is missing', path, table.origin, hint)
            return None
        reference = plain(node)
        if not isinstance(reference, str):
            self.report.add(f"expected the name of a component, got {got(reference)}", place, node.origin)
            return None
        try:
            component = self.registry.find(kind, reference)
        except JaniformError as error:
            said = self.providers.get(f"{kind} {reference}")
            lost = self.registry.lost(kind, reference, said) if said else ""
            for problem in error.problems:
                self.report.add(problem.message, place, node.origin, lost or problem.hint)
            return None
        self.origins[dotted(place)] = node.origin
        return component

    def _with_preset(self, path: Path, component: Component, table: Table) -> Table:
        """The part's own settings over those of its preset."""
        own, node = self._current_names(path, component, table.without(*PART_KEYS)), table.entries.get("preset")
        if node is None:
            return own
        name, place = plain(node), (*path, "preset")
        if not isinstance(name, str):
            self.report.add(f"expected the name of a preset, got {got(name)}", place, node.origin)
        elif name not in component.presets:
            hint = nearest(name, component.presets) or f"its presets: {', '.join(component.presets) or 'none'}"
            self.report.add(
                f"{component.kind} '{component.reference}' has no preset '{name}'", place, node.origin, hint
            )
        else:
            preset = with_current_names(
                component.config, table_from(component.presets[name], Origin(f"preset '{name}'"))
            ).settings
            return Table(overlay(preset, own).entries, table.origin)
        return own

    def _current_names(self, path: Path, component: Component, settings: Table) -> Table:
        renamed = with_current_names(component.config, settings)
        self.notes += [f"{dotted(path)}: {note}" for note in renamed.notes]
        for old, name in renamed.clashes:
            message = f"is also set by its former name '{old}'"
            self.report.add(message, (*path, name), renamed.settings.entries[name].origin, f"remove '{old}'")
        return renamed.settings

    def record_settings(self, path: Path, value: Any, node: Node | None, but: Sequence[str] = ()) -> None:
        """Where every value of a structured object was written; what nobody wrote is a default."""
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
