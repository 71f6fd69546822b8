"""The page of a study is whole, escapes everything, and shows what the results hold, whatever they hold."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from html_reader import Reader
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from janiform.ablation.page import page_html, write_page
from janiform.ablation.results import MetricResult, RunResult, ShownItem, StudyResults
from random_results import HOSTILE, random_results
from scipy import stats

SCORES = {"base": [0.62, 0.60, 0.64], "bee": [0.57, 0.56, 0.58], "cee": [0.60, 0.59, 0.61], "dee": [0.55, 0.53, 0.56]}


def block_half_width() -> float:
    """Half the width of the interval of a difference by randomised blocks, from the textbook's formula."""
    y = np.array(list(SCORES.values()))
    rest = y - y.mean(1, keepdims=True) - y.mean(0) + y.mean()
    return float(stats.t.ppf(0.975, 6) * np.sqrt(2 * (rest**2).sum() / 6 / 3))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def with_scores(scores: dict[str, list[float | None]], metric: str = "drawing.overall", **changes: Any) -> StudyResults:
    """Results with one metric; None is a run that failed."""
    made = random_results(rng(), cells=len(scores), seeds=len(next(iter(scores.values()))))
    cells = []
    for cell, (name, values) in zip(made.cells, scores.items(), strict=True):
        runs = [
            RunResult(seed, "failed", "out of memory")
            if value is None
            else RunResult(seed, "done", scores={metric: MetricResult(value, 100)})
            for seed, value in enumerate(values)
        ]
        cells.append(attrs.evolve(cell, name=name, runs=tuple(runs)))
    return attrs.evolve(made, cells=tuple(cells), baseline=next(iter(scores)), **changes)


def check_whole(html: str) -> Reader:
    """What holds for every page."""
    page = Reader(html)
    assert len(set(page.ids)) == len(page.ids)
    assert set(page.labelled) <= set(page.ids)
    assert "script" not in page.tags
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    for text in page.numbers:
        for number in re.findall(r"[^\sA-Z]+", text):
            assert np.isfinite(float(number)), text
    for x, y, width, height in page.points:
        assert 0 <= x <= width
        assert 0 <= y <= height
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08]", html)
    return page


