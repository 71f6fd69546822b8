"""MMMU is read, asked and scored as by the official code, VLMEvalKit, lmms-eval and the authors of Janus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import data_mmmu
import pytest
from data_files import write_json, write_lines, write_table
from hypothesis import given
from hypothesis import strategies as st
from janiform import Conversation, Item, Look, Origin, UsageError, read_picture
from janiform_plugins.benchmarks.files import Record
from janiform_plugins.benchmarks.mmmu.benchmark import MMMU
from janiform_plugins.benchmarks.mmmu.config import MMMUConfig
from janiform_plugins.benchmarks.mmmu.readers import DISCIPLINES, SUBJECTS, _of_row
from janiform_plugins.benchmarks.questions import Loaded
from janiform_plugins.benchmarks.recognise import DataFiles
from janiform_plugins.benchmarks.sheets import read_sheet
from scoring import read, scores_of, values_of

PROFILES = ("official", "llava", "vlmevalkit", "lmms-eval", "janus")


def mmmu(data: Path, **settings: Any) -> MMMU:
    return MMMU(MMMUConfig(data=data, **settings))


@pytest.fixture
def official(tmp_path: Path) -> Path:
    return data_mmmu.write_official(tmp_path / "hub")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return data_mmmu.write_vlmevalkit(tmp_path / "kit")


def shown(conversation: Conversation) -> str:
    """A conversation with the numbers of its pictures' bytes in place of the pictures."""
    names: dict[bytes, int] = {}
    pieces = conversation.turns[0].content
    for position in range(len(data_mmmu.ROWS)):
        for number in (1, 2):
            names[data_mmmu.picture_bytes(10 * position + number)] = number
    return "".join(piece if isinstance(piece, str) else f"[{names[piece.picture.read()]}]" for piece in pieces)  # type: ignore[union-attr]


def test_there_are_thirty_subjects_in_six_disciplines() -> None:
    assert (len(DISCIPLINES), len(SUBJECTS)) == (6, 30)


@pytest.mark.parametrize("profile", PROFILES)
def test_both_formats_hold_the_same_questions(profile: str, official: Path, table: Path) -> None:
    hub, kit = mmmu(official, profile=profile), mmmu(table, profile=profile)
    key = {request.item: shown(request.conversation) for request in hub.requests()}
    assert set(key) == set(data_mmmu.GOLD)
    assert sorted(shown(request.conversation) for request in kit.requests()) == sorted(key.values())
    assert hub.settings["format"] == "official"
    assert kit.settings["format"] == "vlmevalkit"
    assert sum("parquet" in file["file"] for file in hub.settings["data"]) == 4
    looks = [piece for piece in hub.requests()[0].conversation.turns[0].content if isinstance(piece, Look)]
    assert read_picture(looks[0].picture).size == (8, 6)  # type: ignore[arg-type]


ONE = "validation_Accounting_1"
TWO = "validation_Accounting_2"
COMPARE = "Compare <image 2> with <image 1>."
OPEN = "validation_Math_1"
BY_LETTER = "Answer with the option's letter from the given choices directly."
SHORT = "Answer the question using a single word or phrase."


@pytest.mark.parametrize(
    ("profile", "item", "text"),
    [
        ("official", ONE, f"[1]\n<image 1> What is the price?\n(A) $6\n(B) $7\n(C) $8\n(D) $9\n\n{BY_LETTER}"),
        ("official", TWO, f"[1]\nCompare <image 2> with <image 1>.\n(A) less\n(B) it's more\n(C) equal\n\n{BY_LETTER}"),
        ("official", OPEN, f"[1]\n<image 1> What is x?\n{SHORT}"),
        ("lmms-eval", ONE, f"[1]\n<image 1> What is the price?\nA. $6\nB. $7\nC. $8\nD. $9\n\n{BY_LETTER}"),
        (
            "lmms-eval",
            TWO,
            f"[1][2]\nCompare <image 2> with <image 1>.\nA. less\nB. it's more\nC. equal\n\n{BY_LETTER}",
        ),
        ("lmms-eval", OPEN, f"[1]\n<image 1> What is x?\n\n{SHORT}"),
        (
            "vlmevalkit",
            TWO,
            "Question: Compare [2] with [1].\nOptions:\nA. less\nB. it's more\nC. equal\n"
            "Please select the correct answer from the options above. \n",
        ),
        ("vlmevalkit", OPEN, "Question: [1] What is x?\n"),
        ("janus", TWO, f"[1][2]\nCompare <image 2> with <image 1>.\nA. less\nB. it's more\nC. equal\n\n{BY_LETTER}"),
        ("janus", OPEN, "[1]\n<image 1> What is x?\nAnswer the question directly. "),
    ],
)
def test_questions_are_asked_as_by_each_evaluator(profile: str, item: str, text: str, official: Path) -> None:
    requests = {request.item: request for request in mmmu(official, profile=profile).requests()}
    assert shown(requests[item].conversation) == text
    assert requests[item].conversation.system == ("" if profile == "janus" else None)


