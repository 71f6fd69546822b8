"""Tables of a study as files: complete, and valid whatever names hold."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from janiform.ablation.page import csv_table, latex_table, markdown_table, write_tables
from janiform.ablation.page.tables import latex_text
from random_results import random_results

SHAPES = [
    {"cells": 2, "seeds": 1},
    {"cells": 5, "seeds": 3, "finished": 0.6},
    {"cells": 4, "seeds": 5, "hostile": True},
    {"cells": 3, "seeds": 2, "long_names": True},
    {"cells": 2, "seeds": 3, "finished": 0.0},
]


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.mark.parametrize("shape", SHAPES)
def test_csv_has_every_score(shape: dict[str, object]) -> None:
    made = random_results(rng(), **shape)
    rows = list(csv.DictReader(io.StringIO(csv_table(made))))
    scores = [
        (cell.name, run.seed, name, score.value)
        for cell in made.cells
        for run in cell.runs
        for name, score in run.scores.items()
    ]
    assert [
        (row["cell"], int(row["seed"]), row["metric"], float(row["value"])) for row in rows if row["metric"]
    ] == scores
    without = [row for row in rows if not row["metric"]]
    assert len(without) == sum(not run.scores for cell in made.cells for run in cell.runs)
    assert all(None not in row and None not in row.values() for row in rows)


def test_csv_has_no_formulas() -> None:
    made = random_results(rng(), cells=1, seeds=1)
    cell = attrs.evolve(made.cells[0], name="=1+1")
    rows = list(csv.reader(io.StringIO(csv_table(attrs.evolve(made, cells=(cell,), baseline="=1+1")))))
    assert {row[0] for row in rows[1:]} == {"'=1+1"}


@pytest.mark.parametrize("shape", SHAPES)
def test_markdown_rows_have_equally_many_columns(shape: dict[str, object]) -> None:
    made = random_results(rng(), **shape)
    lines = [line for line in markdown_table(made).splitlines() if line.startswith("|")]
    counts = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
    assert len(counts) == 1
    assert len(lines) == 2 + len(made.cells)


def check_latex(text: str) -> None:
    """Braces are balanced, environments closed, and special letters only where the table uses them."""
    bare = re.sub(r"\\[{}_%&#$]", "", text)
    depth = 0
    for letter in bare:
        depth += (letter == "{") - (letter == "}")
        assert depth >= 0
    assert depth == 0
    assert re.findall(r"\\begin{(\w+)}", text) == re.findall(r"\\end{(\w+)}", text)[::-1]
    assert "%" not in bare
    assert "#" not in bare
    assert bare.count("$") % 2 == 0
    outside = re.sub(r"\$[^$]*\$", "", bare)
    assert "_" not in outside
    assert "^" not in outside
    assert "~" not in outside
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    columns = re.search(r"begin{tabular}{(l r*|lr*)}", text)
    assert columns
    for line in body.splitlines():
        if line.endswith(r"\\") and "multicolumn" not in line:
            assert len(re.findall(r"(?<!\\)&", line)) + 1 == len(columns.group(1)), line


@pytest.mark.parametrize("shape", SHAPES)
def test_latex_is_valid(shape: dict[str, object]) -> None:
    text = latex_table(random_results(rng(), **shape))
    check_latex(text)
    for command in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert text.count(command) == 1


def test_latex_shows_intervals_below_the_line_and_rules_by_group() -> None:
    text = latex_table(random_results(rng(), cells=4, seeds=4, effect=0.2))
    assert re.search(r"\$0\.\d{3}_{\\pm\.\d{3}}\$", text)
    assert re.search(r"\$\\mathbf{0\.\d{3}}_{\\pm\.\d{3}}\$", text)
    assert r"\cmidrule(lr){5-5} \cmidrule(lr){6-6} \cmidrule(lr){7-8}" in text
    assert r"\multicolumn{2}{c}{loss}" in text


@given(st.text(max_size=30))
def test_any_text_is_text_in_latex(text: str) -> None:
    made = latex_text(text)
    bare = re.sub(r"\\(text\w+{}|[{}_%&#$])", "", re.sub(r"\$\\?[a-z-]+\$", "", made))
    assert not set(bare) & set("\\{}_%&#$~^\n")


def test_tables_are_written_together(tmp_path: Path) -> None:
    made = random_results(rng())
    assert [path.name for path in write_tables(made, tmp_path)] == ["study.csv", "study.md", "study.tex"]
    assert (tmp_path / "study.csv").read_text("utf-8") == csv_table(made)
    assert (tmp_path / "study.tex").read_text("utf-8") == latex_table(made)
