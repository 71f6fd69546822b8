"""Config fields as people read them, and which plain values fit them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform.components.fields import config_fields, fits, is_frozen, type_name


@attrs.frozen
class Inner:
    size: int
    rate: float = 0.5


@attrs.frozen
class Config:
    needed: int = attrs.field(metadata={"help": "Must be given."})
    listed: list[int] = attrs.field(factory=lambda: [1, 2], metadata={"help": "A list."})
    derived: int = attrs.field(default=attrs.Factory(lambda self: self.needed, takes_self=True))
    inner: Inner | None = None
    _private: int = 3
    computed: int = attrs.field(init=False, default=7)


def test_fields_are_those_that_a_recipe_can_set() -> None:
    fields = {field.name: field for field in config_fields(Config)}
    assert list(fields) == ["needed", "listed", "derived", "inner", "private"]
    assert fields["needed"].required
    assert fields["needed"].help == "Must be given."
    assert fields["listed"].default == [1, 2]
    assert not fields["derived"].required
    assert fields["derived"].default is None
    assert fields["inner"].type_name == "table, optional"


def test_frozen_classes_are_told_from_others() -> None:
    assert is_frozen(Config)
    assert is_frozen(attrs.make_class("Empty", [], frozen=True))
    assert not is_frozen(attrs.make_class("Loose", ["a"]))
    checked = attrs.make_class("Checked", {"a": attrs.field(validator=attrs.validators.instance_of(int))})
    assert not is_frozen(checked)


@pytest.mark.parametrize(
    ("annotation", "name"),
    [
        (int, "int"),
        (float | None, "float, optional"),
        (int | str, "int or str"),
        (Literal["gelu", "silu"], "'gelu' or 'silu'"),
        (tuple[int, ...], "list of int"),
        (Sequence[str], "list of str"),
        (tuple[int, float], "[int, float]"),
        (dict[str, float], "table of float"),
        (Inner, "table"),
        (Path, "path"),
        (Any, "any"),
    ],
)
def test_types_are_named_as_in_a_recipe(annotation: Any, name: str) -> None:
    assert type_name(annotation) == name


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        (1, int, True),
        (True, int, False),
        (True, float, False),
        (1, bool, False),
        ("1", int, False),
        (1, float, True),
        (1.5, int, False),
        (None, int | None, True),
        (None, int, False),
        ("gelu", Literal["gelu", "silu"], True),
        ("tanh", Literal["gelu", "silu"], False),
        (True, Literal[1, 2], False),
        ([1, 2], tuple[int, ...], True),
        ([1, "2"], tuple[int, ...], False),
        ("12", tuple[str, ...], False),
        ([1, 2.0], tuple[int, float], True),
        ([1], tuple[int, float], False),
        ({"a": 1.0}, Mapping[str, float], True),
        ({"a": "b"}, Mapping[str, float], False),
        ({"size": 1}, Inner, True),
        ({"rate": 0.1}, Inner, False),
        ({"size": 1, "sise": 2}, Inner, False),
        (Inner(1), Inner, True),
        ("a/b", Path, True),
        ({"anything": [None]}, Any, True),
        ([1, 2], list, True),
    ],
)
def test_a_value_fits_or_not(value: Any, annotation: Any, expected: bool) -> None:
    assert fits(value, annotation) is expected


@settings(deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_a_value_fits_the_type_that_is_made_for_it(value: Any) -> None:
    def annotation(value: Any) -> Any:
        if not isinstance(value, list):
            return type(value)
        return tuple[tuple(annotation(item) for item in value)] if value else tuple[int, ...]

    assert fits(value, annotation(value))
    assert fits(value, annotation(value) | None)