def test_pictures_in_options_are_interleaved_too(official: Path) -> None:
    requests = {request.item: request for request in mmmu(official, profile="vlmevalkit").requests()}
    assert "A. [1]\nB. [2]\n" in shown(requests["validation_Math_2"].conversation)
    requests = {request.item: request for request in mmmu(official, layout="first").requests()}
    assert shown(requests["validation_Math_2"].conversation).startswith("[1]\nChoose.\n(A) <image 1>")


@pytest.mark.parametrize(
    ("profile", "settings", "expected"),
    [
        ("official", {}, 6),
        ("llava", {}, 6),
        ("lmms-eval", {}, 3),
        ("lmms-eval", {"open_bug": False}, 6),
        ("vlmevalkit", {}, 4),
        ("janus", {}, 4),
    ],
)
def test_correct_answers_are_not_all_counted_by_every_evaluator(
    profile: str, settings: dict[str, Any], expected: int, official: Path
) -> None:
    # VLMEvalKit misses the answer C to an open question, and one of several correct answers.
    benchmark = mmmu(official, profile=profile, **settings)
    assert values_of(benchmark, data_mmmu.GOLD)["mmmu.overall"] == pytest.approx(expected / 6)


def test_scores_of_disciplines_and_subjects(official: Path) -> None:
    answers = {**data_mmmu.GOLD, "validation_Math_1": "none", ONE: "(A)"}
    scores = scores_of(mmmu(official), answers)
    assert {name: (round(score.value, 3), score.count) for name, score in scores.items()} == {
        "mmmu.overall": (0.667, 6),
        "mmmu.multiple_choice": (0.667, 3),
        "mmmu.open": (0.667, 3),
        "mmmu.art_and_design": (1.0, 1),
        "mmmu.Art_Theory": (1.0, 1),
        "mmmu.business": (0.5, 2),
        "mmmu.Accounting": (0.5, 2),
        "mmmu.science": (0.5, 2),
        "mmmu.Math": (0.5, 2),
        "mmmu.health_and_medicine": (1.0, 1),
        "mmmu.Basic_Medical_Science": (1.0, 1),
        "mmmu.random_options": (0.0, 3),
    }


@given(st.lists(st.tuples(st.sampled_from(sorted(SUBJECTS)), st.booleans()), min_size=1, max_size=30))
def test_scores_are_those_of_a_twin_of_the_official_formula(answers: list[tuple[str, bool]]) -> None:
    row = data_mmmu.hub_rows()[0] | {"image_1": None}
    rows = [row | {"id": f"validation_{subject}_{number}"} for number, (subject, _) in enumerate(answers)]
    benchmark = MMMU(MMMUConfig())
    questions = tuple(_of_row(Record(row, Origin("hub"))) for row in rows)
    benchmark.__dict__["loaded"] = Loaded(DataFiles("official", (), Path()), questions, {})
    items = [
        Item("mmmu.overall", row["id"], row["id"], float(correct))
        for row, (_, correct) in zip(rows, answers, strict=True)
    ]
    scores = benchmark.aggregate(items)
    accuracies: dict[str, tuple[float, int]] = {}
    for subject in {subject for subject, _ in answers}:
        hits = [correct for other, correct in answers if other == subject]
        accuracies[subject] = (sum(hits) / len(hits), len(hits))
        assert scores[f"mmmu.{subject}"].value == pytest.approx(accuracies[subject][0])
    for discipline, subjects in DISCIPLINES.items():
        members = [accuracies[subject] for subject in subjects if subject in accuracies]
        if members:
            value = sum(accuracy * n for accuracy, n in members) / sum(n for _, n in members)
            assert scores[f"mmmu.{discipline}"].value == pytest.approx(value)
    total = sum(accuracy * n for accuracy, n in accuracies.values()) / len(answers)
    assert scores["mmmu.overall"].value == pytest.approx(total)


