"""MM-Vet is read in its formats, asked as by each evaluator, and graded by a judge."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any, ClassVar

import data_mm_vet
import pytest
from data_files import write_json, write_lines, write_table
from hypothesis import given
from hypothesis import strategies as st
from janiform import Item, Look, UsageError
from janiform_plugins.benchmarks.mm_vet.benchmark import JANUS_SYSTEM, MMVet
from janiform_plugins.benchmarks.mm_vet.config import MMVetConfig
from janiform_plugins.benchmarks.sheets import read_sheet
from judge_server import judge_server
from scoring import read, scores_of, values_of

ANSWERS = {key: f"answer {key}" for key in data_mm_vet.QUESTIONS}


class FakeJudge:
    """Grades by the last cell of the row; ``grades`` by words in it, the n-th for the n-th run."""

    settings: ClassVar[dict[str, Any]] = {"model": "fake"}

    def __init__(self, grades: dict[str, list[float]] | None = None) -> None:
        self.grades = grades or {}
        self.prompts: list[str] = []

    def check(self) -> None:
        pass

    def ask(self, prompt: str, *, run: int, **_: Any) -> str:
        self.prompts.append(prompt)
        grades = next((values for word, values in self.grades.items() if word in prompt[-40:]), [0.0] * 9)
        return f"{grades[run]} is the grade"

    def map(self, function: Any, values: Any) -> list[Any]:
        return [function(value) for value in values]


@pytest.fixture
def prompt(tmp_path: Path) -> str:
    return str(data_mm_vet.write_prompt(tmp_path / "mm-vet_evaluator.py"))


@pytest.fixture
def official(tmp_path: Path) -> Path:
    return data_mm_vet.write_official(tmp_path / "mm-vet")


def mm_vet(data: Path, judge: FakeJudge | None = None, **settings: Any) -> MMVet:
    settings = settings if judge else {"judge": "none", **settings}
    return MMVet(MMVetConfig(data=data, **settings), judge)  # type: ignore[arg-type]


def text_of(benchmark: MMVet, number: int = 0) -> str:
    content = benchmark.requests()[number].conversation.turns[0].content
    return "".join("[picture]" if isinstance(piece, Look) else str(piece) for piece in content)


def test_the_three_formats_hold_the_same_questions(official: Path, tmp_path: Path) -> None:
    llava = data_mm_vet.write_official(tmp_path / "llava")
    data_mm_vet.write_llava(llava)
    kit = mm_vet(data_mm_vet.write_vlmevalkit(tmp_path / "kit"))
    benchmarks = [mm_vet(official), kit, mm_vet(llava)]
    assert [benchmark.settings["format"] for benchmark in benchmarks] == ["official", "vlmevalkit", "llava"]
    for benchmark in benchmarks:
        keys = list("0123") if benchmark is kit else list(data_mm_vet.QUESTIONS)
        assert [request.item for request in benchmark.requests()] == keys
        questions = benchmark.loaded.questions
        assert [question.answer for question in questions] == [q["answer"] for q in data_mm_vet.QUESTIONS.values()]
        assert [question.categories for question in questions] == [
            ("ocr", "math"), ("rec", "know", "gen"), ("rec",), ("rec", "know", "gen"),
        ]  # fmt: skip
        clusters = [request.cluster for request in benchmark.requests()]
        assert clusters[2] == clusters[3] != clusters[1]


@pytest.mark.parametrize("profile", ["official", "llava", "vlmevalkit"])
def test_questions_are_asked_bare(profile: str, official: Path) -> None:
    benchmark = mm_vet(official, profile=profile)
    assert text_of(benchmark) == "[picture]\nWhat is x?"
    assert benchmark.requests()[0].conversation.system is None


def test_janus_thinks_step_by_step_by_its_system_text_and_lmms_eval_by_the_question(official: Path) -> None:
    janus = mm_vet(official, profile="janus")
    assert text_of(janus) == "[picture]\nWhat is x?"
    assert janus.requests()[0].conversation.system == JANUS_SYSTEM
    assert JANUS_SYSTEM.endswith("thinking step by step to be sure you get the right answer.")
    assert janus.requests()[0].settings == {"max_new_tokens": 2048}
    start = "First please perform reasoning, and think step by step to provide best answer to the following question: "
    assert text_of(mm_vet(official, profile="lmms-eval")) == f"[picture]\n{start}\n\nWhat is x?"


def test_scores_of_capabilities_and_their_integrations(official: Path, prompt: str) -> None:
    judge = FakeJudge({"v1_0": [0.4], "v1_1": [1.0], "v1_2": [0.5], "v1_3": [0.0]})
    benchmark = mm_vet(official, judge, judge_prompt=prompt)
    scores = scores_of(benchmark, ANSWERS)
    assert {name: (round(score.value, 6), score.count) for name, score in scores.items()} == {
        "mm_vet.total": (0.475, 4),
        "mm_vet.rec": (0.5, 3),
        "mm_vet.ocr": (0.4, 1),
        "mm_vet.know": (0.5, 2),
        "mm_vet.gen": (0.5, 2),
        "mm_vet.math": (0.4, 1),
        "mm_vet.exactly.rec+know+gen": (0.5, 2),
        "mm_vet.exactly.ocr+math": (0.4, 1),
        "mm_vet.exactly.rec": (0.5, 1),
        "mm_vet.answered": (1.0, 4),
    }
    assert list(scores)[7] == "mm_vet.exactly.rec+know+gen", "the most frequent integration first"
    row = "What is x? | -1 <AND> -5 | answer v1_0 | "
    assert judge.prompts[0] == f"{data_mm_vet.prompt_text()}\n{row}"
    assert benchmark.settings["judge_prompt"]["form"] == "official"
    assert benchmark.settings["judge"] == {"model": "fake"}


def test_several_runs_have_a_mean_and_a_deviation(official: Path, prompt: str) -> None:
    judge = FakeJudge({"v1_0": [0.4, 0.6], "v1_1": [1.0, 0.8], "v1_2": [0.5, 0.1], "v1_3": [0.0, 0.1]})
    values = values_of(mm_vet(official, judge, judge_prompt=prompt, runs=2), ANSWERS)
    assert values["mm_vet.run_1"] == pytest.approx(0.475)
    assert values["mm_vet.run_2"] == pytest.approx(0.4)
    assert values["mm_vet.total"] == pytest.approx(0.4375)
    assert values["mm_vet.std_of_runs"] == pytest.approx(0.0375)


@given(st.lists(st.lists(st.integers(0, 10).map(lambda n: n / 10), min_size=3, max_size=3), min_size=4, max_size=4))
def test_scores_are_those_of_a_twin_of_the_official_formula(
    tmp_path_factory: pytest.TempPathFactory, grades: list[list[float]]
) -> None:
    folder = tmp_path_factory.mktemp("mm-vet")
    prompt = data_mm_vet.write_prompt(folder / "p.py")
    judge = FakeJudge(dict(zip(data_mm_vet.QUESTIONS, grades, strict=True)))
    benchmark = mm_vet(data_mm_vet.write_official(folder), judge, judge_prompt=str(prompt), runs=3)
    values = values_of(benchmark, ANSWERS)
    by_key = dict(zip(data_mm_vet.QUESTIONS, grades, strict=True))
    totals = [fmean(values[run] for values in grades) for run in range(3)]
    assert values["mm_vet.total"] == pytest.approx(fmean(totals))
    assert values["mm_vet.std_of_runs"] == pytest.approx(pstdev(totals))
    for name in ("rec", "ocr", "know", "gen", "math"):
        needed = [by_key[key] for key, question in data_mm_vet.QUESTIONS.items() if name in question["capability"]]
        runs = [sum(values[run] for values in needed) / len(needed) for run in range(3)]
        assert values[f"mm_vet.{name}"] == pytest.approx(fmean(runs))


def test_verdicts_of_the_judge_are_kept(official: Path, prompt: str, tmp_path: Path) -> None:
    pytest.importorskip("openai")

    def reply(request: dict[str, Any]) -> str:
        text = request["messages"][0]["content"]
        return "0.5" if re.search(r"Predict the correctness|v1_[12]", text[-60:]) else "well"

    with judge_server(reply) as server:
        settings = server.settings(tmp_path / "cache", judge_prompt=prompt, data=official)
        benchmark = MMVet(MMVetConfig(**settings))
        assert benchmark.judged_at_once == 8
        assert values_of(benchmark, ANSWERS)["mm_vet.total"] == 0.5
        assert len(server.requests) == 1 + 4 + 2, "a check, four rows, and two that were asked again"
        server.faults = [429] * 100
        again = MMVet(MMVetConfig(**settings))
        assert values_of(again, ANSWERS)["mm_vet.total"] == 0.5
        assert again.settings["judge"] | {"asked": 0, "retries": 0, "answers": 7} == again.settings["judge"]


def test_nonsense_of_the_judge_is_a_grade_of_zero(official: Path, prompt: str, tmp_path: Path) -> None:
    pytest.importorskip("openai")
    with judge_server(lambda request: "I like it") as server:
        settings = server.settings(tmp_path / "cache", judge_prompt=prompt, data=official, limit=1)
        assert values_of(MMVet(MMVetConfig(**settings)), ANSWERS)["mm_vet.total"] == 0.0
        assert len(server.requests) == 1 + 5


def test_a_judge_and_its_prompt_are_needed(official: Path, prompt: str) -> None:
    with pytest.raises(UsageError, match=r"name none \(set judge=\"gpt-4-0613\", judge_url and judge_prompt, or"):
        MMVet(MMVetConfig(data=official))
    with pytest.raises(UsageError, match=r"needs the official prompt \(set judge_prompt to your copy of MM-Vet's"):
        mm_vet(official, FakeJudge())
    benchmark = mm_vet(official)
    assert values_of(benchmark, ANSWERS | {"v1_0": " "}) == {"mm_vet.answered": 0.75}
    assert benchmark.settings["judge"] is None
    wrong = mm_vet(official, FakeJudge(), judge_prompt=str(official / "mm-vet.json"))
    with pytest.raises(UsageError, match="holds no text with 'Ground truth"):  # before any question is asked
        wrong.requests()


def test_a_subset_has_its_keys_in_a_file(official: Path, tmp_path: Path) -> None:
    path = write_json(tmp_path / "bard_set.json", ["v1_2", "v1_0"])
    benchmark = mm_vet(official, subset=str(path))
    assert [request.item for request in benchmark.requests()] == ["v1_0", "v1_2"]
    assert benchmark.settings["subset"][0]["file"] == "bard_set.json"
    write_json(path, ["v1_2", "v1_99"])
    with pytest.raises(UsageError, match=r"1 of 2 keys in .* are not in the data: v1_99"):
        mm_vet(official, subset=str(path)).requests()


def test_predictions_are_joined_by_key(official: Path, tmp_path: Path) -> None:
    benchmark = mm_vet(official)
    requests = benchmark.requests()
    (written,) = benchmark.write_official(tmp_path, ANSWERS)
    assert json.loads(written.read_text()) == ANSWERS
    assert benchmark.read_predictions(written, requests) == ANSWERS
    lines = [{"question_id": int(key[3:]), "text": answer} for key, answer in reversed(ANSWERS.items())]
    assert benchmark.read_predictions(write_lines(tmp_path / "a.jsonl", lines), requests) == ANSWERS
    kit = mm_vet(data_mm_vet.write_vlmevalkit(tmp_path / "kit"))
    rows = [{"index": key[3:], "prediction": answer} for key, answer in ANSWERS.items()]
    numbered = {key[3:]: answer for key, answer in ANSWERS.items()}
    assert kit.read_predictions(write_table(tmp_path / "a.tsv", rows), kit.requests()) == numbered
    (written,) = kit.write_official(tmp_path, numbered)
    assert kit.read_predictions(written, kit.requests()) == numbered
    assert read_sheet(written)[1]["category"] == "rec,know,gen"
    with pytest.raises(UsageError, match="1 of 4 items have no prediction: 'v1_0'"):
        read(benchmark, write_json(tmp_path / "b.json", dict(list(ANSWERS.items())[1:])))
    with pytest.raises(UsageError, match=r"b\.json, 'v1_0': 'answer' is 5, expected a text"):
        benchmark.read_predictions(write_json(tmp_path / "b.json", ANSWERS | {"v1_0": 5}), requests)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"capability": "rec"}, r"mm-vet\.json, 'v1_0': 'capability' is \"rec\", expected a list"),
        ({"capability": ["rec", "smell"]}, r"the capabilities are \[\"rec\", \"smell\"\], expected some of rec, ocr"),
        ({"capability": []}, r"the capabilities are \[\], expected some of"),
        ({"question": 5}, "'question' is 5, expected a text"),
        ({"answer": ""}, "'answer' is empty, expected a text"),
    ],
)
def test_faults_of_the_official_file_are_named(change: dict[str, Any], message: str, official: Path) -> None:
    path = official / "mm-vet.json"
    data = json.loads(path.read_text())
    data["v1_0"] |= change
    path.write_text(json.dumps(data))
    with pytest.raises(UsageError, match=message):
        mm_vet(official).requests()


def test_llavas_questions_must_be_those_of_the_official_file(tmp_path: Path) -> None:
    folder = data_mm_vet.write_official(tmp_path)
    path = data_mm_vet.write_llava(folder)
    path.write_text(path.read_text().replace("What is x?", "What is y?"))
    with pytest.raises(UsageError, match=r"llava-mm-vet\.jsonl:1: the question 0 has another text in the official"):
        mm_vet(folder).requests()


def test_missing_pictures_and_other_data_are_refused(official: Path, tmp_path: Path) -> None:
    (official / "images" / "c.jpg").unlink()
    with pytest.raises(UsageError, match=r"1 picture is missing in .*: c\.jpg"):
        mm_vet(official).requests()
    benchmark = mm_vet(official, allow_missing=True)
    assert len(benchmark.requests()) == 2
    assert benchmark.settings["missing_pictures"] == 1
    other = write_json(tmp_path / "x" / "SEED-Bench.json", {"questions": [], "question_type": {}})
    with pytest.raises(UsageError, match="looks like the official data of SEED-Bench, not like MM-Vet"):
        mm_vet(other.parent).requests()


def test_items_alone_give_the_scores(official: Path, prompt: str) -> None:
    benchmark = mm_vet(official, FakeJudge(), judge_prompt=prompt)
    scores = benchmark.aggregate([Item("mm_vet.total", "v1_2", "c", 0.7)])
    assert {name: score.value for name, score in scores.items()} == {
        "mm_vet.total": 0.7, "mm_vet.rec": 0.7, "mm_vet.exactly.rec": 0.7,
    }  # fmt: skip


def test_published_scores_belong_to_metrics(official: Path, prompt: str) -> None:
    benchmark = mm_vet(official, FakeJudge(), judge_prompt=prompt)
    assert len(benchmark.published) == 5
    assert all(published.metric in benchmark.metrics and published.value < 1 for published in benchmark.published)
