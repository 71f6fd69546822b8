"""Results in files: items line by line, scores as JSON, and records of before."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest
from janiform import Item, Metric, Score, StorageError
from janiform.evaluate.records import evaluation_json, read_items, scores_of, write_items
from janiform.evaluate.runner import Evaluation

STRANGE = 'half \ud800 a pair, a tab\t, a line\n, \u2028 and "quotes" \x1b[2J \0'


def test_items_are_read_as_they_were_written(tmp_path: Path) -> None:
    items = [Item("loss.answer", "a/1", "a", 0.1 + 0.2, ""), Item("x.y", STRANGE, STRANGE, 1.0, STRANGE)]
    path = tmp_path / "new" / "items.jsonl"
    write_items(path, items)
    assert path.read_bytes().count(b"\n") == 2
    assert [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    assert read_items(path) == items
    write_items(path, items[:1])
    assert read_items(path) == items[:1]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "line", ["{}", "[1]", "nonsense", '{"metric": "a", "item": "b", "cluster": "c", "value": "1", "prediction": ""}']
)
def test_a_line_that_is_not_an_item_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "items.jsonl"
    write_items(path, [Item("a", "b", "c", 1.0)])
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(StorageError, match=r"line 2 of .*items\.jsonl is not an item of an evaluation"):
        read_items(path)


def test_scores_are_read_as_they_were_written() -> None:
    scores = {"drawing.overall": Score(0.5, 8, 0.25, 0.75), "loss.picture": Score(12.5, 1)}
    evaluation = Evaluation(scores, (), {name: Metric() for name in scores}, {"seed": 0})
    record = json.loads(json.dumps(evaluation_json(evaluation)))
    assert record["scores"]["drawing.overall"] == {"value": 0.5, "count": 8, "low": 0.25, "high": 0.75}
    assert scores_of(record) == scores


def test_records_of_before_are_read() -> None:
    """Before intervals and items, a record had groups of scores, and counts in groups of the same names."""
    record = {
        "drawing": {"overall": 0.9, "one_object": 1},
        "understanding": {"yes_no": 0.25},
        "counts": {"drawing": {"overall": 24, "one_object": 4}},
        "settings": {"seed": 0},
    }
    assert scores_of(record) == {
        "drawing.overall": Score(0.9, 24),
        "drawing.one_object": Score(1.0, 4),
        "understanding.yes_no": Score(0.25, 0),
    }


@pytest.mark.parametrize("record", [{}, {"scores": 3}, {"scores": {"a": 0.5, "b": {"value": "1", "count": 1}}}])
def test_what_is_not_a_score_is_left_out(record: dict[str, object]) -> None:
    assert scores_of(record) == {}


def test_the_shipped_weights_have_scores_with_intervals() -> None:
    about = json.loads((files("janiform_recipes") / "janus-mini" / "model.json").read_text("utf-8"))
    record = about["scores"]["shapes"]
    scores = scores_of(record)
    assert record["settings"]["weights_sha256"] == about["weights"]["sha256"]
    assert scores["drawing.overall"].value == pytest.approx(0.93, abs=0.005)  # as the README says
    assert scores["drawing.overall"].count == 2400
    for name in ("drawing.overall", "understanding.where", "loss.picture", "loss.answer"):
        score = scores[name]
        assert score.low is not None
        assert score.high is not None
        assert score.low < score.value < score.high
