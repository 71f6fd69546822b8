"""GQA gives the matches of each evaluator, in every format of its data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import data_gqa
import pytest
from data_files import write_json, write_lines, write_table
from janiform import Look, UsageError
from janiform_plugins.benchmarks.gqa.benchmark import GQA, RULES
from janiform_plugins.benchmarks.gqa.config import GQAConfig
from scoring import read, scores_of, values_of

SUFFIX = "\nAnswer the question using a single word or phrase."


def gqa(data: Path, **settings: Any) -> GQA:
    return GQA(GQAConfig(data=data, **settings))


@pytest.mark.parametrize(
    ("answer", "expected", "official", "llava", "lmms", "vlmevalkit"),
    [
        ("yes", "yes", True, True, True, True),
        ("Yes", "yes", False, True, True, True),
        ("Yes.", "yes", False, True, True, False),
        ("yes...", "yes", False, True, True, False),
        (" yes\n", "yes", False, True, True, True),
        ("yes!", "yes", False, False, True, False),
        ("tshirt", "t-shirt", False, False, True, False),
        ("T-shirt", "t-shirt", False, True, True, True),
        ("t shirt", "t-shirt", False, False, False, False),
        ("the dog", "dog", False, False, False, False),
        ("2", "two", False, False, False, False),
        ("", "yes", False, False, False, False),
    ],
)
def test_matches_are_those_of_each_evaluator(
    answer: str, expected: str, official: bool, llava: bool, lmms: bool, vlmevalkit: bool
) -> None:
    names = ("official", "llava", "lmms-eval", "vlmevalkit", "janus")
    matches = [RULES[name](answer, expected) for name in names]
    assert matches == [official, llava, lmms, vlmevalkit, vlmevalkit]


@pytest.mark.parametrize("write", [data_gqa.write_official, data_gqa.write_vlmevalkit, data_gqa.write_llava])
def test_all_formats_hold_the_same_questions(tmp_path: Path, write: Any) -> None:
    benchmark = gqa(write(tmp_path))
    assert list(benchmark.by_item) == list(data_gqa.QUESTIONS)  # ids are texts: one begins with 0
    scores = scores_of(benchmark, lambda request: benchmark.expected(request))
    assert {score.value for score in scores.values()} == {1.0}
    assert scores["gqa.accuracy"].count == 3
    assert benchmark.settings["pictures"] == 2
    assert benchmark.settings.get("left_out_as_unbalanced") == (None if write is data_gqa.write_vlmevalkit else 1)


def test_all_rules_are_measured_and_the_chosen_one_by_type(tmp_path: Path) -> None:
    answers = {"201307251": "No.", "02930152": "tshirt", "201968682": "light blue"}
    data = data_gqa.write_official(tmp_path)
    values = values_of(gqa(data, profile="llava"), answers)
    third = 1 / 3
    assert values == pytest.approx({
        "gqa.accuracy": 2 * third, "gqa.exact_official": third, "gqa.exact_llava": 2 * third,
        "gqa.exact_lmms_eval": 1, "gqa.exact_vlmevalkit": third, "gqa.vqa_normalised": 2 * third,
        "gqa.open": 0.5, "gqa.binary": 1, "gqa.attr": 1, "gqa.rel": 0, "gqa.global": 1,
    })  # fmt: skip
    assert values_of(gqa(data, profile="lmms-eval"), answers)["gqa.accuracy"] == 1


@pytest.mark.parametrize("profile", ["official", "vlmevalkit", "llava", "lmms-eval", "janus"])
def test_prompts_are_those_of_each_evaluator(tmp_path: Path, profile: Any) -> None:
    data = data_gqa.write_llava(tmp_path)
    request = gqa(data, profile=profile).requests()[0]
    look, text = request.conversation.turns[0].content
    assert isinstance(look, Look)
    # In the prompt of the Janus papers no line break follows the picture.
    expected = {"official": "\nIs it overcast?", "janus": f"Is it overcast?{SUFFIX}"}
    assert text == expected.get(profile, f"\nIs it overcast?{SUFFIX}")


def test_predictions_are_read_and_written(tmp_path: Path) -> None:
    benchmark = gqa(data_gqa.write_llava(tmp_path), extraction="llava")
    answers = {key: f" {answer.upper()}." for key, (_, _, answer, *_) in data_gqa.QUESTIONS.items()}
    rows = [{"questionId": key, "prediction": answer} for key, answer in reversed(answers.items())]
    requests = benchmark.requests()
    assert benchmark.read_predictions(write_json(tmp_path / "p.json", rows), requests) == answers
    lines = [{"question_id": key, "prompt": "p", "text": answer} for key, answer in answers.items()]
    assert benchmark.read_predictions(write_lines(tmp_path / "p.jsonl", lines), requests) == answers
    (file,) = benchmark.write_official(tmp_path, answers)
    assert json.loads(file.read_text())[1] == {"questionId": "02930152", "prediction": "t-shirt"}
    raw = gqa(tmp_path, extraction="official")
    assert json.loads(raw.write_official(tmp_path, answers)[0].read_text())[1]["prediction"] == " T-SHIRT."
    with pytest.raises(UsageError, match="1 of 3 items have no prediction: '02930152'"):
        read(benchmark, write_json(tmp_path / "p.json", [rows[0], rows[2]]))


def test_faults_of_the_data_are_named(tmp_path: Path) -> None:
    path = tmp_path / "testdev_balanced_questions.json"
    good = data_gqa.official("201307251")
    for change, message in [
        ({"answer": 5}, r"questions\.json, '1': 'answer' is 5, expected a text"),
        ({"types": ["x"]}, r"questions\.json, '1': 'types' is \[\"x\"\], expected an object"),
    ]:
        write_json(path, {"1": {**good, **change}})
        with pytest.raises(UsageError, match=message):
            gqa(tmp_path).requests()
    path.write_text('{"1": {}, "1": {}}')
    with pytest.raises(UsageError, match="an object has the key '1' more than once"):
        gqa(tmp_path).requests()
    data = data_gqa.write_llava(tmp_path / "l")
    file = data / "llava_gqa_testdev_balanced.jsonl"
    line = json.loads(file.read_text().splitlines()[0])
    for change, message in [
        ({"question_id": "9"}, 'jsonl:1: the official file has no question "9"'),
        (
            {"text": "Is it?"},
            r'jsonl:1: the question "201307251" is "Is it overcast\?" of n161313\.jpg in the official',
        ),
    ]:
        write_lines(file, [{**line, **change}])
        with pytest.raises(UsageError, match=message):
            gqa(data).requests()
    table = write_table(tmp_path / "t.tsv", [{"index": 1, "image": "", "question": "q", "answer": ""}])
    with pytest.raises(UsageError, match=r"t\.tsv:2: 'answer' is empty, expected a word or phrase"):
        gqa(table).requests()