def test_random_options_are_counted_and_depend_on_the_seed_alone(official: Path) -> None:
    answers = {**data_mmmu.GOLD, ONE: "$7", TWO: "B) it's", "validation_Math_2": "**A**"}
    scores = values_of(mmmu(official), answers)
    assert scores["mmmu.random_options"] == 1.0
    hits = {seed: values_of(mmmu(official, seed=seed), answers)["mmmu.multiple_choice"] for seed in range(12)}
    assert len(set(hits.values())) > 1
    benchmark = mmmu(official, seed=3)
    requests = benchmark.requests()
    forward = [dict(benchmark.judge(request, answers[request.item])) for request in requests]
    backward = [dict(benchmark.judge(request, answers[request.item])) for request in reversed(requests)]
    assert forward == backward[::-1]
    wrong = values_of(mmmu(official, fallback="wrong"), answers)
    assert (wrong["mmmu.multiple_choice"], wrong["mmmu.random_options"]) == (0.0, 0.0)


def test_chance_is_that_of_random_options(official: Path) -> None:
    metrics = mmmu(official).metrics
    assert metrics["mmmu.multiple_choice"].chance == pytest.approx((1 / 4 + 1 / 3 + 1 / 2) / 3)
    assert metrics["mmmu.overall"].chance == pytest.approx((1 / 4 + 1 / 3 + 1 / 2) / 6)
    assert metrics["mmmu.open"].chance == 0.0


@pytest.mark.parametrize(("split", "count"), [("validation", 6), ("dev", 1), ("dev+validation", 7), ("test", 1)])
def test_splits(split: Any, count: int, official: Path) -> None:
    assert len(mmmu(official, split=split).requests()) == count


def test_questions_of_the_test_split_cannot_be_judged(official: Path) -> None:
    benchmark = mmmu(official, split="test")
    with pytest.raises(UsageError, match=r"test_Math_1 has no answer \(set split=\"validation\"\)"):
        benchmark.judge(benchmark.requests()[0], "A")


def test_predictions_are_joined_by_id_and_by_index(official: Path, table: Path, tmp_path: Path) -> None:
    benchmark = mmmu(official)
    requests = benchmark.requests()
    assert benchmark.read_predictions(write_json(tmp_path / "p.json", data_mmmu.GOLD), requests) == data_mmmu.GOLD
    lines = [{"id": item, "response": answer} for item, answer in reversed(data_mmmu.GOLD.items())]
    assert benchmark.read_predictions(write_lines(tmp_path / "p.jsonl", lines), requests) == data_mmmu.GOLD
    for number, line in enumerate(lines):
        write_json(tmp_path / "out" / str(number) / "output.json", [line])
    assert benchmark.read_predictions(tmp_path / "out", requests) == data_mmmu.GOLD
    kit = mmmu(table)
    rows = [{"index": n + 1, "prediction": data_mmmu.GOLD[row["id"]]} for n, row in enumerate(data_mmmu.ROWS[:6])]
    outputs = kit.read_predictions(write_table(tmp_path / "p.tsv", rows), kit.requests())
    assert list(outputs) == [f"validation/{number}" for number in range(1, 7)]
    assert values_of(kit, outputs)["mmmu.overall"] == 1.0
    (written,) = kit.write_official(tmp_path, outputs)
    assert kit.read_predictions(written, kit.requests()) == outputs
    assert read_sheet(written)[2]["answer"] == "['Tampa', 'Florida']"
    with pytest.raises(UsageError, match="1 of 6 items have no prediction: 'validation_Math_2'"):
        read(benchmark, write_lines(tmp_path / "q.jsonl", lines[1:]))
    with pytest.raises(UsageError, match="1 of 7 predictions repeat a question"):
        benchmark.read_predictions(write_lines(tmp_path / "q.jsonl", [*lines, lines[0]]), requests)


def test_official_files_are_read_back(official: Path, tmp_path: Path) -> None:
    benchmark = mmmu(official)
    outputs = {**data_mmmu.GOLD, ONE: "The answer is (B)."}
    written = benchmark.write_official(tmp_path / "out", outputs)
    assert len(written) == 5
    assert benchmark.read_predictions(tmp_path / "out", benchmark.requests()) == outputs
    entry = json.loads((tmp_path / "out" / "Accounting" / "output.json").read_text())[0]
    assert entry["index2ans"] == {"A": "$6", "B": "$7", "C": "$8", "D": "$9"}
    assert (entry["all_choices"], entry["answer"], entry["question_type"]) == (list("ABCD"), "B", "multiple-choice")
    letters = json.loads((tmp_path / "out" / "total_val_output.json").read_text())
    assert letters == data_mmmu.GOLD


