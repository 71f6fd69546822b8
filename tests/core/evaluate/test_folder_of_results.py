"""Results in a folder: read as they were written, and damage is named."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
from janiform import Published, StorageError, UsageError
from janiform.evaluate.records import write_items
from janiform.evaluate.results import holds_results, read_results, write_results
from janiform.storage.json_files import write_json
from quiz import result


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = (Published("Janus", "quiz.accuracy", 0.5, "table 3"),)
    given = {
        "quiz": attrs.evolve(result([1, 0, 1]), published=rows, jackknife={"quiz.accuracy": [0.5, 0.25]}),
        "other": result([0.25, 0.5]),
    }
    write_results(tmp_path / "new", given, "<p>page</p>")
    assert holds_results(tmp_path / "new")
    assert (tmp_path / "new" / "index.html").read_text() == "<p>page</p>"
    lines = [json.loads(line) for line in (tmp_path / "new" / "items.jsonl").read_text().splitlines()]
    assert [line["benchmark"] for line in lines] == ["quiz"] * 3 + ["other"] * 2
    again = read_results(tmp_path / "new")
    assert list(again) == ["quiz", "other"]
    for name, one in given.items():
        assert attrs.asdict(again[name], recurse=False) == {
            **attrs.asdict(one, recurse=False),
            "published": list(one.published),
        }


def test_a_file_with_one_benchmark_is_read_with_the_items_beside_it(tmp_path: Path) -> None:
    one = result([1, 0, 1], benchmark="quiz@1")
    write_json(tmp_path / "before.json", one.as_json())
    write_items(tmp_path / "items.jsonl", one.items)
    again = read_results(tmp_path / "before.json")
    assert again["quiz"].scores == one.scores
    assert again["quiz"].items == one.items


def test_a_run_of_a_study_is_not_a_folder_of_results(tmp_path: Path) -> None:
    write_json(tmp_path / "scores.json", result([1, 0]).as_json())
    assert not holds_results(tmp_path)


def test_there_must_be_scores(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there are no scores at .* \(name a folder"):
        read_results(tmp_path)
    with pytest.raises(UsageError, match="there are no scores at"):
        read_results(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "neither 'benchmarks' nor 'scores'"),
        ('{"benchmarks": {"quiz": 3}}', "'quiz' has no valid scores"),
        ('{"benchmarks": {"quiz": {"scores": {"a": {"value": "1"}}, "metrics": {}, "settings": {}}}}', "'quiz' has no"),
        (
            '{"benchmarks": {"quiz": {"scores": {"a": {"value": 1, "count": 1}}, "metrics": {}, "settings": {}}}}',
            "the score 'a', but no metric",
        ),
        ('{"benchmarks": {"quiz": {"scores": {}, "metrics": {}, "settings": 3}}}', "settings of 'quiz'"),
    ],
)
def test_damaged_scores_are_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "scores.json").write_text(text)
    with pytest.raises(StorageError, match=rf"scores\.json: is damaged: .*{said}"):
        read_results(tmp_path)


@pytest.mark.parametrize(
    ("line", "said"),
    [("{}", "line 4 of .* is not an item"), ("benchmark", "line 4 of .* has the benchmark 'x', but")],
)
def test_damaged_items_are_named(tmp_path: Path, line: str, said: str) -> None:
    write_results(tmp_path, {"quiz": result([1, 0, 1])})
    items = tmp_path / "items.jsonl"
    text = items.read_text()
    more = text.splitlines()[0].replace('"quiz"', '"x"') if line == "benchmark" else line
    items.write_text(text + more + "\n")
    with pytest.raises(StorageError, match=said):
        read_results(tmp_path)
