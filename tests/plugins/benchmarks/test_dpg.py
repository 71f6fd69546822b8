"""DPG-Bench: its questions, the official grids and detail files, and both ways to score."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from data_drawing import DPG, FakeAnswers, picture, question, write_dpg, write_geneval
from data_files import write_table
from hypothesis import given
from hypothesis import strategies as st
from janiform import Item, Model, UsageError, provenance_of
from janiform.evaluate.runner import evaluate
from janiform_plugins.benchmarks.dpg.benchmark import DpgBench
from janiform_plugins.benchmarks.dpg.config import DpgBenchConfig
from janiform_plugins.benchmarks.dpg.data import Question, dropped_first, read_items
from janiform_plugins.benchmarks.dpg.scoring import category_means, picture_score
from PIL import Image
from scoring import read

YES = {row["question_natural_language"]: "yes" for row in DPG}


def asked(*parents):
    """Questions with these parents, numbered from 1."""
    return [Question(number, f"q{number}?", own, "entity", "whole") for number, own in enumerate(parents, start=1)]


def made(folder, answers=YES, **settings):
    settings = {name: Path(value) if name == "official" else value for name, value in settings.items()}
    return DpgBench(DpgBenchConfig(data=Path(folder), **settings), vqa=FakeAnswers(answers))


@pytest.fixture
def data(tmp_path):
    return write_dpg(tmp_path / "data")


def judged(benchmark, output=None):
    items = []
    for request in benchmark.requests():
        given = output(request) if callable(output) else output or picture()
        for metric, value in benchmark.judge(request, given).items():
            items.append(Item(metric, request.item, request.cluster, value))
    return items


def test_zeros_travel_down_a_chain_as_in_the_probe():
    assert picture_score(asked((), (1,), (2,), ()), ["no", "yes", "yes", "yes"]) == 0.25


def test_only_exactly_yes_counts():
    assert picture_score(asked((), (), (), (), ()), ["yes", "Yes", "yes ", "yes.", "no"]) == 0.2


def test_zeros_do_not_travel_to_a_question_before_its_parent():
    # In the order of the file: 1 depends on 2, which fails only because of 3, and 3 comes later.
    assert picture_score(asked((2,), (3,), ()), ["yes", "yes", "no"]) == pytest.approx(1 / 3)


@given(st.data())
def test_a_second_computation_agrees(data):
    count = data.draw(st.integers(1, 7))
    parents = [tuple(data.draw(st.lists(st.integers(1, count), max_size=2, unique=True))) for _ in range(count)]
    answers = data.draw(st.lists(st.sampled_from(("yes", "no")), min_size=count, max_size=count))

    def after(number, by):
        """The score of a question when the question ``by`` is processed."""
        if answers[number - 1] != "yes":
            return 0.0
        if number >= by:
            return 1.0  # it is processed later, or just now
        return float(all(after(parent, number) for parent in parents[number - 1]))

    wanted = np.mean([after(number, count + 1) for number in range(1, count + 1)])
    assert picture_score(asked(*parents), answers) == pytest.approx(wanted)


def test_categories_are_raw_answers():
    questions = [
        Question(1, "a?", (), "entity", "whole"),
        Question(2, "b?", (1,), "entity", "whole"),
        Question(3, "c?", (1,), "global", ""),
    ]
    assert category_means(questions, ["no", "yes", "yes"]) == {"entity.whole": 0.5, "global": 1.0}


def test_items_are_read_with_their_prompts(data):
    items, files = read_items(data)
    assert [(item.key, item.text, len(item.questions)) for item in items] == [
        ("0", "a red cube", 3),
        ("partiprompts7", "a dog, a bench", 3),
    ]
    assert items[0].questions[2] == Question(3, "Is this a photo?", (1, 2), "global", "")
    assert [file.name for file in files] == ["dpg_bench.csv", "0.txt", "partiprompts7.txt"]
    without, files = read_items(data / "dpg_bench.csv")
    assert without == items
    benchmark = made(data)
    assert benchmark.settings["prompt_texts"] == "2 files"
    assert benchmark.settings["prompts_sha256"] == made(data / "dpg_bench.csv").settings["prompts_sha256"]
    assert [request.conversation.turns[0].text for request in benchmark.requests()[::4]] == [
        "a red cube",
        "a dog, a bench",
    ]


def test_the_prompt_is_the_file_and_not_the_column(data):
    (data / "prompts" / "0.txt").write_text("\n a cube \n")
    assert read_items(data)[0][0].text == "a cube"
    (data / "prompts" / "0.txt").unlink()
    with pytest.raises(UsageError, match=r"prompts' lacks 1 of 2 items: 0"):
        read_items(data)
    (data / "prompts" / "0.txt").write_text("x")
    (data / "prompts" / "new.txt").write_text("x")
    with pytest.raises(UsageError, match=r"dpg_bench.csv' lacks 1 of 2 items: new"):
        read_items(data)


def test_the_official_script_loses_the_first_item(data):
    items, _ = read_items(data)
    assert [item.key for item in dropped_first(items)] == ["partiprompts7"]


def test_the_official_script_keeps_an_item_where_nothing_depends_on_its_first_question(tmp_path):
    rows = [question("0", 1, "0", "global -", "a?"), question("0", 2, "0", "global -", "b?"), *DPG[3:]]
    items, _ = read_items(write_dpg(tmp_path, rows))
    assert [(item.key, len(item.questions)) for item in dropped_first(items)] == [("0", 1), ("partiprompts7", 3)]


def test_both_ways_to_score_come_from_the_same_answers(data):
    no_dog = {**YES, "Is there a dog?": "no"}
    benchmark = made(data, no_dog)
    scores = benchmark.aggregate(judged(benchmark))
    assert scores["fixed.overall"].value == pytest.approx(100 * (1 + 1 / 3) / 2)
    assert scores["faithful.overall"].value == pytest.approx(100 / 3)
    assert scores["fixed.entity"].value == pytest.approx(100 * 2 / 3)
    assert scores["fixed.entity.whole"].value == pytest.approx(100 * 2 / 3)
    assert scores["faithful.entity"].value == pytest.approx(50)
    assert scores["fixed.relation.spatial"].value == 100  # categories ignore that there is no dog
    assert scores["fixed.entity"].count == 12
    assert scores["faithful.entity"].count == 2  # of the last picture only
    assert "faithful.attribute" not in scores
    assert set(scores) == set(benchmark.metrics)
    assert list(benchmark.metrics)[-7:] == [
        "fixed.global", "fixed.entity", "fixed.attribute", "fixed.relation", "fixed.entity.whole",
        "fixed.attribute.color", "fixed.relation.spatial",
    ]  # fmt: skip


def test_scores_agree_with_the_official_computation(tmp_path):
    """Random questions and answers against the script's loops, written once more."""
    chance = random.Random(5)
    kinds = ["entity - whole", "entity - state", "attribute - color", "global -", "other - count"]
    rows, tables = [], {}
    for number in range(12):
        key = f"item{number}"
        tables[key] = {}
        for proposition in range(1, chance.randint(2, 6) + 1):
            parents = chance.sample(range(1, proposition), min(proposition - 1, chance.randint(0, 2)))
            kind = chance.choice(kinds)
            rows.append(
                question(key, proposition, ",".join(map(str, parents)) or "0", kind, f"{key} {proposition}?", key)
            )
            tables[key][proposition] = (parents, kind.strip(" -"))
    benchmark = made(write_dpg(tmp_path, rows), {})
    answers = {
        request.item: ["yes" if chance.random() < 0.7 else "no" for _ in tables[request.cluster]]
        for request in benchmark.requests()
    }
    scores = benchmark.aggregate(judged(benchmark, lambda request: "\n".join(answers[request.item])))

    for mode in ("faithful", "fixed"):
        totals, by_kind = [], {}
        for key, own in tables.items():
            own = dict(own)
            if mode == "faithful" and key == "item0":
                own.pop(1)
                if any(1 in parents for parents, _ in own.values()):
                    continue  # the script's KeyError
            pictures = []
            for copy in range(4):
                raw = {n: float(a == "yes") for n, a in enumerate(answers[f"{key}/{copy}"], start=1) if n in own}
                final = dict(raw)
                for n, (parents, _) in own.items():
                    if any(final[parent] == 0 for parent in parents):
                        final[n] = 0.0
                pictures.append(sum(final.values()) / len(final))
                if mode == "fixed" or copy == 3:
                    for n, value in raw.items():
                        by_kind.setdefault(own[n][1], []).append(value)
            totals.append(np.mean(pictures))
        assert scores[f"{mode}.overall"].value == pytest.approx(100 * np.mean(totals))
        broad = {}
        for kind, values in by_kind.items():
            broad.setdefault(kind.partition(" - ")[0], []).extend(values)
            name = kind.replace(" - ", ".")
            assert scores[f"{mode}.{name}"].value == pytest.approx(100 * np.mean(by_kind[kind])), name
            assert scores[f"{mode}.{name}"].count == len(values)
        for name, values in broad.items():
            assert scores[f"{mode}.{name}"].value == pytest.approx(100 * np.mean(values))


