"""MME gives the scores of each evaluator, in every format of its data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import data_mme
import pytest
from data_files import write_lines, write_table
from hypothesis import given
from hypothesis import strategies as st
from janiform import Look, UsageError, read_picture
from janiform_plugins.benchmarks.answers import YES_NO
from janiform_plugins.benchmarks.mme.benchmark import MME
from janiform_plugins.benchmarks.mme.config import MMEConfig
from scoring import scores_of, values_of

SUFFIX = "\nAnswer the question using a single word or phrase."
FIRST = "Is Yes right for existence 1? Please answer yes or no."
DOUBLE = "Is No right for color 1?  Please answer yes or no."


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return data_mme.write_official(tmp_path_factory.mktemp("mme"))


def mme(data: Path, **settings: Any) -> MME:
    return MME(MMEConfig(data=data, **settings))


@pytest.mark.parametrize("write", [data_mme.write_official, data_mme.write_vlmevalkit, data_mme.write_llava])
def test_all_formats_hold_the_same_questions(tmp_path: Path, write: Any) -> None:
    benchmark = mme(write(tmp_path))
    scores = scores_of(benchmark, lambda request: benchmark.expected(request).lower())
    assert set(scores) == set(benchmark.metrics)
    assert (scores["mme.perception"].value, scores["mme.cognition"].value) == (2000, 800)
    assert (scores["mme.perception"].count, scores["mme.cognition"].count) == (40, 16)
    assert scores["mme.ocr.accuracy_plus"].count == 2
    assert scores["mme.perception"].high == 2000 > (scores["mme.perception"].low or 2000)
    assert (benchmark.settings["questions"], benchmark.settings["pictures"]) == (56, 28)
    asked = [(question.categories[0], question.question, question.answer) for question in benchmark.by_item.values()]
    assert asked == [(task, question, answer) for task, _, question, answer in data_mme.questions()]


def test_pictures_of_one_name_in_two_subtasks_are_two_pictures(official: Path) -> None:
    requests = {request.item: request for request in mme(official).requests()}
    colours = set()
    for task in data_mme.TASKS:
        look = requests[f"{task}/000002.png/yes"].conversation.turns[0].content[0]
        assert isinstance(look, Look)
        colours.add(read_picture(look.picture).getpixel((0, 0)))  # type: ignore[arg-type]
    assert len(colours) == 14


@pytest.mark.parametrize(
    ("profile", "first", "double"),
    [
        ("official", FIRST, DOUBLE),
        ("vlmevalkit", FIRST, DOUBLE),
        ("janus", FIRST + SUFFIX, DOUBLE + SUFFIX),
        ("llava", "Is Yes right for existence 1?" + SUFFIX, "Is No right for color 1?" + SUFFIX),
        ("lmms-eval", "Is Yes right for existence 1?" + SUFFIX, "Is No right for color 1? " + SUFFIX),
    ],
)
def test_prompts_are_those_of_each_evaluator(tmp_path: Path, profile: Any, first: str, double: str) -> None:
    for data in (data_mme.write_vlmevalkit(tmp_path / "v"), data_mme.write_llava(tmp_path / "l")):
        benchmark = mme(data, profile=profile)
        texts = [request.conversation.turns[0].text for request in benchmark.requests()]
        assert texts[0] == f"\n{first}"
        assert [text for text in texts if "No right for color 1" in text] == [f"\n{double}"]


ANSWERS = st.sampled_from(["yes", "No", "Yes, it is", "The answer is yes", "nope", "y", "", "Not sure", "maybe"])


@given(st.lists(ANSWERS, min_size=56, max_size=56), st.sampled_from(["official", "vlmevalkit", "lmms-eval"]))
def test_scores_equal_those_of_a_plain_loop(official: Path, outputs: list[str], profile: Any) -> None:
    benchmark = mme(official, profile=profile)
    answers = dict(zip(benchmark.by_item, outputs, strict=True))
    rule = YES_NO[{"official": "mme", "vlmevalkit": "vlmevalkit", "lmms-eval": "lmms-mme"}[profile]]
    points = {}
    for task in data_mme.TASKS:
        rows = [
            rule(answers[f"{task}/{image}/{label}"]) == label
            for image in ("000001.jpg", "000002.png")
            for label in ("yes", "no")
        ]
        points[task] = 100 * sum(rows) / 4 + 100 * (all(rows[:2]) + all(rows[2:])) / 2
    values = values_of(benchmark, answers)
    assert {task: values[f"mme.{task.lower()}.score"] for task in points} == pytest.approx(points)
    assert values["mme.perception"] == pytest.approx(sum(points[task] for task in data_mme.PERCEPTION))
    assert values["mme.cognition"] == pytest.approx(sum(points[task] for task in data_mme.COGNITION))


def test_a_limit_keeps_whole_pictures_and_gives_no_partial_sums(official: Path) -> None:
    assert [len(mme(official, limit=limit).requests()) for limit in (1, 2, 3, 7, 0)] == [2, 2, 2, 6, 56]
    values = values_of(mme(official, limit=6), lambda request: "yes")
    assert set(values) == {f"mme.{task}.{name}" for task in ("existence", "count") for name in (
        "score", "accuracy", "accuracy_plus")}  # fmt: skip
    assert values["mme.existence.score"] == 50


def test_the_official_result_files_are_written_and_read(official: Path, tmp_path: Path) -> None:
    benchmark = mme(official)
    outputs = {item: f"Yes\tor\nno {number}" for number, item in enumerate(benchmark.by_item)}
    files = benchmark.write_official(tmp_path, outputs)
    assert [file.stem for file in files] == list(data_mme.TASKS)
    lines = (tmp_path / "color.txt").read_text().splitlines()
    assert lines[1] == f"000001.jpg\t{DOUBLE}\tNo\tYes or no 13"
    flat = {item: output.replace("\t", " ").replace("\n", " ") for item, output in outputs.items()}
    assert benchmark.read_predictions(tmp_path, benchmark.requests()) == flat
    (tmp_path / "color.txt").write_text("\n".join([*lines[:3], "000002.png\tquestion"]))
    with pytest.raises(UsageError, match=r"color\.txt:4: the line has 2 cells, expected picture, question, answer and"):
        benchmark.read_predictions(tmp_path, benchmark.requests())
    (tmp_path / "color.txt").write_text("\n".join([*lines[:3], lines[0]]))
    with pytest.raises(UsageError, match=r"repeat a question: color/000001\.jpg/Is Yes right for color 1\? at"):
        benchmark.read_predictions(tmp_path, benchmark.requests())
    (tmp_path / "none").mkdir()
    with pytest.raises(UsageError, match=r"holds no results of MME: expected existence\.txt"):
        benchmark.read_predictions(tmp_path / "none", benchmark.requests())


def test_predictions_of_vlmevalkit_and_llava(official: Path, tmp_path: Path) -> None:
    table = mme(data_mme.write_vlmevalkit(tmp_path))
    rows = [{"index": item, "prediction": item} for item in table.by_item]
    path = write_table(tmp_path / "p.tsv", rows)
    assert table.read_predictions(path, table.requests()) == {item: item for item in table.by_item}
    benchmark = mme(official)
    lines = [
        {"question_id": f"{task}/{name}", "prompt": f"{question.removesuffix(data_mme.ASKS).strip()}{SUFFIX}",
         "text": f"{task}/{name}/{answer.lower()}"}
        for task, name, question, answer in data_mme.questions()
    ]  # fmt: skip
    path = write_lines(tmp_path / "llava.jsonl", lines[::-1])
    assert benchmark.read_predictions(path, benchmark.requests()) == {item: item for item in benchmark.by_item}


def test_faults_of_the_data_name_their_lines(tmp_path: Path) -> None:
    data = data_mme.write_official(tmp_path)
    text = tmp_path / "MME_Benchmark_release_version" / "OCR" / "000001.txt"
    good = text.read_text()
    for content, message in [
        ("Is it?\n", r'000001\.txt:1: the line is "Is it\?", expected a question, a tab, and Yes or No'),
        (good.replace("No", "no"), r"000001\.txt:2: the line is .*expected a question, a tab, and Yes or No"),
        (good + "Again?\tYes\n", r"000001\.txt:3: the picture has a second question with the answer Yes"),
        ("Is it?\tYes\n", r"000001\.txt' has 1 questions, expected two, one with Yes and one with No"),
    ]:
        text.write_text(content)
        with pytest.raises(UsageError, match=message):
            mme(data).requests()
    text.write_text(f"\n{good.replace(chr(10), chr(13) + chr(10))}\n")  # blank lines and line ends of Windows
    assert len(mme(data).requests()) == 56
    (text.parent / "000001.jpg").unlink()
    with pytest.raises(UsageError, match=r"1 picture is missing in .*: OCR/000001"):
        mme(data).requests()
    assert len(mme(data, allow_missing=True).requests()) == 54
    rows = [{"index": 1, "image": "", "question": "q", "answer": "Yes", "category": "colour"}]
    with pytest.raises(UsageError, match=r"MME\.tsv:2: 'category' is \"colour\", expected one of existence, count"):
        mme(write_table(tmp_path / "t" / "MME.tsv", rows)).requests()
    llava = data_mme.write_llava(tmp_path / "l")
    lines = (llava / "llava_mme.jsonl").read_text().splitlines(keepends=True)
    (llava / "llava_mme.jsonl").write_text(lines[0] * 2)
    with pytest.raises(
        UsageError, match=r"llava_mme\.jsonl:2: the question repeats: it is also at .*llava_mme\.jsonl:1"
    ):
        mme(llava).requests()
    (llava / "llava_mme.jsonl").write_text(lines[0].replace("right", "wrong"))
    with pytest.raises(
        UsageError, match=r'jsonl:1: there is no such question of "existence/000001\.jpg" in the official'
    ):
        mme(llava).requests()
