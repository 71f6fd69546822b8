"""One reader for JSON from elsewhere: bounded in size, depth and numbers, and never waiting for a named pipe."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen
from janiform import StorageError, UsageError, open_model
from janiform.components.registry import registry
from janiform.report.report import write_report
from janiform.storage import json_files
from janiform.storage.contents import recipe_of
from janiform.storage.json_files import json_lines, parse_json, read_bounded, read_json, structured
from janiform.train.checkpoints.checkpoint import load_newest
from janiform.train.progress.log import read_entries
from janiform.train.run.record import read_run


def test_bounds_of_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf{"a": [1, 2.5, "\xc3\xa9"], "b": NaN, "c": 1000000000000000019884624838656}')
    value = read_json(path)
    assert value["a"] == [1, 2.5, "é"]
    assert value["c"] == 1e30
    assert math.isnan(value["b"])
    monkeypatch.setattr(json_files, "MAX_DEPTH", 3)
    assert parse_json("[[[1]]]") == [[[1]]]
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json("[[[[1]]]]")
    with pytest.raises(StorageError, match="more than 0 MiB"):
        read_json(path, max_bytes=10)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(StorageError, match=r"a\.json: is not a regular file"):
        read_json(path)
    assert read_json(tmp_path / "b.json", missing_ok=True) == {}


@pytest.mark.parametrize(
    "text",
    ["1e999", "-1e999", "1" * 500, "1" * 5000, "[" * 100_000, '{"a":' * 5000, "[1", "\ud800", "", "nan"],
)
def test_what_is_no_value_is_a_value_error(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_json(text)
    (tmp_path / "a.json").write_text(f'{{"a": {text}}}', errors="backslashreplace")
    with pytest.raises(StorageError, match="damaged or not JSON"):
        read_json(tmp_path / "a.json")


@frozen
class Facts:
    name: str
    count: int = 0
    rate: float | None = None
    parts: dict[str, int] = field(factory=dict)


@pytest.mark.parametrize(
    "value",
    [None, [], {}, {"name": 3}, {"name": "a", "count": "3"}, {"name": "a", "count": True}, {"name": "a", "rate": "1"},
     {"name": "a", "parts": [1]}, {"name": "a", "parts": {"b": 1.5}}],
)  # fmt: skip
def test_types_are_checked_and_nothing_is_converted(value: Any) -> None:
    assert structured({"name": "a", "rate": 1, "parts": {"b": 2}}, Facts) == Facts("a", 0, 1, {"b": 2})
    with pytest.raises(ValueError, match=r"\w"):
        structured(value, Facts)


def test_lines_are_read_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_files, "MAX_LINE_BYTES", 40)
    path = tmp_path / "a.jsonl"
    path.write_bytes('{"a": "\u2028\x85"}\n[1]\n{"b": "'.encode() + b"x" * 100 + b'"}\n\xff\n{"c": 1}\n{"d')
    values = [value for _, value in json_lines(path)]
    assert values == [{"a": "\u2028\x85"}, None, None, None, {"c": 1}]


ENTRY = (
    '{"stage": "a", "step": 1, "steps": 2, "total": 1, "losses": {"text": 1.0}, "figures": {}, "grad_norm": 1.0, '
    '"learning_rate": 0.1, "samples_per_second": 1.0, "data_wait": 0.0, "skipped_steps": 0, "time": 1.0}'
)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"step": 1', '"step": "1"'),
        ('"total": 1', '"total": 1e3'),
        ('"total": 1', '"total": -1'),
        ('{"text": 1.0}', '{"text": "low"}'),
        ('{"text": 1.0}', '{"text": 1e999}'),
        ('{"text": 1.0}', '{"text": ' + "1" * 400 + "}"),
        ('{"text": 1.0}', "[" * 100_000 + "]" * 100_000),
        ('{"text": 1.0}', "3"),
        ('"time": 1.0', '"time": null'),
        ('"stage": "a"', '"stage": {}'),
    ],
)
def test_a_damaged_line_of_a_log_is_left_out_and_reported(old: str, new: str, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(f"{ENTRY}\n{ENTRY.replace(old, new)}\n")
    assert [entry is None for entry in read_entries(tmp_path / "log.jsonl")] == [False, True]
    problems: list[str] = []
    write_report([tmp_path], tmp_path / "report.html", problems.append)
    assert problems == [f"{tmp_path / 'log.jsonl'}: line 2 is damaged and left out"]
    assert "line 2 is damaged and left out" in (tmp_path / "report.html").read_text("utf-8")


@pytest.mark.parametrize("value", ["Infinity", "NaN", "1e308", "-1e308", "1e99", "1e-320", "true and", "9" * 300])
def test_a_page_shows_a_run_with_extreme_values(value: str, tmp_path: Path) -> None:
    lines = [ENTRY, *(ENTRY.replace(f'"{key}": 1.0', f'"{key}": {value}') for key in ("text", "time", "grad_norm"))]
    (tmp_path / "log.jsonl").write_text("\n".join(lines) + "\n")
    assert write_report([tmp_path], tmp_path / "report.html").stat().st_size > 1000


@pytest.mark.parametrize("name", ["run.json", "model.json", "recipe.toml", "samples/a-000001.json"])
@pytest.mark.parametrize(
    "content",
    [
        None,
        "[" * 100_000,
        "\xff",
        '{"git": 3, "samples": {"a": "b"}}',
        '{"answers": [[1]], "git": {"commit": 1}}',
    ],
)
def test_a_page_reports_damaged_files_of_a_run(name: str, content: str | None, tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    (tmp_path / "log.jsonl").write_text(ENTRY + "\n")
    path = tmp_path / name
    if content is None:
        os.mkfifo(path)
    else:
        path.write_text(content, encoding="latin-1")
    assert content is not None or "is not a regular file" in read_run(tmp_path).problems[0]
    assert write_report([tmp_path], tmp_path / "report.html").is_file()


FIFOS: dict[str, Callable[[Path], Any]] = {
    "log.jsonl": lambda folder: read_run(folder),
    "model.json": lambda folder: open_model(folder),
    "config.json": lambda folder: recipe_of(str(folder)),
    "model.safetensors.index.json": lambda folder: open_model(folder),
    "recipe.toml": lambda folder: open_model(folder),
    "checkpoints/step-000001/manifest.json": lambda folder: load_newest(folder / "checkpoints", print),
    "checkpoints/step-000001/state.json": lambda folder: load_newest(folder / "checkpoints", print),
}


@pytest.mark.parametrize("name", FIFOS)
def test_a_named_pipe_in_place_of_a_file_is_refused_and_does_not_block(name: str, tmp_path: Path) -> None:
    mini = registry().models()["janus-mini"]
    for file in mini.iterdir():
        if not (name.endswith("index.json") and file.suffix == ".safetensors"):
            (tmp_path / file.name).symlink_to(file)
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        path.unlink()
    if name == "config.json":
        for file in tmp_path.iterdir():
            file.unlink()
    os.mkfifo(path)
    with pytest.raises((StorageError, UsageError)):
        FIFOS[name](tmp_path)


def test_any_other_file_is_bounded(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="regular"):
        read_bounded(Path("/dev/zero"))
    with pytest.raises(IsADirectoryError):
        read_bounded(tmp_path)