def test_grids_are_written_row_by_row_and_read_again(data, tmp_path):
    benchmark = made(data)
    requests = benchmark.requests()
    drawn = {request.item: picture((10 * number, 0, 0), 4) for number, request in enumerate(requests)}
    benchmark.write_official(tmp_path / "images", drawn)
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == ["0.png", "partiprompts7.png"]
    grid = Image.open(tmp_path / "images/partiprompts7.png")
    assert grid.size == (8, 8)
    assert [grid.getpixel(at)[0] for at in ((0, 0), (4, 0), (0, 4), (4, 4))] == [40, 50, 60, 70]
    outputs = benchmark.read_predictions(tmp_path / "images", requests)
    assert all(outputs[request.item].tobytes() == drawn[request.item].tobytes() for request in requests)


def test_a_grid_is_completed_where_drawing_was_interrupted(data, tmp_path):
    benchmark = made(data)
    for part in (("0/0", "0/1"), ("0/2", "0/3")):
        benchmark.write_official(tmp_path, {item: picture((50 * int(item[-1]), 0, 0), 4) for item in part})
    grid = Image.open(tmp_path / "0.png")
    assert [grid.getpixel(at)[0] for at in ((0, 0), (4, 0), (0, 4), (4, 4))] == [0, 50, 100, 150]