def test_missing_pictures_are_listed_or_left_out(tmp_path: Path) -> None:
    folder = data_mmmu.write_official(tmp_path / "hub", data_mmmu.hub_rows(image_1=None))
    with pytest.raises(UsageError, match=r"1 picture is missing in .*: <image 1> of validation_Accounting_1"):
        mmmu(folder).requests()
    benchmark = mmmu(folder, allow_missing=True)
    assert len(benchmark.requests()) == 5
    assert benchmark.settings["left_out_for_missing_pictures"] == 1
    assert len(mmmu(folder, without_pictures=True).requests()) == 6
    request = mmmu(folder, without_pictures=True).requests()[0]
    assert all(isinstance(piece, str) for piece in request.conversation.turns[0].content)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"options": "['$6', $7]"}, r"Accounting/validation.*parquet, row 1: 'options' is .*a Python list of texts"),
        ({"options": "[]"}, r"row 1: 'options' is .*, expected a list of options"),
        ({"answer": "E"}, "row 1: 'answer' is \"E\", expected one of the options A, B, C, D"),
        ({"answer": ""}, "row 1: 'answer' is empty"),
        ({"question": " "}, "row 1: 'question' is empty"),
        ({"question": None}, "row 1: 'question' is None, expected a text"),
        ({"question_type": "essay"}, "row 1: 'question_type' is \"essay\", expected 'multiple-choice' or 'open'"),
        ({"id": "validation_Accounting_2"}, r"row 2: the id \"validation_Accounting_2\" repeats"),
        ({"id": "validation_Magic_2"}, r"'id' is \"validation_Magic_2\", expected an id such as 'validation_Acc"),
    ],
)
def test_faults_of_parquet_files_are_named(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    data_mmmu.write_official(tmp_path, data_mmmu.hub_rows(**changes))
    with pytest.raises(UsageError, match=message):
        mmmu(tmp_path).requests()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"category": "Magic"}, r"MMMU_DEV_VAL\.tsv:2: 'category' is \"Magic\", expected one of Art, Art_Theory"),
        ({"answer": "E"}, r"MMMU_DEV_VAL\.tsv:2: 'answer' is \"E\", expected one of the options A, B, C, D"),
        ({"index": 2}, r"the index \"2\" repeats"),
        ({"image": "!" * 80}, "is not base64"),
    ],
)
def test_faults_of_tables_are_named(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        mmmu(data_mmmu.write_vlmevalkit(tmp_path, **changes)).requests()


def test_other_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="MMMU needs its data"):
        MMMU(MMMUConfig()).requests()
    with pytest.raises(UsageError, match="there is no file or folder"):
        mmmu(tmp_path / "nothing").requests()
    (tmp_path / "validation-0.parquet").write_bytes(b"PAR1")
    with pytest.raises(UsageError, match="is not a valid Parquet file"):
        mmmu(tmp_path).requests()
    other = write_json(tmp_path / "x" / "mm-vet.json", {"v1_0": {"question": "?"}})
    with pytest.raises(UsageError, match="looks like the official data of MM-Vet, not like MMMU"):
        mmmu(other.parent).requests()
    answers = write_json(tmp_path / "y" / "answer_dict_val.json", {ONE: {"ground_truth": "B"}})
    with pytest.raises(UsageError, match="holds answers of MMMU, but no questions"):
        mmmu(answers.parent).requests()


def test_a_judge_needs_rules_that_ask_it(official: Path) -> None:
    with pytest.raises(UsageError, match="the extraction 'official' asks no judge"):
        mmmu(official, judge="m", judge_url="http://localhost/v1")


def test_the_protocol_is_in_the_settings(official: Path) -> None:
    settings = mmmu(official, limit=3).settings
    assert {name: settings[name] for name in ("profile", "prompt", "extraction", "split", "layout", "fallback")} == {
        "profile": "official",
        "prompt": "official",
        "extraction": "official",
        "split": "validation",
        "layout": "first",
        "fallback": "random",
    }
    assert (settings["questions"], settings["limit"], settings["seed"], settings["judge"]) == (3, 3, 42, None)
    assert mmmu(official, profile="janus").settings["rules"] == "2024-10"
    assert mmmu(official, profile="vlmevalkit", rules="2025-08").settings["rules"] == "2025-08"


def test_published_scores_belong_to_metrics(official: Path) -> None:
    benchmark = mmmu(official)
    assert len(benchmark.published) == 5
    assert all(published.metric in benchmark.metrics and published.value < 1 for published in benchmark.published)
