"""The registry: every installed plugin, and every component and recipe that they provide."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from ..errors import ComponentError, Problem, UsageError, nearest
from .component import Component
from .kinds import KINDS
from .loading import PluginRecord, PluginSource, given, installed, load_plugin

DISABLE = "JANIFORM_DISABLE_PLUGINS"
"""The environment variable with the plugins, or distributions, to disable, separated by commas."""

_REFERENCE = re.compile(r"(?P<name>[^@]+)(@(?P<version>[1-9][0-9]{0,8}))?")


class Registry:
    """The components of all plugins.

    A component that two plugins register under the same kind, name and version is unusable, so that the order in which
    plugins are found has no effect.
    """

    def __init__(self, plugins: Iterable[PluginRecord]) -> None:
        self.plugins = tuple(sorted(plugins, key=lambda record: (record.distribution, record.name)))
        self._claims: dict[tuple[str, str], dict[int, list[Component]]] = {}
        for component in (component for record in self.plugins for component in record.components):
            versions = self._claims.setdefault((component.kind, component.name), {})
            versions.setdefault(component.version, []).append(component)

    @classmethod
    def load(
        cls, plugins: Mapping[str, Any] | None = None, *, entry_points: bool = True, disabled: Iterable[str] = ()
    ) -> Registry:
        """Import the installed plugins, and those given as objects by name.

        ``disabled`` are the names of plugins, or of distributions with all their plugins, that are not imported. Raises
        ``UsageError`` for a name that no plugin or distribution has.
        """
        sources = [*(installed() if entry_points else ()), *given(plugins or {})]
        names = _disabled(sources, disabled)
        return cls(
            PluginRecord(source.name, source.distribution, source.version, disabled=True)
            if source.name in names or source.distribution in names
            else load_plugin(source)
            for source in sources
        )

    def find(self, kind: str, reference: str) -> Component:
        """The component called ``"name@version"``, or the newest version of ``"name"``.

        Raises ``ComponentError`` where there is none, with the nearest name and the broken plugins that may have it;
        where two plugins register it; and where no version is named and the versions come from two distributions.
        """
        if kind not in KINDS:
            raise ComponentError(Problem(f"there is no kind of component called '{kind}'", hint=nearest(kind, KINDS)))
        match = _REFERENCE.fullmatch(reference)
        if match is None:
            raise ComponentError(
                Problem(
                    f"'{reference}' does not name a component",
                    hint="write the name, or the name with a version, as in 'siglip@1'",
                )
            )
        name = match["name"]
        if (kind, name) not in self._claims:
            raise ComponentError(Problem(f"no {kind} is called '{name}'", hint=self._hint(kind, name)))
        versions = self._claims[kind, name]
        if match["version"] is None:
            self._refuse_mixed_owners(kind, name)
        version = int(match["version"] or max(versions))
        if version not in versions:
            listed = ", ".join(str(version) for version in sorted(versions))
            raise ComponentError(
                Problem(
                    f"{kind} '{name}' has no version {version}",
                    hint="; ".join([f"its versions: {listed}", *self._absent()]),
                )
            )
        claims = versions[version]
        if len(claims) > 1:
            raise ComponentError(_contested(claims))
        return claims[0]

    def components(self, kind: str | None = None) -> list[Component]:
        """The usable components of one kind or of all kinds, ordered by kind, name and version."""
        if kind is not None and kind not in KINDS:
            raise ComponentError(Problem(f"there is no kind of component called '{kind}'", hint=nearest(kind, KINDS)))
        order = list(KINDS)
        usable = [claims[0] for versions in self._claims.values() for claims in versions.values() if len(claims) == 1]
        return sorted(
            (component for component in usable if kind in (None, component.kind)),
            key=lambda component: (order.index(component.kind), component.name, component.version),
        )

    def explain_missing(self, kind: str, reference: str, provided_by: str) -> str:
        """Why a component of a written recipe is missing; ``provided_by`` is its distribution's name and version.

        Empty where some plugin registers the component, usable or not.
        """
        match = _REFERENCE.fullmatch(reference)
        versions = self._claims.get((kind, match["name"]), {}) if match else {}
        if match is None or (int(match["version"]) in versions if match["version"] else versions):
            return ""
        name, _, version = provided_by.rpartition(" ")
        records = [record for record in self.plugins if record.distribution == name]
        if not records:
            return f"it was provided by {provided_by}, which is not installed: pip install '{name}=={version}'"
        if any(record.disabled for record in records):
            return f"it was provided by {provided_by}, which is disabled"
        return f"it was provided by {provided_by}, but {name} {records[0].version} is installed"

    def conflicts(self) -> list[Problem]:
        """Components, then recipes, that more than one plugin registers."""
        contested = [
            _contested(claims) for versions in self._claims.values() for claims in versions.values() if len(claims) > 1
        ]
        return contested + [
            _contested_recipe(name, files) for name, files in self._recipe_files().items() if len(files) > 1
        ]

    def recipes(self) -> dict[str, Path]:
        """The files of the recipes of plugins, by name, without those that two plugins register."""
        return {name: files[0][1] for name, files in self._recipe_files().items() if len(files) == 1}

    def recipe(self, name: str) -> Path:
        """The file of a recipe. Raises ``UsageError`` where no plugin, or more than one, registers it."""
        files = self._recipe_files().get(name, [])
        if len(files) > 1:
            raise UsageError(_contested_recipe(name, files))
        if not files:
            hint = "; ".join(filter(None, [nearest(name, self._recipe_files()), *self._absent()]))
            raise UsageError(Problem(f"there is no recipe called '{name}'", hint=hint))
        return files[0][1]

    def models(self) -> dict[str, Path]:
        """The folders beside the recipes of plugins that hold weights, by name."""
        return {
            weights.parent.name: weights.parent
            for record in self.plugins
            for folder in record.recipe_folders
            for weights in sorted(folder.glob("*/*.safetensors"))
        }

    def _recipe_files(self) -> dict[str, list[tuple[PluginRecord, Path]]]:
        files = sorted(
            (path.stem, record.distribution, record.name, path, record)
            for record in self.plugins
            for folder in record.recipe_folders
            for path in folder.glob("*.toml")
        )
        return {
            name: [(record, path) for *_, path, record in group] for name, group in groupby(files, lambda file: file[0])
        }

    def _refuse_mixed_owners(self, kind: str, name: str) -> None:
        """A plugin must not take over a name, in recipes that name no version, by registering a higher version."""
        versions = self._claims[kind, name]
        claims = [claim for claims in versions.values() for claim in claims]
        if len(versions) > 1 and len({claim.distribution or claim.plugin for claim in claims}) > 1:
            listed = "; ".join(f"'{claim.reference}' from {claim.provider}" for claim in claims)
            raise ComponentError(
                Problem(
                    f"{kind} '{name}' comes from more than one distribution: {listed}",
                    hint=f"name the version, as in '{claims[0].reference}', or disable one plugin",
                )
            )

    def _hint(self, kind: str, name: str) -> str:
        other_kinds = [other for other, claimed in self._claims if claimed == name]
        names = [claimed for other, claimed in self._claims if other == kind]
        hints = [nearest(name, names)]
        if other_kinds:
            hints.insert(0, f"'{name}' is a component of another kind: {', '.join(other_kinds)}")
        return "; ".join([*filter(None, hints), *self._absent()])

    def _absent(self) -> list[str]:
        """Hints about broken and disabled plugins, one of which may have what is missing."""
        broken = [
            f"{record.provider} is broken and may provide it: {record.error.splitlines()[0]}"
            for record in self.plugins
            if record.error
        ]
        disabled = [record.name for record in self.plugins if record.disabled]
        return broken + ([f"disabled: {', '.join(disabled)}"] if disabled else [])


def _disabled(sources: Iterable[PluginSource], names: Iterable[str]) -> set[str]:
    existing = {name for source in sources for name in (source.name, source.distribution) if name}
    disabled = {name.strip() for name in names if name.strip()}
    problems = [
        Problem(f"no plugin is called '{name}', so it cannot be disabled", hint=nearest(name, existing))
        for name in sorted(disabled - existing)
    ]
    if problems:
        raise UsageError(problems)
    return disabled


def _contested(claims: list[Component]) -> Problem:
    first = claims[0]
    return Problem(
        f"{first.kind} '{first.reference}' is registered by {' and by '.join(claim.provider for claim in claims)}, "
        "so neither is used",
        hint=f"uninstall one, or disable it: {DISABLE}={claims[-1].plugin}",
    )


def _contested_recipe(name: str, files: list[tuple[PluginRecord, Path]]) -> Problem:
    return Problem(
        f"recipe '{name}' is registered by {' and by '.join(record.provider for record, _ in files)}, so neither is "
        "used",
        hint=f"give the path of its file, or disable one plugin: {DISABLE}={files[-1][0].name}",
    )


@functools.cache
def registry() -> Registry:
    """The process's registry, loaded once from the entry points without the plugins that the environment disables.

    Raises ``UsageError`` where ``JANIFORM_DISABLE_PLUGINS`` names an unknown plugin.
    """
    return Registry.load(disabled=os.environ.get(DISABLE, "").split(","))