def test_grids_need_squares_or_a_resolution(data, tmp_path):
    Image.new("RGB", (12, 8)).save(tmp_path / "0.png")
    Image.new("RGB", (8, 8), "white").save(tmp_path / "partiprompts7.png")
    benchmark = made(data)
    with pytest.raises(UsageError, match=r"has 12×8 pixels, which is not a grid .* \(set resolution"):
        benchmark.read_predictions(tmp_path, benchmark.requests())
    # A wrong resolution is filled up with black, as by the official script.
    wide = made(data, resolution=6)
    crop = wide.read_predictions(tmp_path, wide.requests())["partiprompts7/3"]
    assert crop.size == (6, 6)
    assert (crop.getpixel((1, 1)), crop.getpixel((2, 2))) == ((255, 255, 255), (0, 0, 0))


def test_missing_repeated_and_unknown_grids_are_listed(data, tmp_path):
    benchmark = made(data)
    images = tmp_path / "images"
    benchmark.write_official(images, {item: picture() for item in ("0/0", "0/1", "0/2", "0/3")})
    (images / "dpg-bench_results.txt").write_text("ignored")
    with pytest.raises(UsageError, match=r"4 of 8 items have no prediction: 'partiprompts7/0', 'partiprompts7/1'"):
        read(benchmark, images)
    assert len(read(benchmark, images, allow_missing=True)) == 4
    (images / "0.png").rename(images / "1.png")
    with pytest.raises(UsageError, match=r"4 of 4 predictions are for items that the data do not have: '1/0'"):
        read(benchmark, images, allow_missing=True)
    Image.new("RGB", (8, 8)).save(images / "1.jpg")
    with pytest.raises(UsageError, match=r"holds 1.jpg and 1.png, which are the same item"):
        read(benchmark, images, allow_missing=True)


