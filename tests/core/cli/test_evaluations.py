"""``eval`` with several benchmarks, ``score``, the gate, and the page: files, exit codes, and what they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import janiform
import pytest
from janiform.cli import main
from janiform.storage.save import save_model
from quiz import QUIZ, write_predictions, write_questions

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def folder(tiny_model: janiform.UnifiedModel, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_model(tiny_model, tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture
def data(install: Callable[..., Path], tmp_path: Path) -> Path:
    """The folder of all data, with those of both benchmarks; names may be written in other ways."""
    install("quiz", QUIZ)
    write_questions(tmp_path / "data" / "Quiz" / "quiz.json")
    write_questions(tmp_path / "data" / "QUIZ_two.json", 4)
    return tmp_path / "data"


def said(capsys: Capture) -> str:
    return " ".join(capsys.readouterr().err.split())


def test_several_benchmarks_in_one_go(folder: str, data: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out"
    arguments = ["eval", folder, "quiz", "quiz-two", "--data", str(data), "--profile", "janus", "--set", "quiz.limit=5"]
    assert main([*arguments, "--out", str(out), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)["benchmarks"]
    assert list(printed) == ["quiz", "quiz-two"]
    assert {name: one["scores"]["quiz.accuracy"]["count"] for name, one in printed.items()} == {
        "quiz": 5,
        "quiz-two": 4,
    }
    assert all(one["settings"]["profile"] == "janus" for one in printed.values())
    assert json.loads((out / "scores.json").read_text())["benchmarks"] == printed
    lines = [json.loads(line) for line in (out / "items.jsonl").read_text().splitlines()]
    assert {line["benchmark"] for line in lines} == {"quiz", "quiz-two"}
    assert "Janus &lt;9B&gt;" in (out / "index.html").read_text()
    assert main([*arguments, "--set", "limit=3", "--out", str(tmp_path / "all.json")]) == 0
    shown = capsys.readouterr().out
    assert "quiz-two" in shown
    written = json.loads((tmp_path / "all.json").read_text())["benchmarks"]
    assert [one["scores"]["quiz.accuracy"]["count"] for one in written.values()] == [5, 3]


def test_a_benchmark_that_fails_does_not_lose_the_others(
    folder: str, data: Path, install: Callable[..., Path], tmp_path: Path, capsys: Capture
) -> None:
    broken = QUIZ.replace("right = float(output.strip().lower() == request.reference)", "raise OSError('gone')")
    broken = broken.replace('("quiz", "quiz-two")', '("broken", "gone")').replace("plugin_quiz", "plugin_broken")
    install("broken", broken)
    write_questions(tmp_path / "data" / "broken.json")
    write_questions(tmp_path / "data" / "gone.json")
    out = tmp_path / "out"
    assert main(["eval", folder, "broken", "quiz", "--data", str(data), "--out", str(out)]) == 1
    message = said(capsys)
    assert "broken: the benchmark fake_plugin_broken.Quiz failed in judge" in message
    assert "1 of 2 benchmarks failed" in message
    assert list(json.loads((out / "scores.json").read_text())["benchmarks"]) == ["quiz"]
    assert main(["eval", folder, "broken", "gone", "--data", str(data)]) == 1


def test_the_data_of_one_benchmark_may_be_named_themselves(folder: str, data: Path, capsys: Capture) -> None:
    assert main(["eval", folder, "Quiz", "--data", str(data / "Quiz"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scores"]["quiz.accuracy"]["count"] == 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["quiz", "quiz"], "the benchmark 'quiz@1' is named twice"),
        (["quiz", "--data", "none"], "--data: there is no folder or file 'none'"),
        (["quiz", "quiz-two", "--data", "EMPTY"], "has no folder or file for quiz expected 'EMPTY/quiz'"),
        (["shapes", "--data", "EMPTY"], "--data: shapes has no setting 'data'"),
        (["quiz", "quiz-two", "--set", "limits=3"], "no benchmark of quiz, quiz-two has this setting did you mean"),
        (["quiz", "--set", "quiz.limits=3"], "limits: unknown setting did you mean 'limit'"),
        (["quiz", "--profile", "januss"], "profile: "),
        (["quiz"], "the quiz needs its data"),
    ],
)
def test_what_eval_refuses(
    folder: str, data: Path, tmp_path: Path, capsys: Capture, arguments: list[str], message: str
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    arguments = [argument.replace("EMPTY", str(empty)) for argument in arguments]
    assert main(["eval", folder, *arguments]) == 2
    assert message.replace("EMPTY", str(empty)) in said(capsys)


def test_where_results_are_written_is_checked_first(folder: str, data: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "dir.json").mkdir()
    for path, message in (("file", "is a file"), ("dir.json", "is a folder"), ("no/where", "does not exist")):
        assert main(["eval", folder, "quiz", "--data", str(data), "--out", str(tmp_path / path)]) == 2
        assert message in said(capsys)


def test_score_joins_by_keys_and_writes_for_the_official_scorer(data: Path, tmp_path: Path, capsys: Capture) -> None:
    predictions = write_predictions(tmp_path / "answers.jsonl", {1, 4, 8})
    out, official = tmp_path / "out", tmp_path / "official"
    arguments = ["score", "QUIZ", str(predictions), "--data", str(data), "--profile", "janus"]
    assert main([*arguments, "--out", str(out), "--official", str(official), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["scores"]["quiz.accuracy"]["value"] == 0.75
    assert printed["scores"]["quiz.overall"]["value"] == 0.75**2
    assert printed["settings"]["model"] == "answers"
    assert printed["settings"]["predictions"]["file"] == "answers.jsonl"
    assert len(json.loads((official / "official.json").read_text())) == 12
    # The items of an evaluation are predictions as well.
    assert main(["score", "quiz", str(out / "items.jsonl"), "--data", str(data), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scores"] == printed["scores"]


def test_score_refuses_missing_and_unknown_items(data: Path, tmp_path: Path, capsys: Capture) -> None:
    few = write_predictions(tmp_path / "few.jsonl", set(), 9)
    arguments = ["score", "quiz", str(few), "--data", str(data)]
    assert main(arguments) == 2
    assert "3 of 12 items have no prediction: 'q9', 'q10', 'q11' --allow-missing" in said(capsys)
    assert main([*arguments, "--allow-missing"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "accuracy 0.750" in shown
    assert "3 items have no prediction, and count as wrong." in shown
    more = write_predictions(tmp_path / "more.jsonl", set(), extra=("z1", "z2"))
    for option in ([], ["--allow-missing"]):
        assert main(["score", "quiz", str(more), "--data", str(data), *option]) == 2
        assert "2 of 14 predictions are for items that the data do not have: 'z1', 'z2'" in said(capsys)
    assert main(["score", "quiz", str(tmp_path / "none"), "--data", str(data)]) == 2
    assert "there is no file or folder of predictions" in said(capsys)


def test_score_needs_a_benchmark_that_reads_predictions(data: Path, tmp_path: Path, capsys: Capture) -> None:
    path = write_predictions(tmp_path / "a.jsonl", set())
    assert main(["score", "shapes", str(path)]) == 2
    assert "ShapesBenchmark cannot read predictions" in said(capsys)
    assert main(["score", "shapes", str(path), "--official", str(tmp_path / "x")]) == 2
    assert "ShapesBenchmark has no official format" in said(capsys)


@pytest.fixture
def before(data: Path, tmp_path: Path, capsys: Capture) -> Path:
    path = write_predictions(tmp_path / "right.jsonl", set())
    assert main(["score", "quiz", str(path), "--data", str(data), "--out", str(tmp_path / "before")]) == 0
    capsys.readouterr()
    return tmp_path / "before"


def gated(data: Path, before: Path, wrong: set[int], *more: str) -> int:
    path = write_predictions(data.parent / "now.jsonl", wrong)
    return main(["score", "quiz", str(path), "--data", str(data), "--gate", str(before), *more])


def test_the_gate_fails_where_a_score_is_worse(data: Path, before: Path, tmp_path: Path, capsys: Capture) -> None:
    assert gated(data, before, set()) == 0
    assert gated(data, before, {1}) == 0  # one of twelve may be chance
    assert "difference" in capsys.readouterr().out.lower()
    out = tmp_path / "after"
    assert gated(data, before / "scores.json", {0, 1, 2, 3, 4, 5}, "--out", str(out)) == 1
    captured = capsys.readouterr()
    assert "worse" in captured.out
    assert "quiz: 'quiz.accuracy' is worse than before: 1.000 → 0.500 (-0.500, 95 % interval" in captured.err
    # A score that is not a mean is paired by the jackknife, and the results are written in any case.
    assert "'quiz.overall' is worse than before: 1.000 → 0.250" in captured.err
    assert (out / "scores.json").is_file()


def test_the_gate_works_without_items(data: Path, before: Path, tmp_path: Path, capsys: Capture) -> None:
    (before / "items.jsonl").unlink()
    assert gated(data, before, {1, 2, 3}) == 0  # the intervals of 1.0 and 0.75 of 12 items overlap
    assert "0 of 4 differences are paired by item" in capsys.readouterr().out
    assert gated(data, before, set(range(8))) == 1


def test_the_gate_refuses_other_protocols(data: Path, before: Path, tmp_path: Path, capsys: Capture) -> None:
    assert gated(data, before, set(), "--profile", "janus") == 2
    assert "quiz was measured in another way before: profile: official and janus" in said(capsys)
    write_questions(data / "Quiz" / "quiz.json", 13)
    assert gated(data, before, set(), "--allow-missing") == 2
    assert "another way before: data: " in said(capsys)
    assert gated(data, tmp_path / "none.json", set()) == 2
    assert "there are no scores at" in said(capsys)
    path = write_predictions(tmp_path / "two.jsonl", set(), 4)
    assert main(["score", "quiz-two", str(path), "--data", str(data), "--gate", str(before)]) == 2
    assert "has scores of quiz, and of none of quiz-two" in said(capsys)


def test_report_compares_evaluations(data: Path, before: Path, tmp_path: Path, capsys: Capture) -> None:
    path = write_predictions(tmp_path / "now.jsonl", {0, 1, 2, 3, 4, 5})
    assert main(["score", "quiz", str(path), "--data", str(data), "--out", str(tmp_path / "now")]) == 0
    page = tmp_path / "page.html"
    assert main(["report", str(before), str(tmp_path / "now"), "--out", str(page)]) == 0
    text = page.read_text()
    assert "2 models" in text
    assert "−0.500" in text
    (tmp_path / "run").mkdir()
    assert main(["report", str(before), str(tmp_path / "run")]) == 2
    assert "has the scores of an evaluation, and" in said(capsys)
    (before / "index.html").unlink()
    assert main(["report", str(before)]) == 0
    assert (before / "index.html").is_file()


DRAWING = """
from janiform import Conversation, Metric, Request, Turn, mean_score

