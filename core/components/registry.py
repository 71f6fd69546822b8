"""The registry: every installed plugin, and every component and recipe that they provide."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from ..errors import ComponentError, Problem, UsageError, nearest
from ..garbage import no_collection
from .component import Component
from .hookspec import PROJECT
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
            _contested_files(f"{kind} '{name}'", found)
            for kind, files in (("recipe", self._recipe_files()), ("model", self._model_folders()))
            for name, found in files.items()
            if len(found) > 1
        ]

    def recipes(self) -> dict[str, Path]:
        """The files of the recipes of plugins, by name, without those that two plugins register."""
        return {name: files[0][1] for name, files in self._recipe_files().items() if len(files) == 1}

    def recipe(self, name: str) -> Path:
        """The file of a recipe. Raises ``UsageError`` where no plugin, or more than one, registers it."""
        files = self._recipe_files().get(name, [])
        if len(files) > 1:
            raise UsageError(_contested_files(f"recipe '{name}'", files))
        if not files:
            hint = "; ".join(filter(None, [nearest(name, self._recipe_files()), *self._absent()]))
            raise UsageError(Problem(f"there is no recipe called '{name}'", hint=hint))
        return files[0][1]

    def studies(self) -> dict[str, Path]:
        """The files of the studies of plugins, in ``studies`` beside their recipes, by name; without contested ones."""
        return {name: files[0][1] for name, files in self._recipe_files("studies/*.toml").items() if len(files) == 1}

    def study(self, name: str) -> Path:
        """The file of a study. Raises ``UsageError`` where no plugin, or more than one, has it."""
        found = self._recipe_files("studies/*.toml")
        files = found.get(name, [])
        if len(files) > 1:
            raise UsageError(_contested_files(f"study '{name}'", files))
        if not files:
            raise UsageError(Problem(f"there is no study called '{name}'", hint=nearest(name, found)))
        return files[0][1]

    def models(self) -> dict[str, Path]:
        """The folders beside the recipes of plugins that hold weights, by name, without those that two plugins have."""
        return {name: folders[0][1] for name, folders in self._model_folders().items() if len(folders) == 1}

    def model(self, name: str) -> Path | None:
        """The folder of a model; None where no plugin has it. Raises ``UsageError`` where more than one has."""
        folders = self._model_folders().get(name, [])
        if len(folders) > 1:
            raise UsageError(_contested_files(f"model '{name}'", folders))
        return folders[0][1] if folders else None

    def _model_folders(self) -> dict[str, list[tuple[PluginRecord, Path]]]:
        folders: dict[str, list[tuple[PluginRecord, Path]]] = {}
        for record in self.plugins:
            holders = {weights.parent for folder in record.recipe_folders for weights in folder.glob("*/*.safetensors")}
            for holder in sorted(holders):
                folders.setdefault(holder.name, []).append((record, holder))
        return folders

    def _recipe_files(self, pattern: str = "*.toml") -> dict[str, list[tuple[PluginRecord, Path]]]:
        files = sorted(
            (path.stem, record.distribution, record.name, path, record)
            for record in self.plugins
            for folder in record.recipe_folders
            for path in folder.glob(pattern)
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
            names = names_to_disable([(claim.distribution, claim.plugin) for claim in claims])
            raise ComponentError(
                Problem(
                    f"{kind} '{name}' comes from more than one distribution: {listed}",
                    hint=_joined(f"name the version, as in '{claims[0].reference}'", "disable one plugin", names),
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
    owners = [(claim.distribution, claim.plugin) for claim in claims]
    return Problem(
        f"{first.kind} '{first.reference}' is registered by {_providers(claims)}, so {_none_of(claims)} is used",
        hint=_joined("uninstall one", "disable it", names_to_disable(owners)),
    )


def _contested_files(what: str, files: list[tuple[PluginRecord, Path]]) -> Problem:
    records = [record for record, _ in files]
    owners = [(record.distribution, record.name) for record in records]
    return Problem(
        f"{what} is registered by {_providers(records)}, so {_none_of(records)} is used",
        hint=_joined("give its path", "disable one plugin", names_to_disable(owners)),
    )


def _providers(claims: Sequence[Component] | Sequence[PluginRecord]) -> str:
    return " and by ".join(claim.provider for claim in claims)


def _none_of(claims: Sequence[Any]) -> str:
    return "neither" if len(claims) == 2 else "none"


def _joined(other_remedy: str, action: str, names: Sequence[str]) -> str:
    return f"{other_remedy}, or {action}: {DISABLE}={','.join(names)}" if names else other_remedy


def names_to_disable(owners: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """The names that disable all but one of the owners of a contested name, each a (distribution, plugin).

    janiform's own plugin stays enabled, otherwise the first one that can. Plugins of two distributions may have one
    name, which would disable both, so that a distribution is named where it tells them apart. Empty where no names
    leave exactly one owner.
    """
    distinct = dict.fromkeys(owners)
    for kept in sorted(distinct, key=lambda owner: owner[0] != PROJECT):
        others = [owner for owner in distinct if owner != kept]
        names = [next((name for name in owner if name and name not in kept), "") for owner in others]
        if all(names):
            return tuple(dict.fromkeys(names))
    return ()


@functools.cache
def registry() -> Registry:
    """The process's registry, loaded once from the entry points without the plugins that the environment disables.

    Raises ``UsageError`` where ``JANIFORM_DISABLE_PLUGINS`` names an unknown plugin.
    """
    with no_collection():
        return Registry.load(disabled=os.environ.get(DISABLE, "").split(","))
