"""Whatever is wrong in the data of any benchmark is refused in a sentence with its place, by the command line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import data_all
import pytest
from attrs import evolve
from data_files import write_lines, write_table
from janiform.cli import main
from janiform.compose import compose
from janiform.storage.save import save_model

Capture = pytest.CaptureFixture[str]
Row = dict[str, str]
TABLES = tuple(data_all.UNDERSTANDING)

NEEDED = dict.fromkeys(TABLES, ("index", "image", "question", "answer", "category")) | {
    "gqa": ("index", "image", "question", "answer"),
    "seed-bench": ("index", "image", "question", "A", "B", "C", "D", "answer", "category"),
    "mmbench": ("index", "image", "question", "hint", "A", "B", "C", "D", "category", "l2-category", "split"),
    "mmmu": ("index", "image", "question", "A", "B", "C", "D", "answer", "category", "split"),
}
"""The columns without which a table is refused; MMBench's test split has no answers."""

OFFICIAL_KEYS = {
    "pope": "question_id", "mme": "question_id", "gqa": "questionId", "seed-bench": "question_id", "mmmu": "id",
    "mm-vet": "question_id",
}  # fmt: skip

TEXTS = {"mmbench": ("question", "category", "l2-category")}
"""Columns of words; those that list the possible words are refused for that."""


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """VLMEvalKit's tables by the names of benchmarks."""
    folder = data_all.write_all(tmp_path_factory.mktemp("data"), "vlmevalkit")
    return {name: next((folder / name).glob("*.tsv")) for name in TABLES}


@pytest.fixture
def refusal(tmp_path: Path, capsys: Capture) -> Callable[..., str]:
    """The sentence with which an evaluation is refused before a model is loaded; what it is given may be changed."""

    def run(name: str, data: Path, *more: str) -> str:
        judge = ["--set", 'judge="none"'] if name == "mm-vet" else []
        assert main(["eval", "no-such-model", name, "--data", str(data), *judge, *more]) == 2
        return " ".join(capsys.readouterr().err.split())

    return run


def changed(table: Path, folder: Path, change: Callable[[list[Row]], Any]) -> Path:
    """A table whose rows were changed in place."""
    csv.field_size_limit(1 << 24)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    change(rows)
    return write_table(folder / table.name, rows)


@pytest.mark.parametrize(("name", "column"), [(name, column) for name in TABLES for column in NEEDED[name]])
def test_a_missing_column_is_named(
    tables: dict[str, Path], tmp_path: Path, refusal: Callable[..., str], name: str, column: str
) -> None:
    path = changed(tables[name], tmp_path, lambda rows: [row.pop(column) for row in rows])
    assert f"{path}:1: the table lacks the column {column}; it has" in refusal(name, path)


def test_published_answers_must_be_there(tables: dict[str, Path], tmp_path: Path, refusal: Callable[..., str]) -> None:
    path = changed(tables["mmbench"], tmp_path, lambda rows: [row.pop("answer") for row in rows])
    assert f"{path}:2: the table has no answers, but those of the split dev are published" in refusal("mmbench", path)


@pytest.mark.parametrize(
    ("name", "column"), [(name, column) for name in TABLES for column in TEXTS.get(name, ("question",))]
)
@pytest.mark.parametrize("value", ["7", "-3.5e2", "nan", " "])
def test_numbers_where_texts_belong_are_refused(
    tables: dict[str, Path], tmp_path: Path, refusal: Callable[..., str], name: str, column: str, value: str
) -> None:
    path = changed(tables[name], tmp_path, lambda rows: rows[1].update({column: value}))
    expected = "is empty" if value == " " else f'is "{value}"'
    assert f"{path}:3: '{column}' {expected}, expected a text" in refusal(name, path)


@pytest.mark.parametrize("name", TABLES)
def test_other_words_are_refused(
    tables: dict[str, Path], tmp_path: Path, refusal: Callable[..., str], name: str
) -> None:
    column = {"gqa": "answer", "mmbench": "answer", "mmmu": "split"}.get(name, "category")
    value = "" if name == "gqa" else "7"
    path = changed(tables[name], tmp_path, lambda rows: rows[1].update({column: value}))
    assert f"{path}:3: " in (sentence := refusal(name, path))
    assert "expected" in sentence


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("index", ["", "nan", "the first one's"])
def test_indices_are_there_and_do_not_repeat(
    tables: dict[str, Path], tmp_path: Path, refusal: Callable[..., str], name: str, index: str
) -> None:
    def change(rows: list[Row]) -> None:
        rows[1]["index"] = index if len(index) < 4 else rows[0]["index"]

    path = changed(tables[name], tmp_path, change)
    expected = "'index' is empty" if len(index) < 4 else "repeats: it is also at"
    assert f"{path}:3: " in (sentence := refusal(name, path))
    assert expected in sentence


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda cell: cell[:-3], "is not base64: its length of"),
        (lambda cell: f"{cell[:30]}*{cell[31:]}", 'is not base64: character 31 is "*"'),
        (lambda cell: "QUJD" * 30, "is base64, but not of a picture"),
    ],
)
def test_broken_base64_is_refused(
    tables: dict[str, Path], tmp_path: Path, refusal: Callable[..., str], name: str, damage: Any, message: str
) -> None:
    path = changed(tables[name], tmp_path, lambda rows: rows[0].update(image=damage(rows[0]["image"])))
    assert f"{path}:2: the picture of index " in (sentence := refusal(name, path))
    assert message in sentence