@attrs.frozen
class Settings:
    prompts: int = setting(4)

class Even:
    metrics = {"even.overall": Metric()}
    def __init__(self, config): self.config = config
    def show(self, model, drawings, answers, progress): raise NotImplementedError
    def requests(self):
        prompt = Conversation((Turn("user", "a <circle>"),))
        return [Request(f"{n}", f"{n}", prompt, draws=True, seed=n) for n in range(self.config.prompts)]
    def judge(self, request, output): return {"even.overall": 1 - request.seed % 2}
    def aggregate(self, items): return {"even.overall": mean_score(items)}

@hookimpl
def janiform_register(registrar):
    registrar.component("benchmark", "even", config=Settings, factory="fake_plugin_even:Even", summary="Draws.")
"""


def test_drawings_are_shown_on_the_page(
    folder: str, install: Callable[..., Path], tmp_path: Path, capsys: Capture
) -> None:
    install("even", DRAWING)
    out = tmp_path / "out"
    assert main(["eval", folder, "even", "--out", str(out)]) == 0
    assert len(list((out / "outputs" / "even" / "pictures").glob("*.png"))) == 4
    page = (out / "index.html").read_text()
    assert page.count('src="data:image/') == 4
    assert "Drawn for: a &lt;circle&gt;" in page
    assert page.index(">wrong<") < page.index(">right<")
    items = out / "items.jsonl"
    assert main(["score", "even", str(items)]) == 2
    assert "give the folder of the pictures" in said(capsys)


def test_an_evaluation_is_resumed_by_the_same_command(
    folder: str, data: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    arguments = ["eval", folder, "quiz", "quiz-two", "--data", str(data), "--out", str(out), "--json"]
    assert main(arguments) == 0
    whole = json.loads(capsys.readouterr().out)["benchmarks"]
    outputs = out / "outputs" / "quiz" / "outputs.jsonl"
    lines = outputs.read_text().splitlines(keepends=True)
    outputs.write_text("".join(lines[:5]) + lines[5][:9])
    for name in ("scores.json", "items.jsonl", "index.html"):
        (out / name).unlink()
    assert main(arguments) == 0
    again = json.loads(capsys.readouterr().out)["benchmarks"]
    assert {name: one["scores"] for name, one in again.items()} == {name: one["scores"] for name, one in whole.items()}
    assert again["quiz"]["settings"]["resumed"] == 5
    assert again["quiz-two"]["settings"]["resumed"] == 4
