"""Plain values to attrs classes, strictly: no unknown names, no conversions, every mistake in one pass.

cattrs dispatches on the types; the hooks here replace its lenient ones, which would accept ``"3"`` for 3 and ``"abc"``
for a list of letters.
"""

from __future__ import annotations

import collections.abc
import types
from collections.abc import Callable, Iterable, Mapping
from math import isnan
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import attrs
from cattrs import Converter

from ..components.fields import ConfigField, config_fields
from ..errors import nearest
from .positions import KeyPath
from .values import got

T = TypeVar("T")

_SEQUENCES = (tuple, list, set, frozenset, collections.abc.Sequence, collections.abc.Set, collections.abc.Collection)
_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


@attrs.frozen
class Mistake:
    """One value that is not valid, by its path inside the structured value; ``missing`` where there is none."""

    path: KeyPath
    message: str
    hint: str = ""
    missing: bool = False

    def under(self, step: str | int) -> Mistake:
        return attrs.evolve(self, path=(step, *self.path))


class Mistakes(Exception):  # noqa: N818 - it carries mistakes between hooks and never leaves this package
    """All mistakes of one value."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.items = tuple(mistakes)
        super().__init__("\n".join(mistake.message for mistake in self.items))


def structure(cls: type[T], values: Mapping[str, Any], fixed: Mapping[str, Any] | None = None) -> T:
    """An instance of an attrs class from plain values. ``fixed`` are fields that the user cannot set.

    Raises ``Mistakes``.
    """
    fixed = fixed or {}
    fields = {field.name: field for field in _fields(cls) if field.name not in fixed}
    mistakes = [Mistake((name,), "unknown setting", nearest(name, fields)) for name in values if name not in fields]
    arguments = dict(fixed)
    for name, field in fields.items():
        if name in values:
            mistakes += _into(arguments, name, values[name], field.type)
        elif field.required:
            mistakes.append(Mistake((name,), "is missing", field.help, missing=True))
    mistakes += _refused(cls, arguments)
    if mistakes:
        raise Mistakes(mistakes)
    try:
        return cls(**arguments)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the class is a plugin's code, so any exception is possible
        raise Mistakes([Mistake((), _sentence(error, ""))]) from error


def _fields(cls: type[Any]) -> list[ConfigField]:
    try:
        return config_fields(cls)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # annotations are evaluated, so any exception is possible
        message = f"the types of {cls.__name__}'s fields cannot be read: {type(error).__name__}: {error}"
        raise Mistakes([Mistake((), message)]) from error


def _into(results: dict[Any, Any], step: Any, value: Any, expected: Any) -> list[Mistake]:
    """Put the structured value into the results; return its mistakes."""
    try:
        results[step] = _CONVERTER.structure(value, expected)
    except Mistakes as mistakes:
        return [mistake.under(step) for mistake in mistakes.items]
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # from a type that only cattrs or the plugin can structure
        name = getattr(expected, "__name__", str(expected))
        return [Mistake((step,), f"expected {name}, got {got(value)}: {error}")]
    return []


def _refused(cls: type[Any], arguments: Mapping[str, Any]) -> list[Mistake]:
    """The mistakes that validators report. Each is called by itself, since attrs stops at the first error."""
    instance = object.__new__(cls)
    present = {}
    for attribute in attrs.fields(cls):
        name = attribute.alias or attribute.name
        value = arguments.get(name, attribute.default)
        if name in arguments or not isinstance(value, attrs.Factory | type(attrs.NOTHING)):
            object.__setattr__(instance, attribute.name, value)
            present[name] = attribute
    mistakes = []
    for name in arguments:
        validator = present[name].validator
        try:
            if validator is not None:
                validator(instance, present[name], arguments[name])
        except AttributeError:  # it reads another field, which is itself missing or wrong
            continue
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # validators are a plugin's code, so any exception is possible
            mistakes.append(Mistake((name,), _sentence(error, present[name].name)))
    return mistakes


def _sentence(error: BaseException, name: str) -> str:
    """The message of a validator, without the field's name, which is in the path already."""
    message = str(error.args[0]) if error.args else type(error).__name__
    if not isinstance(error, ValueError | TypeError):
        message = f"{type(error).__name__}: {message}"
    return message.removeprefix(f"'{name}' ").removeprefix(f"{name} ")


def _expect(wanted: str, value: Any, hint: str = "") -> Mistakes:
    return Mistakes([Mistake((), f"expected {wanted}, got {got(value)}", hint)])


