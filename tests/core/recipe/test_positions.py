"""Every key that tomllib finds is found, on the line where it stands."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from janiform.recipe.positions import KeyPath, key_lines


def paths_of(value: Any, path: KeyPath = ()) -> set[KeyPath]:
    items = [*(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())]
    return {(*path, step) for step, _ in items}.union(*(paths_of(item, (*path, step)) for step, item in items))


def test_lines_of_everything_toml_has() -> None:
    text = (
        "# a comment with = and [brackets]\n"
        'title = "a # [b] = c"\n'
        "\n"
        "\"quoted.key\".'and another'. bare = 1  # comment\n"
        'long = """\n'
        "[not a table]\n"
        'key = "no key" \\""" \n'
        '"""""\n'
        "raw = '''\n"
        "x = 1'''''\n"
        "list = [ # one\n"
        "  1, [2,\n"
        "  { deep = { x = 3 },\ty = '}' }], # two\n"
        "  1979-05-27 07:32:00Z,\n"
        "]\n"
        "[a . b]\n"
        "c.d = inf\n"
        "[[many]]\n"
        "x = 1\n"
        "[many.sub]\n"
        "y = 2\n"
        "[[many]]\n"
        "[many.sub]\n"
        "y = 3\n"
        "[[many.inner]]\n"
        "[[many.inner]]\n"
        "z = [[], ['']]\n"
        '[a."\\u00e9"]'
    )
    lines = key_lines(text)
    assert set(lines) == paths_of(tomllib.loads(text))
    expected = {
        ("title",): 2,
        ("quoted.key",): 4,
        ("quoted.key", "and another", "bare"): 4,
        ("long",): 5,
        ("raw",): 9,
        ("list",): 11,
        ("list", 0): 12,
        ("list", 1): 12,
        ("list", 1, 0): 12,
        ("list", 1, 1): 13,
        ("list", 1, 1, "deep", "x"): 13,
        ("list", 2): 14,
        ("a",): 16,
        ("a", "b"): 16,
        ("a", "b", "c", "d"): 17,
        ("many",): 18,
        ("many", 0, "x"): 19,
        ("many", 0, "sub"): 20,
        ("many", 1): 22,
        ("many", 1, "sub", "y"): 24,
        ("many", 1, "inner", 0): 25,
        ("many", 1, "inner", 1, "z", 1, 0): 27,
        ("a", "é"): 28,
    }
    assert {path: lines[path] for path in expected} == expected


def test_line_ends_of_windows_count_once() -> None:
    assert key_lines("a = 1\r\n\r\n[b]\r\nc = '''\r\n'''\r\nd = 2") == {
        ("a",): 1,
        ("b",): 3,
        ("b", "c"): 4,
        ("b", "d"): 6,
    }


KEYS = st.sampled_from(["a", "b", "c", "use", "1", "-", '"a b"', "'.'", '""', '"\\"="', '"\\u00e9"'])
DOTTED = st.lists(KEYS, min_size=1, max_size=3).map(" . ".join)
TEXTS = st.sampled_from(
    [
        '""',
        "''",
        '"#"',
        '"\\\\"',
        '"]"',
        "'}'",
        '"""\n[x]\na = 1\n"""',
        "'''\n'''",
        '"""a""""',
        '"""\\\n"""',
        '"""\\""""""',
    ]
)
SCALARS = st.sampled_from(["1", "0x1f", "1e-4", "nan", "true", "1979-05-27 07:32:00"]) | TEXTS
BLANKS = st.sampled_from(["", " ", "\n", " # ], }\n", "\n\n\t"])


@st.composite
def lists(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    items = draw(st.lists(values, max_size=3))
    body = "".join(f"{draw(BLANKS)}{item}{draw(BLANKS)}," for item in items)
    return f"[{body[: None if draw(st.booleans()) else -1]}{draw(BLANKS)}]"


@st.composite
def inline_tables(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    pairs = draw(st.lists(st.tuples(DOTTED, values), max_size=3, unique_by=lambda pair: pair[0]))
    return "{ " + ", ".join(f"{key} = {value}" for key, value in pairs) + " }"


VALUES = st.recursive(SCALARS, lambda values: lists(values) | inline_tables(values), max_leaves=6)
STATEMENTS = st.one_of(
    st.builds("{} = {}".format, DOTTED, VALUES),
    st.builds("{}={} # {{ [".format, DOTTED, VALUES),
    st.builds("[{}]".format, DOTTED),
    st.builds("[[{}]]".format, DOTTED),
    st.sampled_from(["", "# [x]", "\t"]),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(STATEMENTS, max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_every_path_that_tomllib_finds(statements: list[str], end: str) -> None:
    kept: list[str] = []
    for statement in statements:  # a statement that does not go with those before it is left out
        try:
            tomllib.loads("\n".join([*kept, statement]))
        except tomllib.TOMLDecodeError:
            continue
        kept.append(statement)
    text = "\n".join(kept).replace("\n", end)
    lines = key_lines(text)
    assert set(lines) == paths_of(tomllib.loads(text))
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 4), VALUES), min_size=1, max_size=6))
def test_the_line_is_that_of_the_key(pairs: list[tuple[int, str]]) -> None:
    text, expected = "", {}
    for number, (blank_lines, value) in enumerate(pairs):
        statement = f"key{number} = {value}"
        try:
            tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        text += "\n" * blank_lines
        expected[(f"key{number}",)] = text.count("\n") + 1
        text += statement + "\n"
    lines = key_lines(text)
    assert {path: line for path, line in lines.items() if len(path) == 1} == expected
