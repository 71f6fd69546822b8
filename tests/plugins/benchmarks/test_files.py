"""Tables and JSON are read strictly: every fault is an error with its line, and pictures stay in their files."""

from __future__ import annotations

import base64
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import encoded, picture_bytes, write_json, write_lines, write_picture, write_table
from hypothesis import given
from hypothesis import strategies as st
from janiform import PictureError, UsageError, read_picture
from janiform_plugins.benchmarks.files import described, read_json_lines, read_json_objects, unique
from janiform_plugins.benchmarks.pictures import PictureFolders
from janiform_plugins.benchmarks.predictions import read_answers
from janiform_plugins.benchmarks.sheets import write_sheet
from janiform_plugins.benchmarks.tables import read_table


def test_cells_are_texts_and_keep_what_they_hold(tmp_path: Path) -> None:
    cells = ["1", "007", "None", "nan", "1.0", 'a "word"', "two\nlines", "tab\there", " é ", ""]
    rows = [{"index": number, "question": cell, "answer": "x"} for number, cell in enumerate(cells)]
    records = read_table(write_table(tmp_path / "t.tsv", rows))
    assert [record["question"] for record in records] == cells
    assert [record.origin.line for record in records] == [2, 3, 4, 5, 6, 7, 8, 10, 11, 12]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\0")), min_size=1, max_size=5))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, cells: list[str]) -> None:
    path = tmp_path_factory.mktemp("t") / "t.csv"
    write_table(path, [{"index": number, "text": cell} for number, cell in enumerate(cells)], ",")
    assert [record["text"] for record in read_table(path, ["text"])] == cells


def test_pictures_are_shared_by_reference_and_read_when_they_are_used(tmp_path: Path) -> None:
    many = str([encoded(3), encoded(4)])
    rows = [{"index": "7", "image": encoded(1)}, {"index": "8", "image": "7"}, {"index": "9", "image": many},
            {"index": "10", "image": encoded(1)}, {"index": "11", "image": ""}]  # fmt: skip
    first, shared, several, same, none = read_table(write_table(tmp_path / "t.tsv", rows), ["image"])
    assert first.pictures == shared.pictures == same.pictures  # equal bytes are one picture
    assert [len(record.pictures) for record in (first, several, none)] == [1, 2, 0]
    assert several.pictures[1].read() == picture_bytes(4)
    assert several.pictures[1].read(4) == b"\x89PNG"
    picture = read_picture(first.pictures[0])  # type: ignore[arg-type]
    assert np.array_equal(picture, read_picture(picture_bytes(1)))
    path = tmp_path / "t.tsv"
    path.write_bytes(path.read_bytes().replace(encoded(1)[40:44].encode(), b"****"))
    with pytest.raises(PictureError, match=r"the picture of index 7 at .*t\.tsv:2 is not valid base64"):
        read_picture(first.pictures[0])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: expected a table with a header"),
        ("index\timage\n", "has a header, but no rows"),
        ("index\timages\tquestion\n1\t2\t3\n", r":1: the table lacks the column image; .*\(did you mean 'images'\?\)"),
        ("question\tanswer\nx\ty\n", ":1: the table lacks the columns index, image; it has question, answer"),
        ("index\timage\tindex\n1\t2\t3\n", ":1: the table has the column 'index' more than once"),
        ("index\timage\tquestion\n1\t\tx\ty\n", ":2: the row has 4 cells, but the header has 3"),
        ("index\timage\tquestion\n1\t\tx\n\n2\t\n", ":4: the row has 2 cells, but the header has 3"),
        ("index\timage\tquestion\n1\t\tx\n1\t\ty\n", r':3: the index "1" repeats: it is also at .*:2'),
        ('index\timage\tquestion\n1\t\t"x\n2\t\ty\n', ":2: a cell that begins with a quotation mark does not end"),
        ('index\timage\tquestion\n1\t\t"x" y\n', ":2: a cell that begins with a quotation mark does not end"),
        ("index\timage\tquestion\n1\t5\tx\n", ":2: 'image' is \"5\": the row with that index, .* is missing"),
        ("index\timage\tquestion\n1\t2\tx\n2\t1\ty\n", ":2: .* names another row"),
        ("index\timage\tquestion\n1\t\tx\n \t\ty\n", ":3: 'index' is empty, expected what identifies the row"),
        ("index\timage\tquestion\nnan\t\tx\n2\t\ty\n", ":2: 'index' is empty, expected what identifies the row"),
        (f"index\timage\tquestion\n1\t{encoded()[:-9]}*{encoded()[:8]}\tx\n", 'index "1" is not base64: character'),
        (f"index\timage\tquestion\n1\t{encoded()[:-1]}\tx\n", r'index "1" is not base64: its length of \d+ is not'),
        (
            "index\timage\tquestion\n1\t" + base64.b64encode(b"text " * 20).decode() + "\tx\n",
            ':2: the picture of index "1" is base64, but not of a picture',
        ),
        ("index\timage\tquestion\n1\t\t\udcff\n", ":2: 'question' is not text in UTF-8"),
    ],
)
def test_faults_of_tables(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match=message):
        read_table(path, ["index", "image"])


