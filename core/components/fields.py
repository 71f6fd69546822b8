"""The fields of a config class, described for people and checked against plain values."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs


@attrs.frozen
class ConfigField:
    """One setting of a component: its name in a recipe, what values it takes, and the sentence that explains it."""

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

    Raises what ``typing.get_type_hints`` raises where an annotation names something unknown, ``NameError`` mostly.
    """
    hints = get_type_hints(config)
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


def _default(attribute: attrs.Attribute[Any]) -> Any:
    default: Any = attribute.default
    if default is attrs.NOTHING:
        return None
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return None if default.takes_self else default.factory()
    return default


def is_frozen(config: type[Any]) -> bool:
    """Whether instances of an attrs class refuse assignment. attrs itself tells only in its newest versions."""
    attributes = attrs.fields(config)
    if not attributes:
        return True
    try:
        setattr(object.__new__(config), attributes[0].name, None)
    except attrs.exceptions.FrozenInstanceError:
        return True
    except Exception:  # a validator that ran on assignment: so assignment is allowed
        return False
    return False


def type_name(annotation: Any) -> str:
    """A type as a user of recipes thinks of it: ``int``, ``list of int``, ``'gelu' or 'silu'``."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return "any"
    if annotation in (None, type(None)):
        return "nothing"
    if origin is Literal:
        return " or ".join(repr(argument) for argument in arguments)
    if origin in (Union, types.UnionType):
        some = [type_name(argument) for argument in arguments if argument is not type(None)]
        return " or ".join(some) + (", optional" if len(some) < len(arguments) else "")
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
    """Whether a plain value may be given for a field of this type: no string for a number, no number for a boolean.

    A list stands for a tuple, a table for a config class, a whole number for a float, as in TOML.
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
    return True  # an annotation that only the class itself can judge


def _fits_class(value: Any, annotation: type[Any]) -> bool:
    if attrs.has(annotation):
        if not isinstance(value, Mapping):
            return isinstance(value, annotation)
        known = {field.name: field for field in config_fields(annotation)}
        return all(key in known and fits(item, known[key].type) for key, item in value.items()) and all(
            name in value for name, field in known.items() if field.required
        )
    if annotation in (int, float) and isinstance(value, bool):
        return False
    if annotation is float:
        return isinstance(value, int | float)
    if annotation is Path:
        return isinstance(value, str | Path)
    return isinstance(value, annotation)