def test_a_single_picture_is_the_whole_file(data, tmp_path):
    benchmark = made(data, pictures=1)
    benchmark.write_official(tmp_path, {request.item: picture(side=6) for request in benchmark.requests()})
    outputs = benchmark.read_predictions(tmp_path, benchmark.requests())
    assert {outputs[item].size for item in outputs} == {(6, 6)}
    assert set(outputs) == {"0/0", "partiprompts7/0"}


def detail(lines=None, side=8):
    """The detail file of the official script: without the first row, and of the first item the first picture only."""
    boxes = [(x, y, x + side, y + side) for y in (0, side) for x in (0, side)]
    rows = [("0", boxes[0], row["question_natural_language"]) for row in DPG[1:3]]
    rows += [("partiprompts7", box, row["question_natural_language"]) for box in boxes for row in DPG[3:]]
    return [f"images/{key}.png, {box}, {text}, yes" for key, box, text in rows]


def test_answers_of_the_official_script_are_scored(data, tmp_path):
    benchmark = DpgBench(DpgBenchConfig(data=data))
    requests = benchmark.requests()
    lines = detail()
    lines[2] = lines[2].removesuffix("yes") + "no, it is not"
    (tmp_path / "x_results_detail.txt").write_text("\n".join(lines))
    outputs = read(benchmark, tmp_path / "x_results_detail.txt")
    assert [outputs[f"0/{copy}"] for copy in range(4)] == ["not asked"] * 4, (
        "the script never asks all of its questions"
    )
    assert outputs["partiprompts7/0"] == "no, it is not\nyes\nyes"
    items = [
        Item(metric, request.item, request.cluster, value)
        for request in requests
        for metric, value in benchmark.judge(request, outputs[request.item]).items()
    ]
    assert benchmark.aggregate(items)["faithful.overall"].value == pytest.approx(100 * (1 / 3 + 3) / 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines.append(lines[-1]), r"line 15 .* answers a question of 'partiprompts7/3' again"),
        (lambda lines: lines.pop(), r"lacks 1 answers for 'partiprompts7/3', the first: Is the dog"),
        (lambda lines: lines.insert(0, "hello"), r"line 1 is not 'path, \(box\), question, answer'"),
        (lambda lines: lines.append("a/7.png, (0, 0, 8, 8), Is it?, yes"), "line 15 is about '7'"),
        (lambda lines: lines.append("a/0.png, (0, 0, 8, 8), Is it?, yes"), "has a question that the item '0' does not"),
        (lambda lines: lines.append("a/0.png, (0, 16, 8, 24), Is there a cube?, yes"), "is not one of 4 pictures"),
        (lambda lines: lines.__delitem__(slice(5, 8)), "1 of 8 items have no prediction: 'partiprompts7/1'"),
    ],
)
def test_detail_files_that_do_not_fit_are_refused(data, tmp_path, change, message):
    benchmark = made(data)
    lines = detail()
    change(lines)
    (tmp_path / "detail.txt").write_text("\n".join(lines))
    with pytest.raises(UsageError, match=message):
        read(benchmark, tmp_path / "detail.txt")