def test_json_lines_are_typed_and_ids_become_texts(tmp_path: Path) -> None:
    fields = {"question_id": (int, str), "text": str}
    path = write_lines(tmp_path / "q.jsonl", [{"question_id": 1, "text": "a"}, {"question_id": "n2", "text": "b"}])
    assert [record["question_id"] for record in read_json_lines(path, fields)] == ["1", "n2"]
    for value, message in {
        '{"question_id": 1, "text": 5}': "q.jsonl:2: 'text' is 5, expected a text",
        '{"question_id": true, "text": "x"}': "'question_id' is True, expected a whole number or a text",
        '{"question_id": 1, "txt": "x"}': r"lacks the key text; it has question_id, txt \(did you mean 'txt'\?\)",
        "[1]": r"q.jsonl:2: expected a JSON object, got \[1\]",
        "{": "q.jsonl:2: this is not JSON",
        '{"question_id": 1, "text": "a", "text": "b"}': "q.jsonl:2: this is not JSON: .*more than once",
    }.items():
        path.write_text('{"question_id": 1, "text": "a"}\n' + value, "utf-8")
        with pytest.raises(UsageError, match=message):
            read_json_lines(path, fields)
    path.write_text("\n", "utf-8")
    with pytest.raises(UsageError, match="holds no lines"):
        read_json_lines(path, fields)
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_json_lines(tmp_path / "none.jsonl", fields)


def test_objects_by_their_keys(tmp_path: Path) -> None:
    path = write_json(tmp_path / "q.json", {"01": {"question": "a"}})
    assert list(read_json_objects(path, {"question": str})) == ["01"]
    for value in ([], {}, 5):
        with pytest.raises(UsageError, match="is not a JSON object with one object per question"):
            read_json_objects(write_json(path, value), {"question": str})
    with pytest.raises(UsageError, match=r"q\.json, '02': 'question' is 3, expected a text"):
        read_json_objects(write_json(path, {"02": {"question": 3}}), {"question": str})


def test_a_repeated_key_names_both_places(tmp_path: Path) -> None:
    records = read_json_lines(write_lines(tmp_path / "q.jsonl", [{"id": 1}, {"id": 1}]), {"id": int})
    with pytest.raises(UsageError, match=r"q\.jsonl:2: the id 1 repeats: it is also at .*q\.jsonl:1"):
        unique(records, lambda record: record["id"], "id")


def test_files_are_described_by_their_content(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert described([path]) == [{"file": "x.json", "bytes": 3, "sha256": digest}]


def test_pictures_in_folders(tmp_path: Path) -> None:
    write_picture(tmp_path / "a" / "x.jpg", 1)
    write_picture(tmp_path / "b" / "y.png", 2, "PNG")
    folders = PictureFolders([tmp_path / "none", tmp_path / "a", tmp_path / "b"], ("", ".png"))
    picture: Any = folders.find("y")
    assert picture is folders.find("y")
    assert np.array_equal(read_picture(picture), read_picture(picture_bytes(2)))
    assert folders.find("z.jpg") is None
    assert folders.check(["z.jpg", "z.jpg", "w"], allowed=True) == 2
    with pytest.raises(UsageError, match=r"2 pictures are missing in '.*none' or '.*a' or .*: w, z\.jpg \(set images"):
        folders.check(["z.jpg", "w"], allowed=False)
    for name in ("../x.jpg", "/etc/passwd", "", "a\0b"):
        with pytest.raises(UsageError, match="is not a valid name of a picture"):
            folders.find(name)


@given(st.binary(max_size=300), st.integers(0, 400), st.sampled_from([".tsv", ".csv", ".xlsx", ".jsonl", ".json"]))
def test_damaged_files_are_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, position: int, suffix: str
) -> None:
    path = tmp_path_factory.mktemp("f") / f"x{suffix}"
    rows = [{"index": str(number), "image": encoded(number), "prediction": 'a "b"'} for number in range(3)]
    if suffix == ".xlsx":
        write_sheet(path, ["index", "prediction"], rows)
    elif suffix == ".jsonl":
        write_lines(path, rows)
    elif suffix == ".json":
        write_json(path, rows)
    else:
        write_table(path, rows, "," if suffix == ".csv" else "\t")
    data = path.read_bytes()
    path.write_bytes(data[:position] + noise + data[position + len(noise) :])
    for read in (read_answers, read_table):
        if read is read_answers or suffix in (".tsv", ".csv"):
            with suppress(UsageError):
                read(path)