def _whole_number(value: Any, _: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _expect("a whole number", value)
    return value


def _number(value: Any, _: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or isnan(value):
        hint = 'a name with a dot needs quotes: "backbone.balance" = 0.01' if isinstance(value, Mapping) else ""
        raise _expect("a number", value, hint)
    return float(value)


def _truth(value: Any, _: Any) -> bool:
    if not isinstance(value, bool):
        raise _expect("true or false", value)
    return value


def _text(value: Any, _: Any) -> str:
    if not isinstance(value, str):
        raise _expect("a string in quotes", value)
    return value


def _file_path(value: Any, _: Any) -> Path:
    return Path(_text(value, str))


def _choice(value: Any, annotation: Any) -> Any:
    choices = get_args(annotation)
    for choice in choices:
        if value == choice and type(value) is type(choice):
            return choice
    listed = " or ".join(f'"{choice}"' if isinstance(choice, str) else str(choice) for choice in choices)
    hint = nearest(value, map(str, choices)) if isinstance(value, str) else ""
    raise _expect(listed, value, hint if hint.startswith("did") else "")


def _alternatives(value: Any, annotation: Any) -> Any:
    members = get_args(annotation)
    members = tuple(member for member in members if member is not type(None))  # TOML has no value for it
    mistakes: list[Mistake] = []
    for member in sorted(members, key=lambda member: type(value) is not member):  # 3 is an int before it is a float
        results: dict[str, Any] = {}
        member_mistakes = _into(results, "", value, member)
        if not member_mistakes:
            return results[""]
        mistakes += [attrs.evolve(mistake, path=mistake.path[1:]) for mistake in member_mistakes]
    if len(members) > 1 and all(not mistake.path for mistake in mistakes):
        expected = [mistake.message.removeprefix("expected ").partition(", got ")[0] for mistake in mistakes]
        raise _expect(" or ".join(dict.fromkeys(expected)), value)
    # A member that fits except for a nested value is the one that was meant.
    raise Mistakes([mistake for mistake in mistakes if mistake.path] or mistakes)


def _sequence(value: Any, annotation: Any) -> Any:
    kind, arguments = get_origin(annotation) or annotation, get_args(annotation)
    if not isinstance(value, list | tuple):
        raise _expect("a list", value)
    if kind is tuple and arguments and arguments[-1] is not Ellipsis:
        if len(value) != len(arguments):
            raise _expect(f"a list of {len(arguments)}", value)
        expected = arguments
    else:
        expected = (arguments[0] if arguments else Any,) * len(value)
    results: dict[int, Any] = {}
    mistakes = [
        mistake
        for index, (item, item_type) in enumerate(zip(value, expected, strict=True))
        for mistake in _into(results, index, item, item_type)
    ]
    if mistakes:
        raise Mistakes(mistakes)
    make: Callable[[Iterable[Any]], Any] = kind if kind in (list, set, frozenset) else tuple
    return make(results.values())


def _mapping(value: Any, annotation: Any) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise _expect("a table", value)
    expected = (get_args(annotation) or (str, Any))[1]
    results: dict[str, Any] = {}
    mistakes = [mistake for name, item in value.items() for mistake in _into(results, name, item, expected)]
    if mistakes:
        raise Mistakes(mistakes)
    return results


def _table(value: Any, cls: Any) -> Any:
    if not isinstance(value, Mapping):
        raise _expect("a table", value)
    return structure(cls, value)


def _of(kinds: tuple[Any, ...]) -> Callable[[Any], bool]:
    return lambda annotation: annotation in kinds or get_origin(annotation) in kinds


def _converter() -> Converter:
    converter = Converter()
    for plain_type, hook in (
        (int, _whole_number),
        (float, _number),
        (bool, _truth),
        (str, _text),
        (Path, _file_path),
    ):
        converter.register_structure_hook(plain_type, hook)
    hooks: list[tuple[Callable[[Any], bool], Callable[[Any, Any], Any]]] = [
        (_of((Any,)), lambda value, _: value),
        (_of((Literal,)), _choice),
        (_of((Union, types.UnionType)), _alternatives),
        (_of(_SEQUENCES), _sequence),
        (_of(_MAPPINGS), _mapping),
        (lambda annotation: isinstance(annotation, type) and attrs.has(annotation), _table),
    ]
    for predicate, reader in hooks:
        converter.register_structure_hook_func(predicate, reader)
    return converter


_CONVERTER = _converter()