@settings(max_examples=10, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(
    seed=st.integers(0, 1 << 30),
    cells=st.sampled_from([1, 2, 3, 7]),
    seeds=st.sampled_from([1, 2, 3, 5]),
    finished=st.sampled_from([0.0, 0.4, 0.9, 1.0]),
    hostile=st.booleans(),
    margin=st.sampled_from([0.0, 0.05]),
    scatter=st.sampled_from([0.0, 0.02]),
)
def test_every_shape_of_a_study_is_a_whole_page(
    tmp_path_factory: pytest.TempPathFactory, seed: int, cells: int, seeds: int, **options: Any
) -> None:
    folder = tmp_path_factory.mktemp("study")
    made = random_results(rng(seed), cells=cells, seeds=seeds, folder=folder, **options)
    page = check_whole(page_html(made, folder))
    table = [row for row in page.rows["Cells with budgets and scores"] if re.match(r"\d", row[0])]
    assert [row[0].startswith(f"{number}{cell}") for number, (row, cell) in enumerate(
        zip(table, ordered(made), strict=True), start=1
    )] == [True] * cells  # fmt: skip


def ordered(made: StudyResults) -> list[str]:
    """Names of cells, the baseline first, then by axis in order of their first cells."""
    axes = list(dict.fromkeys("".join(cell.values) for cell in made.cells[1:]))
    rest = sorted(made.cells[1:], key=lambda cell: axes.index("".join(cell.values)))
    return [made.baseline.replace("\u202e", "\\u202e"), *(cell.name.replace("\u202e", "\\u202e") for cell in rest)]


@given(st.lists(st.floats(width=64), min_size=6, max_size=6), st.lists(st.floats(width=64), min_size=6, max_size=6))
@settings(max_examples=15, phases=(Phase.explicit, Phase.reuse, Phase.generate))
def test_any_values_make_a_page(first: list[float], second: list[float]) -> None:
    made = with_scores({"base": list(first), "other": list(second)})
    made = attrs.evolve(made, cells=tuple(
        attrs.evolve(cell, budget=attrs.evolve(cell.budget, flops=value))
        for cell, value in zip(made.cells, (first[0], second[0]), strict=True)
    ))  # fmt: skip
    check_whole(page_html(made, Path("nowhere")))


def test_hostile_texts_are_shown_as_text(tmp_path: Path) -> None:
    html = page_html(random_results(rng(), hostile=True, folder=tmp_path), tmp_path)
    page = check_whole(html)
    assert page.text.count(HOSTILE.replace("\u202e", "\\u202e")) > 20
    assert "</style> ]]>" not in html


def test_long_names_are_whole_in_tables() -> None:
    made = random_results(rng(), long_names=True)
    page = check_whole(page_html(made, Path("nowhere")))
    for cell in made.cells:
        assert page.row("Cells with budgets and scores", cell.name)


def test_tables_hold_means_with_intervals_by_blocks() -> None:
    page = check_whole(page_html(with_scores(SCORES), Path("nowhere")))
    half = block_half_width()
    assert page.row("Cells with budgets and scores", "base")[-1] == f"0.620 ± {half:.3f}"
    assert page.row("Cells with budgets and scores", "dee")[-1] == f"0.547 ± {half:.3f}"
    row = [text.replace("−", "-") for text in page.row("Differences on drawing.overall", "dee")]
    mean = np.mean(SCORES["dee"]) - 0.62
    assert row[1:4] == [f"{mean:.3f}", f"[{mean - half:.3f}, {mean + half:.3f}]", "3 of 3"]
    t = [abs(np.mean(SCORES[name]) - 0.62) / half * stats.t.ppf(0.975, 6) for name in ("bee", "cee", "dee")]
    p = sorted(2 * stats.t.sf(t, 6))  # Holm: the least p times 3, the next times 2
    assert page.row("Differences on drawing.overall", "dee")[4] == (
        "< 0.001" if 3 * p[0] < 0.001 else f"{3 * p[0]:.3f}"
    )
    assert page.row("Differences on drawing.overall", "bee")[4] == (
        "< 0.001" if 2 * p[1] < 0.001 else f"{2 * p[1]:.3f}"
    )


def test_what_cannot_be_distinguished_from_the_best_is_bold() -> None:
    scores = {**SCORES, "cee": [0.61, 0.60, 0.63]}
    page = check_whole(page_html(with_scores(scores), Path("nowhere")))
    # base and cee differ by 0.007, which is less than the half-width; the others by more.
    assert page.bold == ["0.620", "0.613"]


@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds_have_neither_intervals_nor_verdicts(seeds: int) -> None:
    page = check_whole(page_html(with_scores({name: values[:seeds] for name, values in SCORES.items()}), Path("x")))
    assert page.bold == []
    assert "±" not in page.row("Cells with budgets and scores", "base")[-1]
    assert page.row("Differences on drawing.overall", "d")[2] == "–"
    assert f"No conclusion: {seeds} seed" in page.text


def test_a_failed_cell_is_a_row_with_its_reason() -> None:
    page = check_whole(page_html(with_scores({**SCORES, "lost": [None, None, None]}), Path("nowhere")))
    row = page.row("Cells with budgets and scores", "lost")
    assert "seeds 0, 1 and 2: failed – out of memory" in row[0]
    assert row[-1] == "–"
    assert "12 of 15 runs are done; 3 failed" in page.text


def test_a_page_without_scipy_shows_means(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("scipy", "scipy.stats", "scipy.special", "scipy.optimize", "scipy.integrate"):
        monkeypatch.setitem(sys.modules, name, None)
    page = check_whole(page_html(with_scores(SCORES), Path("nowhere")))
    assert page.row("Cells with budgets and scores", "base")[-1] == "0.620"
    assert "need the package scipy" in page.text


def test_examples_on_which_cells_differ_come_first(tmp_path: Path) -> None:
    made = random_results(rng(), cells=2, seeds=1)
    shown = [
        [ShownItem("same", "same?", "yes", "yes", True), ShownItem("word", "word?", "a", "b", False),
         ShownItem("verdict", "verdict?", "no", "no", True)],
        [ShownItem("same", "same?", "Yes ", "yes", True), ShownItem("word", "word?", "c", "b", False),
         ShownItem("verdict", "verdict?", "?", "no", False)],
    ]  # fmt: skip
    cells = tuple(
        attrs.evolve(cell, runs=(attrs.evolve(cell.runs[0], shown=tuple(items)),))
        for cell, items in zip(made.cells, shown, strict=True)
    )
    page = check_whole(page_html(attrs.evolve(made, cells=cells), tmp_path))
    assert [row[0].split("?")[0] for row in page.rows["Answers"][1:]] == ["verdict", "word", "same"]


def test_only_pictures_of_the_folder_are_shown(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    made = random_results(rng(), cells=1, seeds=1, folder=folder)
    picture = folder / made.cells[0].runs[0].shown[0].picture
    (tmp_path / "secret.png").write_bytes(picture.read_bytes())
    (folder / "text.png").write_text("not a picture")
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    paths = [
        "../secret.png",
        str(tmp_path / "secret.png"),
        "text.png",
        "link.png",
        "missing.png",
        "a\0b.png",
        "pictures",
    ]
    items = [ShownItem(str(number), "p", picture=path) for number, path in enumerate(paths)]
    run = attrs.evolve(made.cells[0].runs[0], shown=(*items, made.cells[0].runs[0].shown[0]))
    made = attrs.evolve(made, cells=(attrs.evolve(made.cells[0], runs=(run,)),))
    page = check_whole(page_html(made, folder))
    assert len(page.addresses) == 1
    assert page.text.count("picture missing") == len(paths)


def test_items_are_compared_in_pairs(tmp_path: Path) -> None:
    made = with_scores(SCORES)
    values = {name: rng(number).integers(0, 2, 50) for number, name in enumerate(SCORES)}
    cells = []
    for cell in made.cells:
        folder = f"cells/{cell.name}/seed-1"
        (tmp_path / folder).mkdir(parents=True)
        lines = [
            {"metric": f"drawing.{'one' if n % 2 else 'two'}", "item": str(n), "cluster": str(n), "value": int(v),
             "prediction": ""} for n, v in enumerate(values[cell.name])
        ]  # fmt: skip
        (tmp_path / folder / "items.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        runs = tuple(attrs.evolve(run, folder=folder if run.seed == 1 else "") for run in cell.runs)
        cells.append(attrs.evolve(cell, runs=runs))
    page = check_whole(page_html(attrs.evolve(made, cells=tuple(cells)), tmp_path))
    difference = values["dee"] - values["base"]
    half = 1.959964 * difference.std(ddof=1) / 50**0.5
    shown = page.row("Differences paired by item", "dee")[1].replace("−", "-").replace("+", "")
    assert [float(part) for part in shown.split(" ± ")] == pytest.approx([difference.mean(), half], abs=6e-4)


def test_dominated_cells_are_pale() -> None:
    html = page_html(with_scores(SCORES), Path("nowhere"))
    check_whole(html)
    # FLOPs grow with the number of the cell: base is the cheapest, and better than the others by their intervals.
    assert "one point per cell; dominated: bee, cee, dee<" in html
    assert html.count('class="row dominated"') == 3


def test_the_page_is_written_into_the_folder(tmp_path: Path) -> None:
    path = write_page(random_results(rng()), tmp_path)
    assert path == tmp_path / "study.html"
    check_whole(path.read_text("utf-8"))
