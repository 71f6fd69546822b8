"""No string for a number, no number for a boolean, nothing unknown: what a setting takes and refuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from attrs import field, frozen, validators
from janiform.recipe.structure import Mistakes, structure
from toy_components import Everything, Inner, Needs


def said(cls: type[Any], values: dict[str, Any]) -> list[str]:
    with pytest.raises(Mistakes) as caught:
        structure(cls, values)
    return [f"{'.'.join(map(str, mistake.path))}: {mistake.message}" for mistake in caught.value.items]


def test_plain_values_become_the_declared_types() -> None:
    values = {
        "depth": 2,
        "rate": 1,
        "pair": [3, 4],
        "many": [1, 2.5],
        "inner": {"size": 3, "names": ["x"]},
        "inners": [{"size": 4}, {}],
        "table": {"a": 1},
        "place": "somewhere",
        "either": "text",
    }
    made = structure(Everything, values)
    assert (made.rate, type(made.rate)) == (1.0, float)
    assert made.pair == (3, 4)
    assert made.many == (1.0, 2.5)
    assert made.inner == Inner(3, ("x",))
    assert made.inners == (Inner(4), Inner())
    assert made.table == {"a": 1.0}
    assert str(made.place) == "somewhere"
    assert made.either == "text"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("depth", "3", 'expected a whole number, got the string "3"'),
        ("depth", True, "expected a whole number, got true"),
        ("depth", 3.0, "expected a whole number, got 3.0"),
        ("depth", [3], "expected a whole number, got the list [3]"),
        ("depth", {}, "expected a whole number, got a table"),
        ("depth", 0, "must be >= 1: 0"),
        ("rate", "1e-3", 'expected a number, got the string "1e-3"'),
        ("rate", False, "expected a number, got false"),
        ("rate", float("nan"), "expected a number, got nan"),
        ("flag", 1, "expected true or false, got 1"),
        ("flag", "true", 'expected true or false, got the string "true"'),
        ("word", 3, "expected a string in quotes, got 3"),
        ("mode", "fst", 'expected "fast" or "slow", got the string "fst"'),
        ("mode", True, 'expected "fast" or "slow", got true'),
        ("pair", [1, 2, 3], "expected a list of 2, got the list [1, 2, 3]"),
        ("pair", "ab", 'expected a list, got the string "ab"'),
        ("many", {"a": 1}, "expected a list, got a table"),
        ("many", 1, "expected a list, got 1"),
        ("inner", 3, "expected a table, got 3"),
        ("table", [1], "expected a table, got the list [1]"),
        ("place", 3, "expected a string in quotes, got 3"),
        ("either", True, "expected a whole number or a string in quotes, got true"),
        ("word", ["x" * 99], 'expected a string in quotes, got the list ["' + "x" * 57 + "…"),
    ],
)
def test_another_type_is_refused(name: str, value: Any, message: str) -> None:
    assert said(Everything, {name: value}) == [f"{name}: {message}"]


def test_all_mistakes_at_all_depths_come_at_once() -> None:
    values = {
        "depth": 0,
        "pair": [1, "2"],
        "inner": {"size": "x", "nam": 1},
        "inners": [{}, {"size": 1.5}, 3],
        "table": {"a": 1, "b": "2"},
        "dpth": 1,
    }
    assert said(Everything, values) == [
        "dpth: unknown setting",
        'pair.1: expected a whole number, got the string "2"',
        "inner.nam: unknown setting",
        'inner.size: expected a whole number, got the string "x"',
        "inners.1.size: expected a whole number, got 1.5",
        "inners.2: expected a table, got 3",
        'table.b: expected a number, got the string "2"',
        "depth: must be >= 1: 0",
    ]


def test_a_class_that_refuses_is_heard() -> None:
    assert said(Needs, {"width": 3}) == [": width 3 is odd"]
    assert said(Needs, {}) == ["width: is missing"]


def test_nearest_names_are_hints() -> None:
    with pytest.raises(Mistakes) as caught:
        structure(Everything, {"dpth": 1, "mode": "fas"})
    assert [mistake.hint for mistake in caught.value.items] == ["did you mean 'depth'?", "did you mean 'fast'?"]


def test_abstract_types_are_as_strict_as_concrete_ones() -> None:
    @frozen
    class Abstract:
        names: Sequence[str] = ()
        tables: Mapping[str, Mapping[str, int]] = field(factory=dict)
        free: Any = None

    made = structure(Abstract, {"names": ["a"], "tables": {"x": {"y": 1}}, "free": [1, {"z": None}]})
    assert (made.names, made.tables, made.free) == (("a",), {"x": {"y": 1}}, [1, {"z": None}])
    assert said(Abstract, {"names": "a", "tables": {"x": {"y": "1"}}}) == [
        'names: expected a list, got the string "a"',
        'tables.x.y: expected a whole number, got the string "1"',
    ]


def test_every_validator_is_asked_and_whatever_it_raises_is_said() -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by zero")

    def compares(instance: Any, _: object, value: int) -> None:
        if value > instance.limit:
            raise ValueError("is above the limit")

    @frozen
    class Strict:
        limit: int = field(default=3, validator=validators.lt(9))
        one: int = field(default=1, validator=compares)
        two: int = field(default=1, validator=[validators.ge(0), compares])
        odd: int = field(default=1, validator=broken)

    assert said(Strict, {"one": 4, "two": -1, "odd": 1}) == [
        "one: is above the limit",
        "two: must be >= 0: -1",
        "odd: ZeroDivisionError: by zero",
    ]
    assert said(Strict, {"limit": "x", "one": 2})[0] == 'limit: expected a whole number, got the string "x"'


def test_an_annotation_that_cannot_be_read_is_a_mistake_of_the_class() -> None:
    @frozen
    class Lost:
        value: Nowhere = None  # type: ignore[name-defined]  # noqa: F821

    assert said(Lost, {}) == [": the types of Lost's fields cannot be read: NameError: name 'Nowhere' is not defined"]
