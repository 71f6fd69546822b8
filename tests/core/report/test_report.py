"""The page about runs shows what their folders hold, whole or torn, and nothing that it must fetch."""

from __future__ import annotations

import json
import math
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from janiform import UsageError
from janiform.cli import main
from janiform.report.chart import MIN_LOGARITHMIC, Chart, Line, chart_figure
from janiform.report.report import report_html, write_report
from janiform.report.series import subsampled
from janiform.train.run.record import labels, read_run
from janiform.units import duration
from run_folder import make_run


def test_one_run_is_shown_whole(tmp_path: Path) -> None:
    page = report_html([read_run(make_run(tmp_path / "a", torn=True))])
    for expected in ("tiny", "first", "second", "Samples", "Throughput and memory", "The recipe", "logarithmic axes",
                     "12", "steps", "so far", "tokens per second", "MFU", "janiform train",
                     "second begins"):  # fmt: skip
        assert expected in page
    assert page.count(">l1<") == 1, "what is a loss already is not shown again as a figure"
    assert "gradient norm" not in page, "nothing finite was measured"
    assert "<script" not in page
    assert not re.search(r"url\(|@import|https?://", page)
    assert set(re.findall(r'src="([^,]*),', page)) == {"data:image/png;base64"}


def test_several_runs_lie_over_each_other(tmp_path: Path) -> None:
    folders = [make_run(tmp_path / name, steps=steps) for name, steps in (("a", 6), ("b", 9))]
    other = (folders[1] / "recipe.toml").read_text() + "[stage.stage-3]\nsteps = 7\n"
    (folders[1] / "recipe.toml").write_text(other)
    page = write_report(folders, tmp_path / "out" / "both.html").read_text()
    assert "2 runs" in page
    assert "stage.stage-3.steps" in page
    assert page.count("swatch series-0") == page.count("swatch series-1") >= 2
    assert "tiny</span>" in page
    assert re.search(r"Final losses.*first · l1.*best", page, re.DOTALL)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="is not the folder of a run"):
        read_run(tmp_path)
    run = make_run(tmp_path / "a")
    assert main(["report", str(tmp_path / "missing")]) == 2
    assert "there is no folder" in capsys.readouterr().err
    assert main(["report", str(run), str(run)]) == 2
    assert main(["report", str(run)]) == 0
    assert (run / "report.html").is_file()


def test_the_quality_of_a_tokenizer_is_shown_with_what_it_lacks(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a")
    for step, error in ((3, 0.8), (6, 0.42)):
        quality = {"error": error, "pictures": 64, "vocabulary": 1000, "used": [600], "perplexity": [321.0]}
        (run / "samples" / f"first-{step:06d}.json").write_text(json.dumps({"tokenizer": quality}))
    page = report_html([read_run(run)])
    assert "The tokenizer is not ready for the next stage" in page
    for expected in ("80.0%", "42.0%", "600 of 1,000", "321.0"):
        assert expected in page
    (run / "samples" / "first-000006.json").write_text(json.dumps({"tokenizer": quality | {"error": 0.02}}))
    assert "not ready" not in report_html([read_run(run)])
    (run / "samples" / "first-000006.json").write_text(json.dumps({"tokenizer": quality | {"error": "much"}}))
    assert any("tokenizer" in problem for problem in read_run(run).problems)


def test_an_empty_log_makes_a_page_too(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a")
    (run / "log.jsonl").write_text("")
    assert "The recipe" in report_html([read_run(run)])


def test_runs_have_names_that_tell_them_apart(tmp_path: Path) -> None:
    runs = [read_run(make_run(tmp_path / one / "run")) for one in ("a", "b")]
    assert labels(runs) == ["a/run", "b/run"]
    assert labels([runs[0], read_run(make_run(tmp_path / "c"))]) == ["run", "c"]


values = st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(math.nan), st.just(math.inf)), min_size=1, max_size=60)


@given(values, st.booleans())
def test_a_chart_draws_within_its_frame(measured: list[float], zero: bool) -> None:
    figure: Any = chart_figure(Chart("loss", [Line("a", 0, list(enumerate(measured)))], zero=zero))
    finite = [value for value in measured if math.isfinite(value)]
    assert (figure is None) == (not finite)
    if figure is not None:
        assert "nan" not in figure
        assert ("no logarithm" in figure) == (min(finite) <= MIN_LOGARITHMIC)
        for path in re.findall(r' d="M([^"]*)"', figure):
            numbers = [float(number) for number in path.replace("L", " ").split()]
            assert all(-1 <= x <= 421 for x in numbers[::2])
            assert all(-1 <= y <= 211 for y in numbers[1::2])


@given(st.lists(st.floats(-1e3, 1e3), max_size=2000), st.integers(1, 50))
def test_thinning_keeps_the_mean_and_the_end(measured: list[float], most: int) -> None:
    thin = subsampled(list(enumerate(measured)), most)
    assert len(thin) <= most
    if measured:
        assert thin[-1][0] == len(measured) - 1
        assert min(measured) - 1e-9 <= min(y for _, y in thin) <= max(y for _, y in thin) <= max(measured) + 1e-9


def test_durations_are_said_as_people_do() -> None:
    assert [duration(s) for s in (42, 300, 7500, 800_000)] == ["42 s", "5 min", "2 h 5 min", "9.3 days"]


def test_charts_are_shown_on_narrow_screens() -> None:
    sheet = (files("janiform.report") / "page.css").read_text("utf-8")
    narrow = sheet[sheet.index("@media (max-width") :]
    rules = re.findall(r"([^{}]+)\{ display: none; \}", narrow)
    hidden = [selector.strip() for rule in rules for selector in rule.split(",")]
    assert hidden
    assert ".chart" not in hidden  # the class of every chart of a report