@pytest.mark.parametrize("name", TABLES)
def test_pictures_that_are_missing_in_a_table_are_listed_and_counted(
    tables: dict[str, Path], tmp_path: Path, refusal: Callable[..., str], capsys: Capture, name: str
) -> None:
    path = changed(tables[name], tmp_path, lambda rows: [row.update(image="") for row in rows[:2]])
    assert "missing in" in (sentence := refusal(name, path))
    assert "set images to their folder" in sentence
    judge = ["--set", 'judge="none"'] if name == "mm-vet" else []
    out = tmp_path / "scores.json"
    arguments = ["--data", str(path), "--allow-missing", "--set", "max_new_tokens=1", "--out", str(out), *judge]
    assert main(["eval", "janus-mini", name, *arguments]) == 0
    count = json.loads(out.read_text())["settings"]["left_out_for_missing_pictures"]
    # In MMBench the rotations of a question have its picture.
    assert count == (6 if name == "mmbench" else 2)
    assert f"{count} questions are left out, because their pictures are missing." in capsys.readouterr().out


@pytest.mark.parametrize("name", data_all.NAMES)
def test_the_data_of_another_benchmark_are_named(
    tmp_path_factory: pytest.TempPathFactory, refusal: Callable[..., str], name: str
) -> None:
    titles = dict(zip(data_all.NAMES, ("POPE", "MME", "GQA", "SEED-Bench", "MMBench", "MMMU", "MM-Vet", "GenEval",
                                       "DPG-Bench"), strict=True))  # fmt: skip
    for kind in ("official", "vlmevalkit"):
        folder = data_all.write_all(tmp_path_factory.mktemp(kind), kind)
        for other in (one for one in data_all.NAMES if one != name):
            sentence = refusal(name, folder / other)
            assert f"of {titles[other]}, not like {titles[name]}" in sentence, other


def test_a_picture_of_mme_has_two_questions(
    tables: dict[str, Path], tmp_path: Path, refusal: Callable[..., str]
) -> None:
    path = changed(tables["mme"], tmp_path, lambda rows: rows.pop(2))
    sentence = refusal("mme", path)
    assert f"{path}:4: the picture 'existence/000002.png' has 1 question (No), expected two, one with Yes" in sentence


def test_llavas_questions_of_mme_may_lack_pictures(
    tmp_path: Path, refusal: Callable[..., str], capsys: Capture
) -> None:
    folder = data_all.write_all(tmp_path / "data", "llava") / "mme"
    (picture,) = folder.glob("*/OCR/000001.jpg")
    picture.unlink()
    assert "1 picture is missing in" in refusal("mme", folder)
    arguments = ["--data", str(folder), "--allow-missing", "--set", "limit=2", "--set", "max_new_tokens=1", "--json"]
    assert main(["eval", "janus-mini", "mme", *arguments]) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["left_out_for_missing_pictures"] == 2


@pytest.mark.parametrize("name", data_all.DRAWING)
def test_a_model_that_cannot_draw_is_told_so(
    tmp_path: Path, tiny_plan: Any, fitted: Any, capsys: Capture, name: str
) -> None:
    pathways = {"understanding": tiny_plan.recipe.pathways["understanding"]}
    folder = save_model(fitted(compose(evolve(tiny_plan.recipe, pathways=pathways))), tmp_path / "looks")
    data = data_all.write_all(tmp_path / "data", "official")
    assert main(["eval", str(folder), name, "--data", str(data)]) == 2
    sentence = " ".join(capsys.readouterr().err.split())
    assert "cannot serve any request of the benchmark" in sentence
    assert "no pathway draws" in sentence


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("kind", ["official", "vlmevalkit"])
def test_predictions_for_other_questions_are_refused(tmp_path: Path, capsys: Capture, name: str, kind: str) -> None:
    """Without their pictures, the questions are enough to score predictions: one of another question, and one less."""
    data = data_all.write_all(tmp_path / "data", kind)
    key = "index" if kind == "vlmevalkit" or name == "mmbench" else OFFICIAL_KEYS[name]
    judge = ["--set", 'judge="none"'] if name == "mm-vet" else []
    arguments = ["--data", str(data), "--set", "without_pictures=true", *judge]
    path = write_lines(
        tmp_path / "p.jsonl", [{key: "999", "prediction": "A", "category": "random", "prompt": "?", "text": "A"}]
    )
    for option in ([], ["--allow-missing"]):
        assert main(["score", name, str(path), *arguments, *option]) == 2
        sentence = " ".join(capsys.readouterr().err.split())
        assert "1 of 1 predictions are for questions that the data do not have: " in sentence
