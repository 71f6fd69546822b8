"""Mistakes in a registration that would show only where a default is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from janiform import ComponentError, Registrar


def registered(field_type: Any, **field: Any) -> None:
    config = attrs.make_class(
        "Config", {"size": attrs.field(type=field_type, metadata={"help": "A size."}, **field)}, frozen=True
    )
    registrar = Registrar("mine")
    registrar.component("source", "mine", config=config, factory="a:b", summary="A source.")
    registrar.finish()


@attrs.define
class Changeable:
    width: int = 1


@pytest.mark.parametrize(
    ("type_", "default", "sentence"),
    [
        (list[int], [1], r"the default of field 'size' of Config is \[1\], which can change, .* \(use a tuple\)"),
        (dict[str, int], {}, r"is \{\}, which can change, and all configs would share it"),
        (set[int], set(), "which can change"),
        (tuple[list[int], ...], ([1],), "which can change"),
        (Changeable, Changeable(), "which can change"),
        (int, "8", "is '8', but its type is int"),
        (int, None, "is None, but its type is int"),
        (int, True, "is True, but its type is int"),
        (str, 3, "is 3, but its type is str"),
        (tuple[int, ...], (1, "a"), r"is \(1, 'a'\), but its type is list of int"),
        (int, attrs.Factory(lambda: 1 // 0), "cannot be made: ZeroDivisionError"),
        (int, attrs.Factory(list), r"is \[\], but its type is int"),
    ],
)
def test_a_default_must_be_of_its_type_and_cannot_change(type_: Any, default: Any, sentence: str) -> None:
    with pytest.raises(ComponentError, match=sentence):
        registered(type_, default=default)


@pytest.mark.parametrize(
    ("type_", "default"),
    [
        (int, 3),
        (float, 3),
        (int | None, None),
        (tuple[int, ...], (1, 2)),
        (list[int], attrs.Factory(list)),
        (Mapping[str, int], attrs.Factory(dict)),
        (int, attrs.Factory(lambda self: "later", takes_self=True)),
    ],
)
def test_a_default_of_its_type_is_accepted(type_: Any, default: Any) -> None:
    registered(type_, default=default)


def test_a_default_that_a_converter_turns_into_its_type_is_accepted() -> None:
    registered(tuple[int, ...], default="1,2", converter=lambda text: tuple(map(int, text.split(","))))
