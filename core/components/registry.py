"""Who provides what: every plugin that is installed, and every component that recipes can name."""

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
"""The environment variable that switches plugins off: names of plugins or of their distributions, with commas."""

_REFERENCE = re.compile(r"(?P<name>[^@]+)(@(?P<version>[1-9][0-9]{0,8}))?")


class Registry:
    """The components of all plugins.

    Two plugins that register the same kind, name and version make that component unusable, whoever came first: the
    order in which plugins are found never decides anything.
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

        ``disabled`` names plugins, or distributions and so all of their plugins, that are not imported. Raises
        ``UsageError`` where one of these names is nobody's.
        """
        sources = [*(installed() if entry_points else ()), *given(plugins or {})]
        off = _disabled(sources, disabled)
        return cls(
            PluginRecord(source.name, source.distribution, source.version, disabled=True)
            if source.name in off or source.distribution in off
            else load_plugin(source)
            for source in sources
        )

    def find(self, kind: str, reference: str) -> Component:
        """The component called ``"name@version"``, or the newest version of ``"name"``.

        Raises ``ComponentError`` where there is none, saying what comes nearest and which broken plugin may have had
        it; where two plugins claim it; and where no version is named and those there are come from two distributions.
        """
        if kind not in KINDS:
            raise ComponentError(Problem(f"there is no kind of component called '{kind}'", hint=nearest(kind, KINDS)))
        match = _REFERENCE.fullmatch(reference)
        if match is None:
            raise ComponentError(
                Problem(
                    f"'{reference}' does not name a component",
                    hint="write the name alone, or with a whole number as its version, as in 'siglip@1'",
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
            known = ", ".join(str(known) for known in sorted(versions))
            raise ComponentError(
                Problem(
                    f"{kind} '{name}' has no version {version}",
                    hint="; ".join([f"there is: {known}", *self._absent()]),
                )
            )
        claims = versions[version]
        if len(claims) > 1:
            raise ComponentError(_contested(claims))
        return claims[0]

    def components(self, kind: str | None = None) -> list[Component]:
        """The components that can be used, of one kind or of all: by kind, name and version."""
        if kind is not None and kind not in KINDS:
            raise ComponentError(Problem(f"there is no kind of component called '{kind}'", hint=nearest(kind, KINDS)))
        order = list(KINDS)
        usable = [claims[0] for versions in self._claims.values() for claims in versions.values() if len(claims) == 1]
        return sorted(
            (component for component in usable if kind in (None, component.kind)),
            key=lambda component: (order.index(component.kind), component.name, component.version),
        )

    def lost(self, kind: str, reference: str, said: str) -> str:
        """What became of a component that a recipe was written with; ``said`` is its distribution's name and version.

        Empty where some plugin registers the component, whether it can be used or not.
        """
        match = _REFERENCE.fullmatch(reference)
        versions = self._claims.get((kind, match["name"]), {}) if match else {}
        if match is None or (int(match["version"]) in versions if match["version"] else versions):
            return ""
        name, _, version = said.rpartition(" ")
        records = [record for record in self.plugins if record.distribution == name]
        if not records:
            return f"it was provided by {said}, which is not installed: pip install '{name}=={version}'"
        if any(record.disabled for record in records):
            return f"it was provided by {said}, which is switched off"
        return f"it was provided by {said}, and {name} {records[0].version} is what is installed"

    def conflicts(self) -> list[Problem]:
        """What two plugins claim at once: components, then recipes."""
        contested = [
            _contested(claims) for versions in self._claims.values() for claims in versions.values() if len(claims) > 1
        ]
        return contested + [
            _contested_recipe(name, found) for name, found in self._recipe_files().items() if len(found) > 1
        ]

    def recipes(self) -> dict[str, Path]:
        """The recipes that plugins bring, by name. Nothing is read. A name that two plugins claim is left out."""
        return {name: found[0][1] for name, found in self._recipe_files().items() if len(found) == 1}

    def recipe(self, name: str) -> Path:
        """The file of a recipe. Raises ``UsageError`` where no plugin, or more than one, brings it."""
        found = self._recipe_files().get(name, [])
        if len(found) > 1:
            raise UsageError(_contested_recipe(name, found))
        if not found:
            hint = "; ".join(filter(None, [nearest(name, self._recipe_files()), *self._absent()]))
            raise UsageError(Problem(f"there is no recipe called '{name}'", hint=hint))
        return found[0][1]

    def models(self) -> dict[str, Path]:
        """The model folders that plugins bring beside their recipes, by name: those that hold weights."""
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
        """Else a plugin could take a name over, for every recipe that names no version, by registering a higher one."""
        versions = self._claims[kind, name]
        claims = [claim for claims in versions.values() for claim in claims]
        if len(versions) > 1 and len({claim.distribution or claim.plugin for claim in claims}) > 1:
            listed = "; ".join(f"'{claim.reference}' is of {claim.provider}" for claim in claims)
            raise ComponentError(
                Problem(
                    f"{kind} '{name}' comes from more than one distribution: {listed}",
                    hint=f"name the version, as in '{claims[0].reference}', or switch one plugin off",
                )
            )

    def _hint(self, kind: str, name: str) -> str:
        elsewhere = [other for other, known in self._claims if known == name]
        names = [known for other, known in self._claims if other == kind]
        hints = [nearest(name, names)]
        if elsewhere:
            hints.insert(0, f"'{name}' is the name of another kind: {', '.join(elsewhere)}")
        return "; ".join([*filter(None, hints), *self._absent()])

    def _absent(self) -> list[str]:
        """The plugins that contribute nothing, and why: one of them may have had what is missing."""
        broken = [
            f"{record.provider} is broken and may have had it: {record.error.splitlines()[0]}"
            for record in self.plugins
            if record.error
        ]
        off = [record.name for record in self.plugins if record.disabled]
        return broken + ([f"switched off: {', '.join(off)}"] if off else [])


def _disabled(sources: Iterable[PluginSource], names: Iterable[str]) -> set[str]:
    known = {name for source in sources for name in (source.name, source.distribution) if name}
    off = {name.strip() for name in names if name.strip()}
    problems = [
        Problem(f"no plugin is called '{name}', so it cannot be switched off", hint=nearest(name, known))
        for name in sorted(off - known)
    ]
    if problems:
        raise UsageError(problems)
    return off


def _contested(claims: list[Component]) -> Problem:
    first = claims[0]
    return Problem(
        f"{first.kind} '{first.reference}' is claimed by {' and by '.join(claim.provider for claim in claims)}, "
        "so neither is used",
        hint=f"uninstall one, or switch it off: {DISABLE}={claims[-1].plugin}",
    )


def _contested_recipe(name: str, found: list[tuple[PluginRecord, Path]]) -> Problem:
    return Problem(
        f"recipe '{name}' is brought by {' and by '.join(record.provider for record, _ in found)}, so neither is used",
        hint=f"give the path of its file, or switch one plugin off: {DISABLE}={found[-1][0].name}",
    )


@functools.cache
def registry() -> Registry:
    """The process's registry: read once, from the entry points, without the plugins that the environment switches off.

    Raises ``UsageError`` where ``JANIFORM_DISABLE_PLUGINS`` names a plugin that does not exist.
    """
    return Registry.load(disabled=os.environ.get(DISABLE, "").split(","))
