"""POPE gives the scores of each evaluator, in every format of its data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import data_mme
import data_pope
import pytest
from data_files import write_json, write_lines, write_table
from hypothesis import given
from hypothesis import strategies as st
from janiform import Item, Look, UsageError
from janiform_plugins.benchmarks.answers import YES_NO
from janiform_plugins.benchmarks.pope.benchmark import POPE
from janiform_plugins.benchmarks.pope.config import POPEConfig
from janiform_plugins.benchmarks.sheets import write_sheet
from scoring import judged, read, scores_of, values_of

SUFFIX = "\nAnswer the question using a single word or phrase."
QUESTION = "Is there a snowboard in the image?"


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_pope.write_official(tmp_path_factory.mktemp("pope"))


def pope(data: Path, **settings: Any) -> POPE:
    return POPE(POPEConfig(data=data, **settings))


@pytest.mark.parametrize("write", [data_pope.write_official, data_pope.write_vlmevalkit, data_pope.write_llava])
def test_all_formats_hold_the_same_questions(tmp_path: Path, write: Any) -> None:
    benchmark = pope(write(tmp_path))
    right = {item: question.answer.capitalize() for item, question in benchmark.by_item.items()}
    scores = scores_of(benchmark, right)
    assert set(scores) == set(benchmark.metrics)
    assert {score.value for name, score in scores.items() if not name.endswith("yes_ratio")} == {1.0}
    assert scores["pope.pooled.accuracy"].count == 12  # a question of three splits counts three times
    assert scores["pope.random.yes_ratio"].value == 0.5
    settings = benchmark.settings
    assert settings["splits"] == {"random": 4, "popular": 4, "adversarial": 4}
    assert (settings["pictures"], settings["questions"]) == (2, 8 if write is data_pope.write_vlmevalkit else 12)
    assert {len(file["sha256"]) for file in settings["data"]} == {64}
    texts = {question.question for question in benchmark.by_item.values()}
    assert texts == {QUESTION, *(f"Is there a {name} in the image?" for name in data_pope.ABSENT.values())}


@pytest.mark.parametrize(
    ("profile", "text", "tokens"),
    [
        ("official", QUESTION, None),
        ("vlmevalkit", f"{QUESTION} Please answer yes or no.", None),
        ("llava", f"{QUESTION}{SUFFIX}", 128),
        ("lmms-eval", f"{QUESTION}{SUFFIX}", 16),
        ("janus", f"{QUESTION}{SUFFIX}", None),
    ],
)
def test_prompts_are_those_of_each_evaluator(tmp_path: Path, profile: Any, text: str, tokens: int | None) -> None:
    for data in (data_pope.write_vlmevalkit(tmp_path / "v"), data_pope.write_llava(tmp_path / "l")):
        request = pope(data, profile=profile).requests()[0]
        look, said = request.conversation.turns[0].content
        assert isinstance(look, Look)
        assert said == f"\n{text}"
        assert request.settings == ({"max_new_tokens": tokens} if tokens else {})
        assert request.conversation.system == ("" if profile == "janus" else None)


def test_parts_of_a_profile_can_be_replaced(official: Path) -> None:
    benchmark = pope(official, profile="llava", prompt="official", extraction="vlmevalkit", max_new_tokens=3, limit=5)
    assert benchmark.requests()[0].conversation.turns[0].text == f"\n{QUESTION}"
    assert [request.item for request in benchmark.requests()] == [f"random/{n}" for n in (1, 2, 3, 4)] + ["popular/1"]
    assert benchmark.requests()[0].settings == {"max_new_tokens": 3}
    names = ("profile", "prompt", "extraction", "aggregation", "limit", "format")
    assert [benchmark.settings[name] for name in names] == ["llava", "official", "vlmevalkit", "llava", 5, "official"]


ANSWERS = st.sampled_from(["yes", "No", "NO", "Yes.", "no.", "a dog", "", "No!", "yes or no", "not sure"])


@given(st.lists(ANSWERS, min_size=12, max_size=12), st.sampled_from(["official", "vlmevalkit", "lmms-eval", "janus"]))
def test_scores_equal_those_of_the_evaluators_loops(official: Path, outputs: list[str], profile: Any) -> None:
    benchmark = pope(official, profile=profile)
    answers = dict(zip(benchmark.by_item, outputs, strict=True))
    scores = scores_of(benchmark, answers)
    rule = {"official": "pope", "vlmevalkit": "vlmevalkit", "janus": "vlmevalkit", "lmms-eval": "exact"}[profile]
    f1 = {}
    for group in ("random", "popular", "adversarial", "pooled"):
        rows = [
            (YES_NO[rule](answers[item]), question.answer)
            for item, question in benchmark.by_item.items()
            if group in (*question.categories, "pooled")
        ]
        tp = fp = fn = right = 0
        for word, label in rows:
            tp += word == "yes" and label == "yes"
            fp += word == "yes" and label == "no"
            fn += label == "yes" and (word == "no" if profile == "lmms-eval" else word != "yes")
            right += word == label
        expected = {"accuracy": right / len(rows), "yes_ratio": (tp + fp) / len(rows)}
        if tp + fp:
            expected["precision"] = tp / (tp + fp)
        if tp + fn:
            expected["recall"] = tp / (tp + fn)
        if tp + fp + fn:
            precision, recall = (tp / n if n else 0.0 for n in (tp + fp, tp + fn))
            f1[group] = expected["f1"] = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        found = {
            name.removeprefix(f"pope.{group}."): score.value for name, score in scores.items() if f".{group}." in name
        }
        assert found == pytest.approx(expected)
    overall = {
        "official": None,
        "vlmevalkit": f1.get("pooled"),
        "lmms-eval": f1.get("pooled"),
        "janus": f1.get("random"),
    }
    if len(f1) == 4:
        assert scores["pope.mean.f1"].value == pytest.approx(sum(f1[split] for split in data_pope.SPLITS) / 3)
        overall["official"] = scores["pope.mean.f1"].value
    assert ("pope.overall" in scores) == (overall[profile] is not None)
    if overall[profile] is not None:
        assert scores["pope.overall"].value == pytest.approx(overall[profile])


def test_an_unreadable_answer_is_wrong_but_counts_as_no_in_f1(official: Path) -> None:
    outputs = {"random/1": "yes", "random/2": "maybe", "random/3": "maybe", "random/4": "no"}
    values = values_of(pope(official, profile="vlmevalkit", limit=4), outputs)
    assert (values["pope.random.accuracy"], values["pope.random.precision"], values["pope.random.recall"]) == (
        0.5,
        1,
        0.5,
    )
    values = values_of(pope(official, profile="lmms-eval", limit=4), outputs)
    assert values["pope.random.recall"] == 1.0
    assert "pope.mean.f1" not in values  # two splits are missing


def test_intervals_are_clustered_by_picture(official: Path) -> None:
    """Splits ask about the same pictures, so twelve answers are two observations."""
    items = judged(pope(official), lambda request: "yes")
    assert {item.cluster for item in items} == set(data_pope.IMAGES)
    scores = pope(official).aggregate(items)
    assert scores["pope.pooled.f1"].value == pytest.approx(2 / 3)
    assert scores["pope.pooled.f1"].low == pytest.approx(2 / 3)  # both pictures have the same answers
    uneven = [Item(i.metric, i.item, i.cluster, i.value) for i in judged(pope(official), {
        request.item: "yes" if request.cluster == data_pope.IMAGES[0] else "no" for request in pope(official).requests()
    })]  # fmt: skip
    score = pope(official).aggregate(uneven)["pope.pooled.f1"]
    # F1 = 2·3 / (6 + 6) = 1/2; the residuals of the two pictures are (6 - 9/2) / 12 and (0 - 3/2) / 12.
    assert score.value == pytest.approx(0.5)
    assert score.value - (score.low or 0) == pytest.approx(1.959964 * (2 * 2 * (1.5 / 12) ** 2) ** 0.5)


def test_predictions_made_elsewhere_are_joined_by_keys(official: Path, tmp_path: Path) -> None:
    benchmark = pope(official)
    answers = {item: f"{question.answer}, {item}" for item, question in benchmark.by_item.items()}
    requests = benchmark.requests()
    rows = [
        {"question_id": int(item.split("/")[1]), "category": item.split("/")[0], "text": answer}
        for item, answer in reversed(answers.items())
    ]
    assert benchmark.read_predictions(write_lines(tmp_path / "all.jsonl", rows), requests) == answers
    for split in data_pope.SPLITS:
        lines = [
            {"image": line["image"], "question": line["text"], "answer": answers[f"{split}/{line['question_id']}"]}
            for line in reversed(data_pope.lines(split))
        ]
        write_lines(tmp_path / "each" / f"pope_{split}.json", lines)
    assert benchmark.read_predictions(tmp_path / "each", requests) == answers
    own = [{"item": item, "prediction": answer} for item, answer in answers.items()]
    assert benchmark.read_predictions(write_json(tmp_path / "own.json", own), requests) == answers
    with pytest.raises(
        UsageError, match=r"lack a key: .*all2.jsonl:1 has text; expected item and prediction; or split,"
    ):
        benchmark.read_predictions(write_lines(tmp_path / "all2.jsonl", [{"text": "yes"}]), requests)
    write_lines(tmp_path / "all.jsonl", [*rows[1:], rows[2], {**rows[2], "question_id": 77}, {**rows[2], "text": "x"}])
    with pytest.raises(UsageError) as error:
        benchmark.read_predictions(tmp_path / "all.jsonl", requests)
    assert "joined by split and question_id: 2 of 14 predictions repeat a question: adversarial/2 at" in str(
        error.value
    )
    assert "1 of 14 predictions are for questions that the data do not have: adversarial/77" in str(error.value)
    with pytest.raises(UsageError, match="1 of 12 items have no prediction: 'adversarial/4'"):
        read(benchmark, write_lines(tmp_path / "all.jsonl", rows[1:]))
    with pytest.raises(UsageError, match=r"all\.jsonl:1: 'text' is 5, expected a text"):
        benchmark.read_predictions(write_lines(tmp_path / "all.jsonl", [{**rows[0], "text": 5}]), requests)
    write_lines(tmp_path / "each" / "random.json", rows)
    with pytest.raises(UsageError, match="has several files for random: expected one file"):
        benchmark.read_predictions(tmp_path / "each", requests)


def test_predictions_of_vlmevalkit_and_llava(tmp_path: Path) -> None:
    table = pope(data_pope.write_vlmevalkit(tmp_path / "v"))
    answers = {item: f"{item} yes" for item in table.by_item}
    rows = [{"index": item, "question": "q", "prediction": answer} for item, answer in answers.items()]
    write_sheet(tmp_path / "p.xlsx", ["index", "question", "prediction"], rows)
    for path in (
        tmp_path / "p.xlsx",
        write_table(tmp_path / "p.tsv", rows),
        write_table(tmp_path / "p.csv", rows, ","),
    ):
        assert table.read_predictions(path, table.requests()) == answers
    llava = pope(data_pope.write_llava(tmp_path / "l"))
    lines = [
        {"question_id": int(question.keys["llava"]), "prompt": "p", "text": item}
        for item, question in llava.by_item.items()
    ]
    path = write_lines(tmp_path / "answers.jsonl", reversed(lines))
    assert llava.read_predictions(path, llava.requests()) == {item: item for item in llava.by_item}


def test_the_official_scorer_gets_answers_and_labels_line_by_line(official: Path, tmp_path: Path) -> None:
    benchmark = pope(official, without_pictures=True)
    outputs = {item: question.answer for item, question in benchmark.by_item.items()} | {"popular/3": "no"}
    files = benchmark.write_official(tmp_path, outputs)
    assert len(files) == 6
    pairs = zip(*((tmp_path / f"coco_pope_popular_{kind}.json").open() for kind in ("answers", "labels")), strict=True)
    read = [(json.loads(answer)["answer"], json.loads(label)["label"]) for answer, label in pairs]
    assert read == [("yes", "yes"), ("no", "no"), ("no", "yes"), ("no", "no")]
    assert [len(request.conversation.turns[0].content) for request in benchmark.requests()] == [1] * 12


def test_missing_pictures_are_listed_or_counted(tmp_path: Path) -> None:
    data = data_pope.write_official(tmp_path)
    (data / "val2014" / data_pope.IMAGES[1]).unlink()
    with pytest.raises(UsageError, match=rf"1 picture is missing in .*: {data_pope.IMAGES[1]} \(set images to"):
        pope(data).requests()
    benchmark = pope(data, allow_missing=True)
    assert len(benchmark.requests()) == 6
    assert benchmark.settings["missing_pictures"] == 1
    assert benchmark.settings["left_out_for_missing_pictures"] == 6
    with pytest.raises(UsageError, match=r"no question of POPE in .* has a picture"):
        pope(data, allow_missing=True, images=tmp_path / "none").requests()


def test_other_data_are_refused_by_name(tmp_path: Path) -> None:
    mme = data_mme.write_vlmevalkit(tmp_path / "m")
    renamed = mme.rename(tmp_path / "m" / "data.tsv")
    with pytest.raises(
        UsageError, match=r"data\.tsv' looks like VLMEvalKit's table of MME, not like POPE \(set data to"
    ):
        pope(renamed).requests()
    with pytest.raises(UsageError, match="looks like the official data of MME, not like POPE"):
        pope(data_mme.write_official(tmp_path / "o")).requests()
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="empty' does not hold data of POPE"):
        pope(tmp_path / "empty").requests()
    with pytest.raises(UsageError, match="there is no file or folder"):
        pope(tmp_path / "none").requests()
    with pytest.raises(UsageError, match=r"POPE needs its data \(set data to a folder with coco_pope_\*\.json"):
        POPE(POPEConfig()).requests()
    both = data_pope.write_official(tmp_path / "both")
    data_pope.write_vlmevalkit(both)
    with pytest.raises(UsageError, match=r"holds POPE in several formats: the official data .* and VLMEvalKit's table"):
        pope(both).requests()
    assert pope(both, format="vlmevalkit").loaded.data.format == "vlmevalkit"
    assert len(pope(both / "POPE.tsv").requests()) == 8
    with pytest.raises(UsageError, match="does not hold data of POPE in the format 'llava'"):
        pope(both, format="llava").requests()


def test_faults_of_the_data_name_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "coco_pope_random.json"
    for line, message in [
        ({"label": "maybe"}, r"random\.json:1: 'label' is \"maybe\", expected 'yes' or 'no'"),
        ({"text": 5}, r"random\.json:1: 'text' is 5, expected a text"),
        ({"image": "../../secret.jpg"}, r"'\.\./\.\./secret\.jpg' is not a valid name of a picture"),
    ]:
        write_lines(path, [{**data_pope.lines("random")[0], **line}])
        with pytest.raises(UsageError, match=message):
            pope(tmp_path).requests()
    write_lines(path, [data_pope.lines("random")[0]] * 2)
    with pytest.raises(
        UsageError, match=r"random\.json:2: the question_id \"1\" repeats: it is also at .*random\.json:1"
    ):
        pope(tmp_path).requests()
    llava = data_pope.write_llava(tmp_path / "l")
    lines = data_pope.lines("random")
    write_lines(llava / "coco" / "coco_pope_random.json", lines[:3])
    with pytest.raises(UsageError, match=r"llava_pope_test\.jsonl:4: 1 of 12 questions are not in the official files"):
        pope(llava).requests()
    for file in (llava / "coco").iterdir():
        if file.suffix == ".json":
            file.unlink()
    with pytest.raises(
        UsageError, match=r"without their answers \(put coco_pope_\*\.json of the official data beside it"
    ):
        pope(llava).requests()
