"""SEED-Bench gives the scores of each evaluator, in every format of its data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import data_seed
import pytest
from data_files import write_json, write_lines, write_table
from hypothesis import given
from hypothesis import strategies as st
from janiform import UsageError
from janiform.evaluate.compare import protocol_differences
from janiform_plugins.benchmarks.seed_bench.benchmark import DIMENSIONS, SEEDBench
from janiform_plugins.benchmarks.seed_bench.config import SEEDBenchConfig
from scoring import scores_of, values_of

FIRST = "How many towels are in picture 0?"
OPTIONS = "A. One\nB. Two towels\nC. 3\nD. None\n"
INSTRUCTION = "Answer with the option's letter from the given choices directly."


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_seed.write_official(tmp_path_factory.mktemp("seed"))


def seed(data: Path, **settings: Any) -> SEEDBench:
    return SEEDBench(SEEDBenchConfig(data=data, **settings))


@pytest.mark.parametrize("write", [data_seed.write_official, data_seed.write_vlmevalkit, data_seed.write_llava])
def test_all_formats_hold_the_same_questions(tmp_path: Path, write: Any) -> None:
    benchmark = seed(write(tmp_path), profile="llava")
    scores = scores_of(benchmark, lambda request: benchmark.expected(request))
    assert set(scores) == set(benchmark.metrics)
    assert {score.value for score in scores.values()} == {1.0}
    assert (scores["seed.accuracy"].count, scores["seed.visual_reasoning"].count) == (9, 1)
    assert benchmark.settings["pictures"] == 5
    assert benchmark.settings.get("left_out_as_videos") == (None if write is data_seed.write_vlmevalkit else 1)
    questions = list(benchmark.by_item.values())
    assert [question.options for question in questions] == [data_seed.OPTIONS] * 9  # 3 and None are texts
    assert [question.categories[0] for question in questions] == list(data_seed.DIMENSIONS)


@pytest.mark.parametrize(
    ("profile", "text"),
    [
        ("official", FIRST),
        ("llava", f"{FIRST}\n{OPTIONS}{INSTRUCTION}"),
        ("lmms-eval", f"{FIRST}\n{OPTIONS}{INSTRUCTION}"),
        (
            "vlmevalkit",
            f"Question: {FIRST}\nOptions:\n{OPTIONS}Please select the correct answer from the options above. \n",
        ),
        ("janus", f"{FIRST}\n{OPTIONS}\n{INSTRUCTION}"),
    ],
)
def test_prompts_are_those_of_each_evaluator(tmp_path: Path, profile: Any, text: str) -> None:
    for data in (data_seed.write_vlmevalkit(tmp_path / "v"), data_seed.write_llava(tmp_path / "l")):
        assert seed(data, profile=profile).requests()[0].conversation.turns[0].text == f"\n{text}"


def test_the_official_evaluation_ranks_the_options(official: Path) -> None:
    benchmark = seed(official)
    assert {request.choices for request in benchmark.requests()} == {("One", "Two towels", "3", "None")}
    outputs = {item: question.options[question.answer] for item, question in benchmark.by_item.items()}
    outputs["101669"] = "None"
    values = values_of(benchmark, outputs)
    assert values["seed.accuracy"] == pytest.approx(8 / 9)
    assert set(values) == {"seed.accuracy", *(f"seed.{name}" for name in DIMENSIONS.values())}
    assert (benchmark.requests()[0].choice_loss, benchmark.settings["option_loss"]) == ("sum", "sum")
    by_mean = seed(official, option_loss="mean")
    assert {request.choice_loss for request in by_mean.requests()} == {"mean"}
    assert protocol_differences(benchmark.settings, by_mean.settings) == ["option_loss: sum and mean"]
    letters = seed(official, profile="lmms-eval")
    assert "option_loss" not in letters.settings
    assert not any(request.choices for request in letters.requests())


@given(st.lists(st.sampled_from(["A", "B.", " c", "(D)", "Two towels", "the answer is D", "", "None of them"]),
                min_size=9, max_size=9))  # fmt: skip
def test_scores_equal_those_of_plain_loops(official: Path, outputs: list[str]) -> None:
    benchmark = seed(official, profile="lmms-eval")
    questions = list(benchmark.by_item.values())
    values = values_of(benchmark, dict(zip(benchmark.by_item, outputs, strict=True)))
    pairs = list(zip(questions, outputs, strict=True))
    strict = sum(output == question.answer for question, output in pairs) / 9
    first = sum(output.strip()[:1].lower() == question.answer.lower() for question, output in pairs) / 9
    assert values["seed.letter_llava"] == pytest.approx(strict)
    assert values["seed.letter_lmms_eval"] == values["seed.accuracy"] == pytest.approx(first)
    by_dimension = [values[f"seed.{name}"] for name in DIMENSIONS.values()]
    assert sum(by_dimension) / 9 == pytest.approx(first)  # one question in each


def test_rules_differ_on_the_same_answers(official: Path) -> None:
    benchmark = seed(official, profile="janus")
    outputs = {item: f"The best choice is {question.answer} for reasons that are as long as they are tiring to read"
               for item, question in benchmark.by_item.items()}  # fmt: skip
    values = values_of(benchmark, outputs)
    rules = ("llava", "lmms_eval", "vlmevalkit", "janus")
    assert [values[f"seed.letter_{rule}"] for rule in rules] == [0, 0, 0, 1]
    assert values["seed.accuracy"] == 1


def test_predictions_are_read_and_written(official: Path, tmp_path: Path) -> None:
    benchmark = seed(official, profile="vlmevalkit")
    answers = {item: f"({question.answer})" for item, question in benchmark.by_item.items()}
    lines = [{"question_id": int(item), "prompt": "p", "text": answer} for item, answer in reversed(answers.items())]
    path = write_lines(tmp_path / "a.jsonl", lines)
    assert benchmark.read_predictions(path, benchmark.requests()) == answers
    (file,) = benchmark.write_official(tmp_path, {**answers, "101669": "?"})
    written = [json.loads(line) for line in file.read_text().splitlines()]
    assert written[:2] == [{"question_id": "101669", "prediction": ""}, {"question_id": "101670", "prediction": "B"}]
    table = seed(data_seed.write_vlmevalkit(tmp_path), profile="vlmevalkit")
    rows = [{"index": item, "prediction": "A", **data_seed.OPTIONS} for item in table.by_item]
    path = write_table(tmp_path / "p.tsv", rows)
    assert table.read_predictions(path, table.requests()) == dict.fromkeys(table.by_item, "A")


def test_faults_of_the_data_are_named(tmp_path: Path) -> None:
    path = tmp_path / "SEED-Bench.json"
    for change, message in [
        ({"answer": "E"}, r"SEED-Bench\.json, object 1: 'answer' is \"E\", expected 'A' or 'B' or 'C' or 'D'"),
        ({"question_type_id": 10}, "object 1: 'question_type_id' is 10, expected 1 to 9 for a picture"),
        ({"choice_b": " "}, "object 1: the option B is empty"),
        ({"question": 5}, "object 1: 'question' is 5, expected a text"),
    ]:
        write_json(path, {"questions": [{**data_seed.official(0), **change}], "question_type": {}})
        with pytest.raises(UsageError, match=message):
            seed(tmp_path).requests()
    write_json(path, {"questions": [data_seed.official(0)] * 2, "question_type": {}})
    with pytest.raises(UsageError, match=r'object 2: the question_id "101669" repeats: it is also at .*object 1'):
        seed(tmp_path).requests()
    write_json(path, {"question": []})
    with pytest.raises(UsageError, match="is not a JSON object with the key 'questions'"):
        seed(tmp_path).requests()
    llava = data_seed.write_llava(tmp_path / "l")
    line = json.loads((llava / "llava-seed-bench.jsonl").read_text().splitlines()[0])
    for change, message in [
        ({"question_id": 9}, 'jsonl:1: the official file has no question "9" about a picture'),
        ({"image": "x/y"}, 'jsonl:1: the question "101669" is about the picture 1454426_0 in the official file'),
    ]:
        write_lines(llava / "llava-seed-bench.jsonl", [{**line, **change}])
        with pytest.raises(UsageError, match=message):
            seed(llava).requests()
