"""MMBench is read, asked and scored with its rotations, without them, and by each evaluator's rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import data_mmbench
import pytest
from data_files import write_json, write_lines, write_table
from data_mmbench import QUESTIONS, ROTATION, gold
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import Item, Look, UsageError
from janiform_plugins.benchmarks.mmbench.benchmark import MMBench
from janiform_plugins.benchmarks.mmbench.config import MMBenchConfig
from janiform_plugins.benchmarks.sheets import read_sheet
from scoring import read, scores_of, values_of

PROFILES = ("official", "vlmevalkit", "llava", "lmms-eval", "janus")


def mmbench(data: Path, **settings: Any) -> MMBench:
    return MMBench(MMBenchConfig(data=data, **settings))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return data_mmbench.write_vlmevalkit(tmp_path)


def text_of(benchmark: MMBench, item: str) -> str:
    content = {request.item: request for request in benchmark.requests()}[item].conversation.turns[0].content
    return "".join("[picture]" if isinstance(piece, Look) else str(piece) for piece in content)


LETTER = "Answer with the option's letter from the given choices directly."


@pytest.mark.parametrize(
    ("profile", "text"),
    [
        (
            "official",
            "\nHint: They lie on scales.\nQuestion: Which is heavier?\nOptions:\nA. left\nB. right\n"
            "Please select the correct answer from the options above. \n",
        ),
        ("llava", f"\nThey lie on scales.\nWhich is heavier?\nA. left\nB. right\n{LETTER}"),
        (
            "lmms-eval",
            "\nThey lie on scales. Which is heavier? There are several options:\nA. left\nB. right\n\n" + LETTER,
        ),
        ("janus", f"\nHint: They lie on scales.\nWhich is heavier?\nA. left\nB. right\n\n{LETTER}"),
    ],
)
def test_questions_are_asked_as_by_each_evaluator(profile: str, text: str, table: Path) -> None:
    assert text_of(mmbench(table, profile=profile), "dev/252") == f"[picture]{text}"
    systems = {request.conversation.system for request in mmbench(table, profile=profile).requests()}
    assert systems == {"" if profile == "janus" else None}


def test_llava_stops_at_an_option_none_and_asks_in_chinese(table: Path, tmp_path: Path) -> None:
    assert text_of(mmbench(table, profile="llava"), "dev/7").endswith(f"\nHow many?\nA. 1\nB. 2\n{LETTER}")
    assert "C. None\n" in text_of(mmbench(table, profile="janus"), "dev/7")
    chinese = mmbench(data_mmbench.write_vlmevalkit(tmp_path, "MMBench_DEV_CN.tsv", chinese=True), profile="llava")
    assert text_of(chinese, "dev/241").endswith("\nD. horse\n请直接回答选项字母。")
    assert (chinese.settings["language"], mmbench(table).settings["language"]) == ("cn", "en")
    with pytest.raises(UsageError, match=r"holds several tables: MMBench_DEV_CN\.tsv, MMBench_DEV_EN\.tsv"):
        mmbench(tmp_path).requests()


def test_rotations_share_the_picture_and_the_cluster(table: Path) -> None:
    requests = {request.item: request for request in mmbench(table).requests()}
    assert len(requests) == 4 + 2 + 3
    clusters = {item: request.cluster for item, request in requests.items()}
    assert len(set(clusters.values())) == 3
    assert clusters["dev/241"] == clusters["dev/3000241"]
    assert "Options:\nA. horse\nB. A dog\n" in text_of(mmbench(table), "dev/3000241")


@pytest.mark.parametrize("profile", PROFILES)
def test_correct_answers_have_full_scores(profile: str, table: Path) -> None:
    values = values_of(mmbench(table, profile=profile), lambda request: gold(request.item))
    assert set(values.values()) == {1.0}
    assert {name for name in values if name.count(".") == 1} == {
        "mmbench.overall",
        "mmbench.circular",
        "mmbench.vanilla_0",
        "mmbench.vanilla_all",
        "mmbench.read_by_rule",
    }
    assert "mmbench.circular.finegrained_perception_cross-instance" in values


def test_the_three_accuracies_differ(table: Path) -> None:
    wrong = {"dev/1000241", "dev/7"}  # one rotation of the first question, and the third without rotation
    scores = scores_of(mmbench(table), lambda request: "no idea" if request.item in wrong else gold(request.item))
    values = {name: (round(score.value, 3), score.count) for name, score in scores.items()}
    assert values["mmbench.circular"] == values["mmbench.overall"] == (0.333, 3)
    assert values["mmbench.vanilla_0"] == (0.667, 3)
    assert values["mmbench.vanilla_all"] == (0.778, 9)
    assert values["mmbench.read_by_rule"] == (0.778, 9)
    assert values["mmbench.circular.coarse_perception"] == (0.0, 2)
    assert values["mmbench.vanilla_0.coarse_perception"] == (0.5, 2)
    assert values["mmbench.vanilla_all.image_topic"] == (0.75, 4)
    janus = values_of(
        mmbench(table, profile="janus"), lambda request: "x" if request.item in wrong else gold(request.item)
    )
    assert janus["mmbench.overall"] == janus["mmbench.vanilla_all"] == pytest.approx(7 / 9)


@settings(max_examples=30)
@given(st.lists(st.booleans(), min_size=9, max_size=9))
def test_scores_are_those_of_a_twin_of_the_formulas(
    tmp_path_factory: pytest.TempPathFactory, correct: list[bool]
) -> None:
    benchmark = mmbench(data_mmbench.write_vlmevalkit(tmp_path_factory.mktemp("t")))
    hits = {row["index"]: hit for row, hit in zip(data_mmbench.rows(), correct, strict=True)}
    items = [Item("mmbench.vanilla_all", f"dev/{index}", "c", float(hit)) for index, hit in hits.items()]
    scores = {name: score.value for name, score in benchmark.aggregate(items).items()}
    groups = [[hit for index, hit in hits.items() if index % ROTATION == question["index"]] for question in QUESTIONS]
    assert scores["mmbench.circular"] == pytest.approx(sum(map(all, groups)) / 3)
    assert scores["mmbench.vanilla_0"] == pytest.approx(sum(hits[question["index"]] for question in QUESTIONS) / 3)
    assert scores["mmbench.vanilla_all"] == pytest.approx(sum(hits.values()) / 9)
    coarse = [all(groups[0]), all(groups[2])]
    assert scores["mmbench.circular.coarse_perception"] == pytest.approx(sum(coarse) / 2)


def test_rules_of_the_evaluators_differ(table: Path) -> None:
    long = "The best choice is {} because the animal in the picture is barking loudly"
    values = {
        profile: values_of(mmbench(table, profile=profile), lambda request: long.format(gold(request.item)))
        for profile in PROFILES
    }
    assert {name: round(value["mmbench.vanilla_all"], 2) for name, value in values.items()} == {
        "official": 0.0,
        "vlmevalkit": 0.0,
        "llava": 0.0,
        "lmms-eval": 0.67,  # a letter A in a long answer may be an article
        "janus": 1.0,
    }
    assert mmbench(table).settings["rules"] == "2026-06"
    assert mmbench(table, profile="janus").settings["rules"] == "2024-10"
    older = values_of(mmbench(table, rules="2024-10"), lambda request: long.format(gold(request.item)))
    assert older["mmbench.vanilla_all"] == 1.0


def test_chance_of_each_accuracy(table: Path) -> None:
    metrics = mmbench(table).metrics
    assert metrics["mmbench.vanilla_0"].chance == pytest.approx((1 / 4 + 1 / 2 + 1 / 3) / 3)
    assert metrics["mmbench.circular"].chance == pytest.approx((1 / 4**4 + 1 / 2**2 + 1 / 3**3) / 3)
    assert metrics["mmbench.vanilla_all"].chance == pytest.approx(3 / 9)


def test_a_limit_keeps_all_rotations_of_the_first_questions(table: Path) -> None:
    benchmark = mmbench(table, limit=2)
    assert [request.item for request in benchmark.requests()] == [
        "dev/241", "dev/252", "dev/1000241", "dev/1000252", "dev/2000241", "dev/3000241",
    ]  # fmt: skip
    assert benchmark.settings["questions"] == 6


def test_a_table_without_rotations_has_no_circular_accuracy(tmp_path: Path) -> None:
    rows = [row for row in data_mmbench.rows() if row["index"] < ROTATION]
    benchmark = mmbench(write_table(tmp_path / "MMBench.tsv", rows))
    values = values_of(benchmark, lambda request: gold(request.item))
    assert "mmbench.circular" not in values
    assert values["mmbench.overall"] == 1.0


def test_several_splits_have_scores_of_their_own(tmp_path: Path) -> None:
    rows = data_mmbench.rows()
    for row in rows:
        if row["index"] % ROTATION == 7:
            row["split"] = "test"
    values = values_of(mmbench(write_table(tmp_path / "MMBench.tsv", rows)), lambda request: "A")
    assert values["mmbench.vanilla_all.test"] == pytest.approx(1 / 3)
    assert values["mmbench.circular.dev"] == 0.0


def test_the_test_split_has_predictions_and_no_scores(tmp_path: Path) -> None:
    benchmark = mmbench(data_mmbench.write_vlmevalkit(tmp_path, "MMBench_TEST_EN.tsv", drop=("answer",), split="test"))
    assert values_of(benchmark, lambda request: "A") == {"mmbench.read_by_rule": 1.0}
    (path,) = benchmark.write_official(tmp_path, {request.item: "B" for request in benchmark.requests()})
    records = read_sheet(path)
    assert len(records) == 9
    assert "answer" not in records[0].values
    expected = {"index": "241", "A": "A dog", "D": "horse", "prediction": "B", "split": "test"}
    assert {name: records[0][name] for name in expected} == expected


def test_predictions_are_joined_by_index(table: Path, tmp_path: Path) -> None:
    benchmark = mmbench(table)
    requests = benchmark.requests()
    outputs = {request.item: gold(request.item) for request in requests}
    (written,) = benchmark.write_official(tmp_path, outputs)
    assert benchmark.read_predictions(written, requests) == outputs
    lines = [{"question_id": int(item[4:]), "text": answer} for item, answer in reversed(outputs.items())]
    assert benchmark.read_predictions(write_lines(tmp_path / "a.jsonl", lines), requests) == outputs
    rows = [{"index": item[4:], "prediction": answer} for item, answer in outputs.items()]
    assert benchmark.read_predictions(write_table(tmp_path / "a.tsv", rows), requests) == outputs
    own = [{"item": item, "prediction": answer} for item, answer in outputs.items()]
    assert benchmark.read_predictions(write_json(tmp_path / "a.json", own), requests) == outputs
    with pytest.raises(UsageError, match="1 of 9 items have no prediction: 'dev/241'"):
        read(benchmark, write_table(tmp_path / "a.tsv", rows[1:]))
    with pytest.raises(UsageError, match="index: 1 of 9 predictions are for questions that the data do not have: 77"):
        benchmark.read_predictions(write_table(tmp_path / "a.tsv", [{**rows[0], "index": 77}, *rows[1:]]), requests)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"index": 252}, r"MMBench\.tsv:3: the index \"252\" repeats: it is also at .*:2"),
        ({"answer": "E"}, r":2: 'answer' is \"E\", expected 'A' or 'B' or 'C' or 'D'"),
        ({"answer": ""}, r":2: 'answer' is \"\", expected 'A'"),
        ({"A": "", "B": " ", "C": "nan"}, ":2: the question has 1 options, expected at least A and B"),
        ({"question": ""}, ":2: 'question' is empty"),
        ({"image": "999"}, ":2: 'image' is \"999\": the row with that index, which must have the picture, is missing"),
        ({"image": "?" * 90}, ':2: the picture of index "241" is not base64: character 1 is'),
    ],
)
def test_faults_are_named_with_their_line(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    first, *rest = data_mmbench.rows()
    with pytest.raises(UsageError, match=message):
        mmbench(write_table(tmp_path / "MMBench.tsv", [first | change, *rest])).requests()


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("one", "'index' is 'one', expected a whole number"),
        (1000999, "is 1000999, a rotation of 999, which is missing"),
    ],
)
def test_indices_are_numbers_of_questions_or_of_their_rotations(index: Any, message: str, tmp_path: Path) -> None:
    *rows, last = data_mmbench.rows()
    with pytest.raises(UsageError, match=rf":10: .*{message}"):
        mmbench(write_table(tmp_path / "MMBench.tsv", [*rows, last | {"index": index}])).requests()


def test_missing_columns_and_other_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"MMBench_X\.tsv:1: the table lacks the columns A, B"):
        mmbench(data_mmbench.write_vlmevalkit(tmp_path, "MMBench_X.tsv", drop=("A", "B"))).requests()
    with pytest.raises(UsageError, match="MMBench needs its data"):
        MMBench(MMBenchConfig()).requests()
    other = write_json(tmp_path / "x" / "SEED-Bench.json", {"questions": [], "question_type": {}})
    with pytest.raises(UsageError, match="looks like the official data of SEED-Bench, not like MMBench"):
        mmbench(other).requests()


def test_missing_pictures_are_listed_or_left_out(tmp_path: Path) -> None:
    rows = [row | {"image": ""} if row["index"] % ROTATION == 7 else row for row in data_mmbench.rows()]
    path = write_table(tmp_path / "MMBench.tsv", rows)
    with pytest.raises(UsageError, match=r"3 pictures are missing in .*: dev/1000007, dev/2000007, dev/7"):
        mmbench(path).requests()
    assert len(mmbench(path, allow_missing=True).requests()) == 6
    assert mmbench(path, allow_missing=True).settings["left_out_for_missing_pictures"] == 3


def test_published_scores_belong_to_metrics(table: Path) -> None:
    benchmark = mmbench(table)
    assert len(benchmark.published) == 6
    assert all(published.metric in benchmark.metrics and published.value < 1 for published in benchmark.published)
