"""GenEval: its file of prompts, the folders of the official scorer, and scores from items."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from attrs import evolve
from data_drawing import GENEVAL, FakeColours, FakeDetector, entry, picture, thing, write_dpg, write_geneval
from data_files import write_lines
from janiform import Item, Model, UsageError, provenance_of, save_picture
from janiform.compose import compose
from janiform.evaluate.runner import evaluate
from janiform_plugins.benchmarks.geneval.benchmark import GREY, GenEval, crop_of
from janiform_plugins.benchmarks.geneval.config import GenEvalConfig
from janiform_plugins.benchmarks.vision import Detection
from PIL import Image
from scoring import read

RIGHT = {"bench": [thing(0)], "dog": [thing(200)], "clock": [thing(0), thing(300)]}
COLOURS = {"bench": "blue", "dog": "black"}


def made(folder, found=RIGHT, colours=COLOURS, **settings):
    return GenEval(GenEvalConfig(data=folder, **settings), detector=FakeDetector(found), colours=FakeColours(colours))


@pytest.fixture
def data(tmp_path):
    write_geneval(tmp_path / "data")
    return tmp_path / "data"


def judged(benchmark, output=None):
    """Items of all requests, whose pictures are judged."""
    items = []
    for request in benchmark.requests():
        for metric, value in benchmark.judge(request, output or picture()).items():
            items.append(Item(metric, request.item, request.cluster, value))
    return items


def test_every_prompt_is_drawn_four_times_with_the_same_seeds(data):
    requests = made(data).requests()
    assert len(requests) == 4 * len(GENEVAL)
    assert [(request.item, request.cluster, request.seed) for request in requests[4:8]] == [
        ("00001/0", "00001", 42), ("00001/1", "00001", 43), ("00001/2", "00001", 44), ("00001/3", "00001", 45),
    ]  # fmt: skip
    assert {request.conversation.turns[0].text for request in requests} == {line["prompt"] for line in GENEVAL}
    limited = made(data, limit=2).requests()
    assert [request.item for request in limited] == [request.item for request in requests[:8]]


def test_scores_are_the_mean_of_tasks_and_not_of_pictures(data):
    benchmark = made(data)
    scores = benchmark.aggregate(judged(benchmark))
    # Everything is right but the purple bench, which is blue.
    assert scores["geneval.overall"].value == pytest.approx(5 / 6)
    assert scores["geneval.color_attr"].value == 0
    assert scores["geneval.counting"].value == 1
    assert set(scores) == set(benchmark.metrics)


def test_scores_agree_with_a_plain_computation(data):
    benchmark = made(data)
    chance = random.Random(3)
    tags = {f"{number:05d}": line["tag"] for number, line in enumerate(GENEVAL)}
    values = {request.item: float(chance.random() < 0.4) for request in benchmark.requests()}
    values |= {"00000/4": 1.0, "00000/5": 1.0}  # a task with more pictures must not weigh more
    items = [Item(f"geneval.{tags[item[:5]]}", item, item[:5], value) for item, value in values.items()]
    scores = benchmark.aggregate(items)
    tasks = {tag: np.mean([value for item, value in values.items() if tags[item[:5]] == tag]) for tag in tags.values()}
    assert scores["geneval.overall"].value == pytest.approx(np.mean(list(tasks.values())))
    assert all(scores[f"geneval.{tag}"].value == pytest.approx(mean) for tag, mean in tasks.items())
    assert scores["geneval.correct_images"].value == pytest.approx(np.mean(list(values.values())))
    best = [max(value for item, value in values.items() if item.startswith(key)) for key in tags]
    assert scores["geneval.correct_prompts"].value == pytest.approx(np.mean(best))


def test_the_verdict_gives_the_reasons_and_detects_once(data):
    benchmark = made(data, found={"bench": [thing()]})
    request, drawn = benchmark.requests()[4], picture()
    assert benchmark.judge(request, drawn) == {"geneval.two_object": 0.0}
    assert benchmark.verdict(request, drawn) == "incorrect: expected dog>=1, found 0"
    assert benchmark._detector.calls == [("bench", "dog")]
    benchmark.verdict(request, picture())
    assert len(benchmark._detector.calls) == 2


def test_colours_are_classified_in_crops_with_grey_outside_the_mask():
    mask = np.zeros((10, 10), dtype=bool)
    mask[2:4, 3:6] = True
    mask[2, 3] = False
    crop = crop_of(picture((200, 0, 0), 10), Detection((3, 2, 6, 4), 0.9, mask))
    assert crop.size == (3, 2)
    assert crop.getpixel((0, 0)) == GREY
    assert crop.getpixel((1, 0)) == (200, 0, 0)
    without = crop_of(picture((200, 0, 0), 10), Detection((3, 2, 6, 4), 0.9))
    assert without.getpixel((0, 0)) == (200, 0, 0)
    assert crop_of(picture(side=10), Detection((0, 0, 0, 0), 0.9, mask)).size == (1, 1)


def test_the_official_folder_is_written_and_read_again(data, tmp_path):
    benchmark = made(data)
    requests = benchmark.requests()
    drawn = {request.item: picture((number, 0, 0)) for number, request in enumerate(requests)}
    benchmark.write_official(tmp_path / "images", drawn)
    assert (tmp_path / "images/00002/samples/0003.png").is_file()
    assert json.loads((tmp_path / "images/00004/metadata.jsonl").read_text()) == GENEVAL[4]
    assert len(list((tmp_path / "images").rglob("*.png"))) == len(requests)
    outputs = benchmark.read_predictions(tmp_path / "images", requests)
    assert [outputs[request.item].getpixel((0, 0))[0] for request in requests] == list(range(len(requests)))


def test_pictures_of_the_official_generator_have_longer_names(data, tmp_path):
    benchmark = made(data, pictures=1)
    benchmark.write_official(tmp_path, {request.item: picture() for request in benchmark.requests()})
    for path in list(tmp_path.glob("*/samples/0000.png")):
        path.rename(path.with_name("00000.png"))
    (tmp_path / "00000" / "grid.png").write_bytes(b"not read")
    (tmp_path / "notes").mkdir()
    assert len(benchmark.read_predictions(tmp_path, benchmark.requests())) == len(GENEVAL)
    save_picture(picture(), tmp_path / "00000/samples/0000.png")
    with pytest.raises(UsageError, match="are the same picture of a prompt"):
        benchmark.read_predictions(tmp_path, benchmark.requests())


def test_missing_and_unknown_pictures_are_listed(data, tmp_path):
    benchmark = made(data)
    requests = benchmark.requests()
    benchmark.write_official(tmp_path, {request.item: picture() for request in requests[:-2]})
    with pytest.raises(UsageError, match=r"2 of 24 items have no prediction: '00005/2', '00005/3' \(--allow-missing"):
        read(benchmark, tmp_path)
    assert len(read(benchmark, tmp_path, allow_missing=True)) == 22
    save_picture(picture(), tmp_path / "00005/samples/0007.png")
    with pytest.raises(UsageError, match="1 of 23 predictions are for items that the data do not have: '00005/7'"):
        read(benchmark, tmp_path, allow_missing=True)


def test_pictures_of_other_prompts_are_refused(data, tmp_path):
    benchmark = made(data)
    benchmark.write_official(tmp_path / "images", {request.item: picture() for request in benchmark.requests()})
    other = write_geneval(tmp_path / "other", [{**line, "prompt": f"{line['prompt']} at night"} for line in GENEVAL])
    rewritten = made(other)
    with pytest.raises(UsageError, match=r"(?s)00000/metadata.jsonl' is for the prompt 'a photo of a bench'.*1 more"):
        rewritten.read_predictions(tmp_path / "images", rewritten.requests())
    (tmp_path / "images/00001/metadata.jsonl").unlink()
    with pytest.raises(UsageError, match=r"00001/metadata.jsonl' is missing"):
        benchmark.read_predictions(tmp_path / "images", benchmark.requests())


def results(benchmark, correct):
    return [
        {
            "filename": f"out/{request.cluster}/samples/{int(request.item.rpartition('/')[2]):05d}.png",
            "tag": GENEVAL[int(request.cluster)]["tag"],
            "prompt": GENEVAL[int(request.cluster)]["prompt"],
            "correct": correct(request),
            "reason": "" if correct(request) else "expected dog>=1, found 0\nexpected bench>=1, found 0",
            "metadata": "{}",
            "details": "{}",
        }
        for request in benchmark.requests()
    ]


def test_results_of_the_official_scorer_are_scored_alike(data, tmp_path):
    benchmark = GenEval(GenEvalConfig(data=data))  # no detector is needed
    requests = benchmark.requests()
    lines = results(benchmark, lambda request: request.item.endswith(("0", "1")))
    random.Random(0).shuffle(lines)  # os.listdir has no order
    outputs = benchmark.read_predictions(write_lines(tmp_path / "results.jsonl", lines), requests)
    items = [Item(*next((name, r.item, r.cluster, v) for name, v in benchmark.judge(r, outputs[r.item]).items()))
             for r in requests]  # fmt: skip
    assert benchmark.aggregate(items)["geneval.overall"].value == 0.5
    assert outputs["00001/2"] == "incorrect: expected dog>=1, found 0; expected bench>=1, found 0"


def test_other_texts_are_not_judgements(data):
    benchmark = GenEval(GenEvalConfig(data=data))
    assert benchmark.judge(benchmark.requests()[0], "incorrect") == {"geneval.single_object": 0.0}
    with pytest.raises(UsageError, match="'00000/0' has the judgement 'yes', expected correct or incorrect"):
        benchmark.judge(benchmark.requests()[0], "yes")


def test_the_file_with_the_published_name_is_used(data):
    write_lines(data / "evaluation_metadata_long.jsonl", [{**line, "prompt": f"{line['prompt']}!"} for line in GENEVAL])
    assert made(data).settings["data"][0]["file"] == "evaluation_metadata.jsonl"
    assert made(data / "evaluation_metadata_long.jsonl").requests()[0].conversation.turns[0].text.endswith("!")
    (data / "evaluation_metadata.jsonl").rename(data / "evaluation_metadata_rewritten.jsonl")
    with pytest.raises(UsageError, match=r"holds evaluation_metadata_long.jsonl, evaluation_metadata_rewritten.jsonl"):
        made(data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines.append(lines[0]), "the picture 00000/0 repeats"),
        (lambda lines: lines.pop(), "1 of 24 items have no prediction: '00005/3'"),
        (lambda lines: lines[3].update(filename="cat.png"), r"line.*|'filename' is 'cat.png'"),
        (lambda lines: lines[3].update(prompt="a cat"), "they are of another file of prompts"),
        (
            lambda lines: lines[3].update(filename="x/00077/samples/0.png"),
            "for items that the data do not have: '00077/0'",
        ),
    ],
)
def test_results_that_do_not_fit_are_refused(data, tmp_path, change, message):
    benchmark = GenEval(GenEvalConfig(data=data))
    lines = results(benchmark, lambda request: True)
    change(lines)
    with pytest.raises(UsageError, match=message):
        read(benchmark, write_lines(tmp_path / "results.jsonl", lines))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"tag": "single_object", "include": [], "prompt": "x"}, "'include' is empty"),
        ({"tag": "single", "include": [entry("dog")], "prompt": "x"}, "'tag' is \"single\", expected"),
        ({"tag": "counting", "include": [entry("dog")], "prompt": 7}, "'prompt' is 7, expected a text"),
        ({"tag": "counting", "include": [entry("dog")]}, "lacks the key prompt"),
        ({"tag": "counting", "include": [entry("dog", 0)], "prompt": "x"}, "expected an object with 'class'"),
        ({"tag": "counting", "include": [entry("dog", True)], "prompt": "x"}, "expected an object with 'class'"),
        ({"tag": "counting", "include": [entry(5)], "prompt": "x"}, "expected an object with 'class'"),
        ({"tag": "counting", "include": [entry("dog")], "exclude": {}, "prompt": "x"}, "'exclude' is {}"),
        ({"tag": "colors", "include": [entry("dog", color="grey")], "prompt": "x"}, "'color' of 'dog' is \"grey\""),
        ({"tag": "position", "include": [entry("dog", position=["above", 0])], "prompt": "x"}, "an earlier entry"),
        (
            {"tag": "position", "include": [entry("cat"), entry("dog", position=["over", 0])], "prompt": "x"},
            "'position' of 'dog'",
        ),
        (GENEVAL[0], "the prompt \"a photo of a bench\" repeats"),
        ([1], "expected a JSON object"),
    ],
)  # fmt: skip
def test_lines_that_are_not_valid_are_named(tmp_path, line, message):
    file = write_lines(tmp_path / "evaluation_metadata.jsonl", [GENEVAL[0], line])
    with pytest.raises(UsageError, match=message) as raised:
        made(file)
    assert f"{file}:2" in str(raised.value)


def test_the_data_of_other_benchmarks_are_named(tmp_path):
    write_dpg(tmp_path)
    with pytest.raises(UsageError, match="looks like the official data of DPG-Bench, not like GenEval"):
        made(tmp_path)
    (tmp_path / "POPE.tsv").touch()
    with pytest.raises(UsageError, match="looks like VLMEvalKit's table of POPE, not like GenEval"):
        made(tmp_path / "POPE.tsv")
    with pytest.raises(UsageError, match="there is no file or folder"):
        made(tmp_path / "none")
    with pytest.raises(UsageError, match="GenEval needs its data"):
        GenEval(GenEvalConfig())


def test_judges_that_cannot_judge_are_refused_before_anything_is_drawn(data, tmp_path):
    with pytest.raises(UsageError, match="set colour_weights to the folder of a CLIP model"):
        GenEval(GenEvalConfig(data=data), detector=FakeDetector({}))
    with pytest.raises(UsageError, match=r"does not know 2 classes of .*: dog, clock"):
        GenEval(GenEvalConfig(data=data), detector=FakeDetector({}, ["bench"]), colours=FakeColours({}))
    with pytest.raises(UsageError, match="does not exist; expected that of the"):
        GenEval(GenEvalConfig(data=data, detector_weights=tmp_path / "none"))


def test_a_model_is_evaluated_and_its_pictures_are_written_for_the_official_scorer(data, tmp_path, tiny_model):
    benchmark = made(data, official=tmp_path / "images", pictures=2)
    evaluation = evaluate(Model(tiny_model), benchmark, lambda *_: None)
    assert evaluation.scores["geneval.overall"].value == pytest.approx(5 / 6)
    assert {item.prediction for item in evaluation.items if item.metric == "geneval.single_object"} == {"correct"}
    assert evaluation.settings["data"][0]["file"] == "evaluation_metadata.jsonl"
    assert len(evaluation.settings["data"][0]["sha256"]) == 64
    outputs = benchmark.read_predictions(tmp_path / "images", benchmark.requests())
    assert len(outputs) == 12
    assert provenance_of(tmp_path / "images/00003/samples/0001.png").seed == 43


def test_without_a_detector_pictures_are_written_and_not_scored(data, tmp_path, tiny_model):
    benchmark = GenEval(GenEvalConfig(data=data, limit=1, pictures=1, official=tmp_path / "images"))
    evaluation = evaluate(Model(tiny_model), benchmark, lambda *_: None)
    assert not evaluation.scores
    assert (tmp_path / "images/00000/samples/0000.png").is_file()


def test_a_model_that_cannot_draw_is_told_so_in_one_sentence(data, tiny_plan, fitted):
    pathways = {"understanding": tiny_plan.recipe.pathways["understanding"]}
    looking = fitted(compose(evolve(tiny_plan.recipe, pathways=pathways)))
    with pytest.raises(UsageError) as raised:
        evaluate(Model(looking), made(data), lambda *_: None)
    assert len(raised.value.problems) == 1
    assert "cannot serve any request of the benchmark: it leaves out 24 of 24 requests, since no pathway draws" in str(
        raised.value
    )


def test_the_picture_may_have_any_mode(data):
    benchmark = made(data)
    for mode in ("L", "RGBA", "P"):
        assert benchmark.judge(benchmark.requests()[0], Image.new(mode, (5, 4))) == {"geneval.single_object": 1.0}
