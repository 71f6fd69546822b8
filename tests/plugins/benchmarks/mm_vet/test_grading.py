"""The judge of MM-Vet is asked with the text of an official file, and its replies are read as by each evaluator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from data_mm_vet import prompt_text, write_prompt
from janiform import UsageError
from janiform_plugins.benchmarks.mm_vet.grading import GRADERS, grade, read_grade, read_grading_prompt


class FakeJudge:
    """Replies from a list; keeps what it was asked."""

    def __init__(self, *replies: str) -> None:
        self.replies = list(replies)
        self.asked: list[dict[str, Any]] = []

    def ask(self, prompt: str, **parameters: Any) -> str:
        self.asked.append({"prompt": prompt, **parameters})
        return self.replies.pop(0)


@pytest.mark.parametrize("form", ["official", "vlmevalkit", "lmms-eval"])
@pytest.mark.parametrize("name", ["mm-vet_evaluator.py", "mm-vet_evaluator.ipynb", "prompt.txt"])
def test_the_prompt_is_read_from_an_official_file(name: str, form: str, tmp_path: Path) -> None:
    prompt = read_grading_prompt(str(write_prompt(tmp_path / name, form)))
    assert prompt.text == prompt_text(form)
    assert prompt.record["form"] == form
    assert prompt.record["file"] == name
    assert len(prompt.record["sha256"]) == 64


def test_a_prediction_is_a_row_to_complete(tmp_path: Path) -> None:
    prompt = read_grading_prompt(str(write_prompt(tmp_path / "p.py")))
    row = prompt.row("What is x?", "-1<AND>-5<OR>6", "x = 1 | 2\nor 3", GRADERS["official"])
    assert row == prompt_text() + "\nWhat is x? | -1 <AND> -5 <OR> 6 | x = 1 | 2\nor 3 | "
    assert prompt.row("q", "a", "p", GRADERS["lmms-eval"]).endswith("\nq | a | p |")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("print('hello')", "holds no text with 'Ground truth"),
        ("x = (", "is not valid Python"),
        ("a = 'Ground truth | Prediction | Correctness'", "has 0 graded examples, expected 7"),
        (
            "a = 'Ground truth | Prediction | Correctness'; b = a + 'x Ground truth | Prediction | Correctness'",
            "2 diff",
        ),
    ],
)
def test_another_file_is_refused(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text(content)
    with pytest.raises(UsageError, match=message):
        read_grading_prompt(str(tmp_path / "f.py"))


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing\.py' cannot be read: No such file"):
        read_grading_prompt(str(tmp_path / "nothing.py"))
    (tmp_path / "a.ipynb").write_text("[]")
    with pytest.raises(UsageError, match="is not a notebook: expected JSON with cells"):
        read_grading_prompt(str(tmp_path / "a.ipynb"))
    (tmp_path / "a.py").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="is not text in UTF-8"):
        read_grading_prompt(str(tmp_path / "a.py"))


@pytest.mark.parametrize(
    ("reply", "first_word", "whole"),
    [
        ("0.5", 0.5, 0.5), ("1", 1.0, 1.0), ("0.5\n", 0.5, 0.5), ("0.5 because", 0.5, None), (" 0.5", None, 0.5),
        ("1.5", None, None), ("-0.1", None, None), ("nan", None, None), ("good", None, None), ("", None, None),
        ("0.5\nbecause", None, None),
    ],
)  # fmt: skip
def test_grades_are_read_as_by_each_evaluator(reply: str, first_word: float | None, whole: float | None) -> None:
    assert read_grade(reply, first_word=True) == first_word
    assert read_grade(reply, first_word=False) == whole


def test_the_official_code_asks_again_with_a_suffix() -> None:
    judge = FakeJudge("x", "y", "2", "z", "0.4")
    assert grade(judge, "p", GRADERS["official"], 0) == 0.4  # type: ignore[arg-type]
    suffix = "\nPredict the correctness of the answer (digit): "
    assert [asked["prompt"] for asked in judge.asked] == ["p", *["p" + suffix] * 4]
    assert [asked["temperature"] for asked in judge.asked] == [0.0, 0.0, 0.5, 1.0, 1.5]
    assert {asked["max_tokens"] for asked in judge.asked} == {3}


def test_vlmevalkit_raises_the_temperature_from_the_second_try() -> None:
    judge = FakeJudge("x", "0.4 ok", "2", "z", "0.4")
    assert grade(judge, "p", GRADERS["vlmevalkit"], 0) == 0.4  # type: ignore[arg-type]
    assert [asked["temperature"] for asked in judge.asked] == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert {asked["prompt"] for asked in judge.asked} == {"p"}


@pytest.mark.parametrize("form", GRADERS)
def test_a_judge_that_never_grades_gives_none(form: Any) -> None:
    judge = FakeJudge(*["nonsense"] * 5)
    assert grade(judge, "p", GRADERS[form], 0) is None  # type: ignore[arg-type]
    assert len(judge.asked) == len(GRADERS[form].temperatures)