@pytest.mark.parametrize(
    ("change", "line", "message"),
    [
        ({"proposition_id": "x"}, 3, "'proposition_id' is \"x\", expected a whole number"),
        ({"proposition_id": "0"}, 3, "expected a whole number from 1"),
        ({"proposition_id": "1"}, 3, "has two questions with the proposition_id 1"),
        ({"dependency": "1;2"}, 3, "'dependency' is \"1;2\", expected whole numbers, separated by commas"),
        ({"dependency": ""}, 3, "'dependency' is \"\""),
        ({"dependency": "9"}, None, "question 2 of the item '0' depends on question 9"),
        ({"question_natural_language": " "}, 3, "'question_natural_language' is empty, expected a text"),
        ({"question_natural_language": "3.5"}, 3, "'question_natural_language' is \"3.5\", expected a text"),
        ({"tuple": "cube"}, 3, "'tuple' is \"cube\", expected a category"),
        ({"tuple": " (cube)"}, 3, "expected a category"),
        ({"item_id": ""}, 3, "'item_id' is \"\""),
        ({"item_id": "a/b"}, 3, "'item_id' is \"a/b\""),
        ({"item_id": "partiprompts7"}, 4, "the rows of the item '0' are not together"),
    ],
)
def test_rows_that_are_not_valid_are_named(tmp_path, change, line, message):
    file = write_table(tmp_path / "dpg_bench.csv", [DPG[0], {**DPG[1], **change}, *DPG[2:]], ",")
    with pytest.raises(UsageError, match=message) as raised:
        made(file)
    assert line is None or f"{file}:{line}" in str(raised.value)


def test_a_missing_column_and_other_data_are_named(tmp_path):
    rows = [{name: value for name, value in row.items() if name != "tuple"} for row in DPG]
    with pytest.raises(UsageError, match="lacks the column tuple"):
        made(write_table(tmp_path / "dpg_bench.csv", rows, ","))
    (tmp_path / "other").mkdir()
    write_geneval(tmp_path / "other")
    with pytest.raises(UsageError, match="looks like the official data of GenEval, not like DPG-Bench"):
        made(tmp_path / "other")
    with pytest.raises(UsageError, match="DPG-Bench needs its data"):
        DpgBench(DpgBenchConfig())
    with pytest.raises(UsageError, match="does not exist; expected that of the"):
        DpgBench(DpgBenchConfig(data=write_dpg(tmp_path), vqa_weights=tmp_path / "none"))


def test_a_home_folder_is_meant_by_its_sign(data, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    benchmark = made("~/data", official="~/images", pictures=1)
    benchmark.judge(benchmark.requests()[0], picture())
    assert (tmp_path / "images" / "0.png").is_file()
    with pytest.raises(UsageError, match=f"the folder '{tmp_path}/none' does not exist"):
        DpgBench(DpgBenchConfig(data=data, vqa_weights=Path("~/none")))


def test_a_model_is_evaluated_and_its_grids_are_written(data, tmp_path, tiny_model):
    benchmark = made(data, official=tmp_path / "images")
    evaluation = evaluate(Model(tiny_model), benchmark, lambda *_: None)
    assert evaluation.scores["faithful.overall"].value == 100
    assert evaluation.settings["aggregation"] == {"faithful": "1 prompts", "fixed": "2 prompts"}
    assert evaluation.items[0].prediction == "3 of 3 yes"
    assert len(benchmark.read_predictions(tmp_path / "images", benchmark.requests())) == 8
    stored = provenance_of(tmp_path / "images" / "0.png")
    assert (stored.seed, stored.count, stored.prompt) == (42, 4, "a red cube")


def test_the_verdict_names_what_is_missing_and_asks_once(data):
    benchmark = made(data, {**YES, "Is there a cube?": "no"})
    drawn = picture()
    benchmark.judge(benchmark.requests()[0], drawn)
    assert benchmark.verdict(benchmark.requests()[0], drawn) == "2 of 3 yes; not: Is there a cube?"
    assert len(benchmark._vqa.asked) == 3


def test_answers_of_another_number_are_refused(data):
    benchmark = made(data)
    with pytest.raises(UsageError, match="'0/0' has 2 answers, expected 3"):
        benchmark.judge(benchmark.requests()[0], "yes\nyes")
