"""The fields of a config class: their descriptions, and checks of plain values against their types."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs


@attrs.frozen
class ConfigField:
    """One setting of a component: its name in a recipe, its type and default, and its help text."""

    name: str
    type: Any
    required: bool
    default: Any
    help: str

    @property
    def type_name(self) -> str:
        return type_name(self.type)


def config_fields(config: type[Any]) -> list[ConfigField]:
    """The settings of an attrs class, in order.

    Raises what ``typing.get_type_hints`` raises for an annotation that cannot be resolved, mostly ``NameError``.
    """
    hints = _type_hints(config)  # type: ignore[arg-type]  # mypy does not know that classes are hashable
    return [
        ConfigField(
            name=attribute.alias or attribute.name,
            type=hints.get(attribute.name, Any),
            required=attribute.default is attrs.NOTHING,
            default=_default(attribute),
            help=str(attribute.metadata.get("help", "")),
        )
        for attribute in attrs.fields(config)
        if attribute.init
    ]


@lru_cache(maxsize=512)
def _type_hints(config: type[Any]) -> dict[str, Any]:
    return get_type_hints(config)


def _default(attribute: attrs.Attribute[Any]) -> Any:
    default: Any = attribute.default
    if default is attrs.NOTHING:
        return None
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return None if default.takes_self else default.factory()
    return default


def is_frozen(config: type[Any]) -> bool:
    """Whether instances of an attrs class refuse assignment. Only the newest versions of attrs expose this."""
    attributes = attrs.fields(config)
    if not attributes:
        return True
    try:
        setattr(object.__new__(config), attributes[0].name, None)
    except attrs.exceptions.FrozenInstanceError:
        return True
    except Exception:  # from a validator that ran on assignment, so assignment is allowed
        return False
    return False


def type_name(annotation: Any) -> str:
    """The name of a type for users of recipes: ``int``, ``list of int``, ``'gelu' or 'silu'``."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return "any"
    if annotation in (None, type(None)):
        return "nothing"
    if origin is Literal:
        return " or ".join(repr(argument) for argument in arguments)
    if origin in (Union, types.UnionType):
        names = [type_name(argument) for argument in arguments if argument is not type(None)]
        return " or ".join(names) + (", optional" if len(names) < len(arguments) else "")
    if origin is not None and issubclass(origin, Mapping):
        return f"table of {type_name(arguments[1])}"
    if origin is tuple and not (len(arguments) == 2 and arguments[1] is Ellipsis):
        return "[" + ", ".join(type_name(argument) for argument in arguments) + "]"
    if origin is not None and issubclass(origin, Sequence | set | frozenset):
        return f"list of {type_name(arguments[0])}"
    if isinstance(annotation, type) and attrs.has(annotation):
        return "table"
    if annotation is Path:
        return "path"
    return getattr(annotation, "__name__", str(annotation))


def fits(value: Any, annotation: Any) -> bool:
    """Whether a plain value is valid for a field of this type; strings are not numbers, and numbers are not booleans.

    As in TOML, a list is valid for a tuple, a table for a config class, and a whole number for a float.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return any(value == argument and type(value) is type(argument) for argument in arguments)
    if origin in (Union, types.UnionType):
        return any(fits(value, argument) for argument in arguments)
    if annotation in (None, type(None)):
        return value is None
    if origin is tuple and not (len(arguments) == 2 and arguments[1] is Ellipsis):
        return (
            isinstance(value, list | tuple)
            and len(value) == len(arguments)
            and all(fits(item, argument) for item, argument in zip(value, arguments, strict=True))
        )
    if origin is not None and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(
            fits(key, arguments[0]) and fits(item, arguments[1]) for key, item in value.items()
        )
    if origin is not None and issubclass(origin, Sequence | set | frozenset):
        return isinstance(value, list | tuple) and all(fits(item, arguments[0]) for item in value)
    if isinstance(annotation, type) and annotation is not Any:
        return _fits_class(value, annotation)
    return True  # any other annotation is left to the class itself


def _fits_class(value: Any, annotation: type[Any]) -> bool:
    if attrs.has(annotation):
        if not isinstance(value, Mapping):
            return isinstance(value, annotation)
        fields = {field.name: field for field in config_fields(annotation)}
        return all(key in fields and fits(item, fields[key].type) for key, item in value.items()) and all(
            name in value for name, field in fields.items() if field.required
        )
    if annotation in (int, float) and isinstance(value, bool):
        return False
    if annotation is float:
        return isinstance(value, int | float)
    if annotation is Path:
        return isinstance(value, str | Path)
    return isinstance(value, annotation)
