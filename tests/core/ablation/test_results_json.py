"""``study.json`` gives back what was written, and says what is wrong with a bad file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import attrs
import cattrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform.ablation.page import comparisons_of
from janiform.ablation.results import FORMAT, CellResult, StudyResults
from janiform.ablation.results_json import read_results, results_json, write_results
from janiform.errors import StorageError
from random_results import random_results

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
FLOAT = st.floats(allow_nan=False, allow_infinity=False)
WHOLE = st.integers(-(1 << 63), (1 << 63) - 1)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {str: TEXT, float: FLOAT, int: WHOLE, bool: st.booleans()}
ANYTHING = TEXT | FLOAT | st.booleans() | st.none() | st.lists(TEXT, max_size=2)


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type that results are made of."""
    if kind in PLAIN:
        return PLAIN[kind]
    if attrs.has(kind):
        return st.builds(kind, **{name: values_of(hint) for name, hint in get_type_hints(kind).items()})
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Mapping:
        return st.dictionaries(TEXT, values_of(arguments[1]), max_size=2)
    if origin is tuple:
        return st.lists(values_of(arguments[0]), max_size=2).map(tuple)
    if origin is Literal:
        return st.sampled_from(arguments)
    return ANYTHING if kind is Any else st.one_of([st.none(), *map(values_of, set(arguments) - {type(None)})])


@st.composite
def results(draw: st.DrawFn) -> StudyResults:
    """Results of any values that the types allow, with one run per seed and the baseline among the cells."""
    one_per_seed = values_of(CellResult).map(
        lambda cell: attrs.evolve(cell, runs=tuple({run.seed: run for run in cell.runs}.values()))
    )
    cells = draw(st.lists(one_per_seed, min_size=1, max_size=2, unique_by=lambda cell: cell.name))
    made = draw(values_of(StudyResults))
    baseline = draw(st.sampled_from([cell.name for cell in cells]))
    return attrs.evolve(made, cells=tuple(cells), baseline=baseline, format=FORMAT)


@settings(max_examples=40)
@given(results())
def test_results_come_back_as_they_were_written(tmp_path_factory: pytest.TempPathFactory, made: StudyResults) -> None:
    path = tmp_path_factory.mktemp("study") / "study.json"
    write_results(made, path, {})
    assert read_results(path) == made
    # cattrs is another way from attrs to JSON.
    written = json.loads(path.read_text("utf-8"))
    assert written.pop("comparisons") == {}
    assert written == json.loads(json.dumps(cattrs.unstructure(made)))


def test_comparisons_stand_beside_the_results(tmp_path: Path) -> None:
    made = random_results(np.random.default_rng(0), cells=3, seeds=4)
    path = tmp_path / "study.json"
    write_results(made, path, comparisons_of(made))
    assert read_results(path) == made
    compared = json.loads(path.read_text("utf-8"))["comparisons"]
    assert set(compared) >= {made.primary}
    (first, _) = compared[made.primary]["comparisons"]
    cell, baseline = (made.cell(name).scores(made.primary) for name in (first["cell"], made.baseline))
    assert first["difference"] == pytest.approx(np.mean([cell[seed] - baseline[seed] for seed in cell]))
    assert first["estimate"]["low"] < first["difference"] < first["estimate"]["high"]


def test_values_that_are_not_finite_come_back(tmp_path: Path) -> None:
    made = random_results(np.random.default_rng(0), cells=2, seeds=1)
    run = made.cells[1].runs[0]
    score = attrs.evolve(run.scores["loss.picture"], value=float("nan"), high=float("inf"))
    run = attrs.evolve(run, scores={**run.scores, "loss.picture": score})
    made = attrs.evolve(made, cells=(made.cells[0], attrs.evolve(made.cells[1], runs=(run,))))
    write_results(made, tmp_path / "study.json", {})
    back = read_results(tmp_path / "study.json").cells[1].runs[0].scores["loss.picture"]
    assert str(back.value) == "nan"
    assert back.high == float("inf")


def changed(**values: Any) -> str:
    return json.dumps(results_json(random_results(np.random.default_rng(0), cells=2, seeds=1), {}) | values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is damaged or not JSON"),
        ("[]", "expected a JSON object"),
        ("{}", "is not the results of a study: required field missing"),
        (changed(planned_seeds="012"), r"is not the results of a study: .*planned_seeds"),
        (changed(cells=[{"name": 3}]), r"is not the results of a study: .*cells"),
        (changed(baseline="another"), "the baseline 'another' is not one of the cells"),
        (changed(format=FORMAT + 1), f"has format {FORMAT + 1}; this version of janiform reads up to {FORMAT}"),
        (changed(groups={"drawing": "drawing.overall"}), r"is not the results of a study: .*groups"),
    ],
)
def test_a_bad_file_is_an_error_that_names_it(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "study.json"
    path.write_text(text, "utf-8")
    with pytest.raises(StorageError, match=message) as caught:
        read_results(path)
    assert str(path) in str(caught.value)


def test_repeated_cells_and_seeds_are_errors(tmp_path: Path) -> None:
    made = results_json(random_results(np.random.default_rng(0), cells=2, seeds=2), {})
    twice = {**made, "cells": [*made["cells"], made["cells"][1]]}
    (tmp_path / "cells.json").write_text(json.dumps(twice), "utf-8")
    with pytest.raises(StorageError, match="there are two cells 'cell-1'"):
        read_results(tmp_path / "cells.json")
    made["cells"][1]["runs"][1]["seed"] = 0
    (tmp_path / "seeds.json").write_text(json.dumps(made), "utf-8")
    with pytest.raises(StorageError, match="the cell 'cell-1' has two runs with one seed"):
        read_results(tmp_path / "seeds.json")


def test_keys_of_later_versions_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text(changed(later=[1, 2]), "utf-8")
    assert read_results(tmp_path / "study.json").baseline == "base"
