"""Records are found where they are, whatever is in them, and mistakes have their line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import SampleError, UsageError
from janiform_plugins.sources.records import Records

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text(max_size=8)
    | st.sampled_from(['"', "\\", '{"', "[}", '\\"']),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
objects = st.lists(st.dictionaries(st.text(max_size=4), json_values, max_size=3), min_size=1, max_size=6)


@settings(max_examples=40)
@given(objects, objects, st.booleans(), st.sampled_from([None, 1]), st.booleans())
def test_records_are_what_was_written(
    tmp_path_factory: Any, first: list[Any], second: list[Any], ascii_only: bool, indent: int | None, bom: bool
) -> None:
    folder, encoding = tmp_path_factory.mktemp("records"), "utf-8-sig" if bom else "utf-8"
    (folder / "a.json").write_text(
        "\n " + json.dumps(first, ensure_ascii=ascii_only, indent=indent) + " \n",
        encoding="utf-8-sig" if bom else "utf-8",
    )
    rows = [json.dumps(record, ensure_ascii=ascii_only) for record in second]
    (folder / "b.jsonl").write_text("\n \n".join(rows), encoding=encoding)
    records = Records([folder / "a.json", folder / "b.jsonl"])
    read = [records.read(number) for number in range(len(records))]
    assert [record for record, _ in read] == first + second
    places = [place.rpartition(":") for _, place in read]
    assert [Path(path).name for path, _, _ in places] == ["a.json"] * len(first) + ["b.jsonl"] * len(second)
    assert [int(line) for _, _, line in places[len(first) :]] == [1 + 2 * number for number in range(len(second))]
    text = (folder / "a.json").read_text(encoding="utf-8-sig").split("\n")
    assert all("{" in text[int(line) - 1] for _, _, line in places[: len(first)])


@pytest.mark.parametrize(
    ("text", "expected_message"),
    [
        ("", "is empty"),
        ("  \n ", "holds no record"),
        ("[]", "holds no record"),
        (
            '\n{\n "a": 1\n}',
            ":2 is not a JSON object (a file is a list of objects, [{…}, {…}], or has one object per line)",
        ),
        ("3\n4", ":1 is not a JSON object"),
        ('[{"a": 1},\n{"a": 2}', ":2: the list does not end: the file is truncated, or a brace is missing"),
        ('[{"a": 1},\n{"a": "2', ":2: the list does not end"),
        ('[{"a": 1}\n{"a": 2}]', None),
        ('[{"a": 1},\n 3, {"a": 2}]', ":2: the text before this is not a JSON object"),
        ('[{"a": 1},\n"x"]', ":2: the list holds a text instead of an object"),
        ('[[1]]', ":1: the text before this is not a JSON object"),
        ('[{"a": 1},\n 4]', ":2: the list holds, or is followed by, something that is not a JSON object"),
        ('[{"a": 1}]\n[{"a": 1}]', "the list holds, or is followed by, something that is not a JSON object"),
    ],
)  # fmt: skip
def test_files_that_hold_no_records_are_refused_with_the_line(
    tmp_path: Path, text: str, expected_message: str | None
) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    if expected_message is None:  # a missing comma harms nobody
        assert [Records([path]).read(number)[0]["a"] for number in range(2)] == [1, 2]
        return
    with pytest.raises(UsageError) as caught:
        Records([path])
    assert f"'{path}'" in str(caught.value)
    assert expected_message in str(caught.value)


def test_a_broken_record_harms_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n{"a": \n[1]\n{"a": 4}\n')
    records = Records([path])
    assert [records.read(0)[0], records.read(3)] == [{"a": 1}, ({"a": 4}, f"{path}:4")]
    for number, expected_message in ((1, ":2: is not JSON: "), (2, ":3: is not an object but list")):
        with pytest.raises(SampleError) as caught:
            records.read(number)
        assert caught.value.kind == "no JSON"
        assert f"{path}{expected_message}" in str(caught.value)


def test_all_files_are_looked_at_before_anything_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(gzip.compress(b"[]"))
    (tmp_path / "b.json").write_text("[")
    with pytest.raises(UsageError) as caught:
        Records([tmp_path / "a.json", tmp_path / "b.json"])
    assert [problem.message.rpartition("/")[2] for problem in caught.value.problems] == [
        "a.json' is compressed with gzip",
        "b.json':1: the list does not end: the file is truncated, or a brace is missing",
    ]
