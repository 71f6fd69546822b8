"""Recipes as TOML: resolved, with every setting, and equal when read again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import attrs

from ..components.hookspec import PROJECT
from ..components.kinds import SINGLE_PARTS
from ..errors import Origin
from .grammar import GRAMMAR, PATHWAY_MODES, PROVIDERS
from .part import Share, Use
from .recipe import Recipe
from .stage import Stage, Training
from .values import toml_key, toml_value


@attrs.frozen
class RecipeLine:
    """One line of a recipe's TOML: a table's header, a value, or empty. ``origin`` is that of the value."""

    text: str
    origin: Origin | None = None


def dumps(recipe: Recipe) -> str:
    """The recipe as TOML that reads back equal, with versions and defaults written out and presets expanded."""
    return "".join(f"{line.text}\n" for line in lines(recipe))


def lines(recipe: Recipe) -> Iterator[RecipeLine]:
    """The lines of ``dumps``, with the origins of their values."""
    yield RecipeLine(f"recipe = {GRAMMAR}")
    for path, table in tables(recipe).items():
        if path:
            yield RecipeLine("")
            yield RecipeLine(f"[{path}]")
        for name, value in table.items():
            value_path = f"{path}.{toml_key(name)}" if path else name
            yield RecipeLine(f"{toml_key(name)} = {toml_value(value)}", origin_of(recipe, value_path))
    if distributions := providers(recipe):
        yield RecipeLine("")
        yield RecipeLine(f"[{PROVIDERS}]")
        for name, value in distributions.items():
            yield RecipeLine(f"{toml_key(name)} = {toml_value(value)}")


def providers(recipe: Recipe) -> dict[str, str]:
    """Distribution and version of every third-party component, by kind and reference."""
    return {
        f"{use.kind} {use.reference}": f"{use.component.distribution} {use.component.distribution_version}"
        for _, use in uses(recipe)
        if use.component.distribution not in ("", PROJECT)
    }


def uses(recipe: Recipe) -> Iterator[tuple[str, Use]]:
    """Every component of a recipe with its path: of the model, the sources, the sinks and the objectives."""
    yield from ((path, part) for path, part in recipe.parts() if not isinstance(part, Share))
    yield from ((f"source.{name}", use) for name, use in recipe.sources.items())
    yield from ((f"sink.{name}", use) for name, use in recipe.sinks.items())
    yield from ((f"stage.{name}.objective", stage.objective) for name, stage in recipe.stages.items())


def origin_of(recipe: Recipe, path: str) -> Origin | None:
    """The origin of a value; for an inline table, that of its first value."""
    if path in recipe.origins:
        return recipe.origins[path]
    return next((origin for other, origin in recipe.origins.items() if other.startswith(f"{path}.")), None)


def tables(recipe: Recipe, *, defaults: bool = True) -> dict[str, dict[str, Any]]:
    """The recipe as plain tables by path, the top one under ``""``; settings with their default value if asked for."""
    result: dict[str, dict[str, Any]] = {"": {"name": recipe.name}}
    if recipe.description:
        result[""]["description"] = recipe.description
    for path in SINGLE_PARTS:
        if (use := getattr(recipe, path)) is not None:
            result[path] = part_table(use, defaults=defaults)
    for pathway in recipe.pathways.values():
        if pathway.name not in PATHWAY_MODES or not pathway.parts:
            result[pathway.name] = {"mode": pathway.mode}
        if pathway.route:
            result.setdefault(pathway.name, {})["route"] = pathway.route
        if pathway.transform:
            result.setdefault(pathway.name, {})["transform"] = pathway.transform
        result |= {
            f"{pathway.name}.{kind}": part_table(part, defaults=defaults) for kind, part in pathway.parts.items()
        }
    if recipe.start:
        result["start"] = dict(recipe.start)
    result |= {f"source.{name}": part_table(source, defaults=defaults) for name, source in recipe.sources.items()}
    for name, stage in recipe.stages.items():
        result[f"stage.{name}"] = _stage_table(stage, defaults)
    if recipe.stages or recipe.training != Training():
        result["training"] = plain_settings(recipe.training)
    result |= {f"sink.{name}": part_table(sink) for name, sink in recipe.sinks.items()}
    return result


def part_table(part: Use | Share, *, defaults: bool = True) -> dict[str, Any]:
    """The table of a part; settings with their default value if asked for."""
    if isinstance(part, Share):
        return {"share": part.path}
    return {"use": part.reference, **plain_settings(part.config, defaults=defaults)}


def plain_settings(config: Any, but: Sequence[str] = (), *, defaults: bool = True) -> dict[str, Any]:
    """The settings of an attrs object by name, as data for TOML, without those that are None.

    ``defaults``: also those that have the value that the class declares.
    """
    settings = {}
    for attribute in attrs.fields(type(config)):
        value = getattr(config, attribute.name)
        if not attribute.init or attribute.name in but or value is None:
            continue
        if defaults or value != _default(attribute, config):
            settings[attribute.alias or attribute.name] = _plain(value)
    return settings


def _default(attribute: attrs.Attribute[Any], config: Any) -> Any:
    default: Any = attribute.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        default = default.factory(config) if default.takes_self else default.factory()
    return default


def _plain(value: Any) -> Any:
    if attrs.has(type(value)):
        return plain_settings(value)
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(_plain(item) for item in value)
    return str(value) if isinstance(value, PurePath) else value


def _stage_table(stage: Stage, defaults: bool = True) -> dict[str, Any]:
    settings = plain_settings(stage, but=("name", "objective"), defaults=defaults)
    return {"objective": part_table(stage.objective, defaults=defaults), **settings}
