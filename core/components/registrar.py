"""The registrar that a plugin is given: it checks and collects the plugin's registrations."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import attrs

from ..errors import ComponentError, Origin, Problem, nearest
from .component import FACTORY, NAME, PRESET, Component
from .fields import ConfigField, config_fields, fits, is_frozen
from .kinds import KINDS

_PACKAGE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


class Registrar:
    """Collects the registrations of one plugin.

    Mistakes are collected, each with the file and line of the call, so that an author sees all of them at once. With a
    mistake, a plugin registers nothing.
    """

    def __init__(self, plugin: str, distribution: str = "", distribution_version: str = "") -> None:
        self.plugin = plugin
        self.distribution = distribution
        self.distribution_version = distribution_version
        self._components: dict[tuple[str, str, int], Component] = {}
        self._recipe_folders: list[Path] = []
        self._problems: list[Problem] = []

    def component(
        self,
        kind: str,
        name: str,
        *,
        version: int = 1,
        config: type[Any],
        factory: str,
        summary: str,
        presets: Mapping[str, Mapping[str, Any]] | None = None,
        released: str = "",
    ) -> None:
        """Register a component, so that recipes can name it.

        :param kind: one of ``janiform.components.KINDS``.
        :param name: its name in recipes: lower-case words joined by hyphens or dots.
        :param version: version of its settings and ports; raise it when a recipe for the old ones would change its
            meaning, and keep registering the old version as long as recipes use it.
        :param config: a frozen attrs class; each field has ``metadata={"help": "one sentence"}``.
        :param factory: ``"package.module:name"``, imported when the component is first built.
        :param summary: one line that says what it is.
        :param presets: settings by name, as plain data that a recipe could contain.
        :param released: ``"package.module:name"`` of a ``janiform.Released`` with the names of the part's tensors in
            the directories of other projects, so that training can start from one.
        """
        origin = _caller()
        presets = presets if presets is not None else {}
        problems = [
            *_name_problems(kind, name, version),
            *_text_problems(factory, summary, released),
            *_config_problems(kind, config),
        ]
        problems = problems or list(_preset_problems(config, presets))
        if not problems and (kind, name, version) in self._components:
            problems = [Problem(f"'{name}@{version}' is registered twice", hint="raise the version, or drop one")]
        if problems:
            self._problems += [attrs.evolve(problem, path=f"{kind} '{name}'", origin=origin) for problem in problems]
            return
        self._components[kind, name, version] = Component(
            kind=kind,
            name=name,
            version=version,
            config=config,
            presets=presets,
            factory=factory,
            summary=summary,
            plugin=self.plugin,
            distribution=self.distribution,
            distribution_version=self.distribution_version,
            released=released,
        )

    def recipes(self, package: str) -> None:
        """Register the ``*.toml`` files of a package as recipes by their file names, and the model folders beside them.

        :param package: the package's import name; it is located, not imported.
        """
        origin = _caller()
        try:
            self._recipe_folders.append(_folder_of(package))
        except ValueError as error:
            self._problems.append(Problem(str(error), path=f"recipes '{package}'", origin=origin))

    def finish(self) -> tuple[tuple[Component, ...], tuple[Path, ...]]:
        """The components and the folders of recipes. Raises ``ComponentError`` with every mistake."""
        if self._problems:
            raise ComponentError(self._problems)
        return tuple(self._components.values()), tuple(dict.fromkeys(self._recipe_folders))


def _caller() -> Origin:
    """The line in the plugin that called the registrar."""
    frame = sys._getframe(2)
    return Origin(frame.f_code.co_filename, frame.f_lineno)


def _name_problems(kind: object, name: object, version: object) -> Iterator[Problem]:
    if kind not in KINDS:
        yield Problem(f"there is no kind of component called {kind!r}", hint=nearest(str(kind), KINDS))
    if not isinstance(name, str) or not NAME.fullmatch(name):
        example = re.sub(r"[^a-z0-9.]+", "-", str(name).lower()).strip("-.0123456789")
        yield Problem(
            f"{name!r} is not a valid name for a component: use lower-case words and numbers, joined by single "
            "hyphens or dots",
            hint=f"for example '{example}'" if NAME.fullmatch(example) else "",
        )
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        yield Problem(f"the version must be a whole number from 1 up, not {version!r}")


def _text_problems(factory: object, summary: object, released: object) -> Iterator[Problem]:
    if released != "" and (not isinstance(released, str) or not FACTORY.fullmatch(released)):
        hint = "write 'package.module:name'; it is imported when weights are read"
        yield Problem(f"{released!r} is not the import path of a Released", hint=hint)
    if not isinstance(factory, str) or not FACTORY.fullmatch(factory):
        yield Problem(
            f"{factory!r} is not the import path of a factory",
            hint="write 'package.module:name'; it is imported when the component is built",
        )
    if not isinstance(summary, str) or not summary.strip() or "\n" in summary:
        yield Problem("the summary must be one line of text")


def _config_problems(kind: str, config: object) -> Iterator[Problem]:
    if not isinstance(config, type) or not attrs.has(config):
        name = config.__name__ if isinstance(config, type) else repr(config)
        yield Problem(f"the config must be an attrs class, not {name}", hint="decorate it with @attrs.frozen")
        return
    if not is_frozen(config):
        yield Problem(f"{config.__name__} is not frozen", hint="decorate it with @attrs.frozen")
    if broken := list(_broken_defaults(config)):
        yield from broken
        return
    try:
        fields = config_fields(config)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # annotations are evaluated, so any exception is possible
        yield Problem(
            f"the types of {config.__name__}'s fields cannot be read: {type(error).__name__}: {error}",
            hint="import them at run time, not only for type checkers",
        )
        return
    for field in fields:
        if not field.help.strip():
            yield Problem(
                f"field '{field.name}' of {config.__name__} does not say what it is",
                hint='give it metadata={"help": "one sentence"}',
            )
        yield from _default_problems(config, field)
    for attribute in KINDS[kind].required_attributes if kind in KINDS else ():
        if not hasattr(config, attribute) and attribute not in {field.name for field in fields}:
            yield Problem(
                f"{config.__name__} lacks '{attribute}', which every {kind} declares",
                hint=f"see {KINDS[kind].config_contract} in janiform.contracts",
            )
    ports = KINDS[kind].port_methods if kind in KINDS else ()
    if len(ports) > 1 and not any(hasattr(config, name) for name in ports):
        yield Problem(
            f"{config.__name__} lacks '{ports[0]}' or '{ports[1]}', one of which every {kind} declares",
            hint=f"see {KINDS[kind].config_contract} in janiform.contracts",
        )


def _broken_defaults(config: type[Any]) -> Iterator[Problem]:
    for attribute in attrs.fields(config):
        default: Any = attribute.default
        if isinstance(default, attrs.Factory) and not default.takes_self:  # type: ignore[arg-type]
            try:
                default.factory()
            except Exception as error:  # any code of the plugin
                yield Problem(
                    f"the default of field '{attribute.name}' of {config.__name__} cannot be made: "
                    f"{type(error).__name__}: {error}"
                )


def _default_problems(config: type[Any], field: ConfigField) -> Iterator[Problem]:
    """Problems of a field's default: it must be of the field's type, and all configs share it, so it cannot change."""
    attribute = next(some for some in attrs.fields(config) if (some.alias or some.name) == field.name)
    default: Any = attribute.default
    made = isinstance(default, attrs.Factory)  # type: ignore[arg-type]
    if default is attrs.NOTHING or (made and default.takes_self):  # the latter depends on other settings
        return
    value = default.factory() if made else default
    where = f"the default of field '{field.name}' of {config.__name__}"
    if not made and not _is_hashable(value):
        yield Problem(
            f"{where} is {value!r}, which can change, and all configs would share it",
            hint="use a tuple" if isinstance(value, list | set) else "write factory=… instead of default=…",
        )
    elif attribute.converter is None and not fits(value, field.type):
        yield Problem(f"{where} is {value!r}, but its type is {field.type_name}")


def _is_hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _preset_problems(config: type[Any], presets: object) -> Iterator[Problem]:
    if not isinstance(presets, Mapping) or not all(isinstance(values, Mapping) for values in presets.values()):
        yield Problem("presets must be a table of tables: {'name': {'field': value}}")
        return
    fields = {field.name: field for field in config_fields(config)}
    for preset, values in presets.items():
        if not isinstance(preset, str) or not PRESET.fullmatch(preset):
            yield Problem(
                f"{preset!r} is not a valid name for a preset: use lower-case words and numbers, joined by single "
                "hyphens or dots"
            )
        yield from _value_problems(str(preset), values, fields)


def _value_problems(preset: str, values: Mapping[str, Any], fields: Mapping[str, ConfigField]) -> Iterator[Problem]:
    for name, value in values.items():
        if name not in fields:
            yield Problem(f"preset '{preset}' sets '{name}', which is not a field", hint=nearest(str(name), fields))
        elif not fits(value, fields[name].type):
            yield Problem(f"preset '{preset}' sets '{name}' to {value!r}, but its type is {fields[name].type_name}")


def _folder_of(package: object) -> Path:
    if not isinstance(package, str) or not _PACKAGE.fullmatch(package):
        raise ValueError(f"{package!r} is not the import name of a package")
    try:
        spec = find_spec(package)
    except ImportError as error:  # a parent package that is missing or broken
        raise ValueError(f"the package cannot be found: {error}") from error
    if spec is None:
        raise ValueError("there is no such package")
    for folder in spec.submodule_search_locations or ():
        if any(Path(folder).glob("*.toml")):
            return Path(folder)
    raise ValueError("the package has no *.toml file")
