"""Predictions of which some are missing, and the published scores of drawings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import data_drawing
import data_pope
import pytest
from data_files import write_lines
from janiform import UsageError
from janiform.evaluate.checked import CheckedBenchmark
from janiform.evaluate.score import score_predictions
from janiform_plugins.benchmarks.dpg.benchmark import DpgBench
from janiform_plugins.benchmarks.dpg.config import DpgBenchConfig
from janiform_plugins.benchmarks.geneval.benchmark import GenEval
from janiform_plugins.benchmarks.geneval.config import GenEvalConfig
from janiform_plugins.benchmarks.pope.benchmark import POPE
from janiform_plugins.benchmarks.pope.config import POPEConfig
from janiform_plugins.benchmarks.published_drawings import PUBLISHED_DPG, PUBLISHED_GENEVAL
from PIL import Image


def quiet(what: str, done: int, of: int) -> None: ...


@pytest.mark.parametrize("model", ["janus-1.3b", "janus-pro-1b", "janus-pro-7b"])
def test_the_published_total_of_geneval_is_the_mean_of_its_tasks(model: str) -> None:
    rows = {row.metric: row.value for row in PUBLISHED_GENEVAL if row.model == model}
    overall = rows.pop("geneval.overall")
    assert overall == pytest.approx(sum(rows.values()) / 6, abs=0.01)  # the report rounds
    assert len([row for row in PUBLISHED_DPG if row.model == model]) == 6


@pytest.mark.parametrize("profile", ["official", "janus", "lmms-eval"])
def test_missing_answers_count_as_wrong(tmp_path: Path, profile: str) -> None:
    """By the official rule an answer without a no is a yes, so that an empty one could be right."""
    data = data_pope.write_official(tmp_path / "data")
    benchmark = CheckedBenchmark(POPE(POPEConfig(data=data, profile=profile)))  # type: ignore[arg-type]
    assert benchmark.published()
    rows = [
        {"split": split, "question_id": line["question_id"], "prediction": line["label"]}
        for split in data_pope.SPLITS
        for line in data_pope.lines(split)
    ]
    path = write_lines(tmp_path / "answers.jsonl", rows[1:])
    with pytest.raises(UsageError, match="1 of 12 items have no prediction: 'random/1'"):
        score_predictions("pope", benchmark, path, quiet)
    result = score_predictions("pope", benchmark, path, quiet, allow_missing=True)
    assert result.settings["missing_predictions"] == 1
    assert result.scores["pope.random.accuracy"].value == 0.75
    # For lmms-eval's formula, an answer that is neither yes nor no is not a false negative.
    assert result.scores["pope.random.recall"].value == (1.0 if profile == "lmms-eval" else 0.5)
    write_lines(path, [*rows, {**rows[0], "question_id": 99}])
    with pytest.raises(UsageError, match="1 of 13 predictions are for questions that the data do not have"):
        score_predictions("pope", benchmark, path, quiet, allow_missing=True)


def test_missing_pictures_count_as_wrong(tmp_path: Path) -> None:
    """GenEval's judgements, and DPG-Bench's answers: as for questions, whatever the official scorers leave out."""
    prompts = data_drawing.write_geneval(tmp_path / "geneval")
    geneval = CheckedBenchmark(GenEval(GenEvalConfig(data=prompts, limit=2)))
    lines = [
        {
            "filename": f"{number:05d}/samples/{copy:04d}.png",
            "tag": line["tag"],
            "prompt": line["prompt"],
            "correct": True,
            "reason": "",
        }
        for number, line in enumerate(data_drawing.GENEVAL[:2])
        for copy in range(4)
    ]
    path = write_lines(tmp_path / "results.jsonl", lines[1:])
    with pytest.raises(UsageError, match=r"1 of 8 items have no prediction: '00000/0' \(--allow-missing counts them"):
        score_predictions("geneval", geneval, path, quiet)
    result = score_predictions("geneval", geneval, path, quiet, allow_missing=True)
    assert result.settings["missing_predictions"] == 1
    assert result.scores["geneval.correct_images"].count == 8
    assert result.scores["geneval.correct_images"].value == 7 / 8


def test_missing_grids_count_as_no_for_every_question(tmp_path: Path) -> None:
    class Yes:
        settings: Mapping[str, str] = {}

        def answer(self, picture: Image.Image, questions: Sequence[str]) -> list[str]:
            return ["yes"] * len(questions)

    data = data_drawing.write_dpg(tmp_path / "dpg")
    benchmark = CheckedBenchmark(DpgBench(DpgBenchConfig(data=data), vqa=Yes()))
    Image.new("RGB", (8, 8)).save(tmp_path / "partiprompts7.png")
    with pytest.raises(UsageError, match=r"4 of 8 items have no prediction: '0/0'"):
        score_predictions("dpg-bench", benchmark, tmp_path, quiet)
    result = score_predictions("dpg-bench", benchmark, tmp_path, quiet, allow_missing=True)
    assert result.settings["missing_predictions"] == 4
    assert result.scores["fixed.overall"].value == 50
    assert result.scores["faithful.overall"].value == 100, "which leaves the first item out"


def test_pictures_that_nothing_judges_have_no_score_where_some_are_missing(tmp_path: Path) -> None:
    data = data_drawing.write_dpg(tmp_path / "dpg")
    Image.new("RGB", (8, 8)).save(tmp_path / "0.png")
    benchmark = CheckedBenchmark(DpgBench(DpgBenchConfig(data=data)))
    assert not score_predictions("dpg-bench", benchmark, tmp_path, quiet, allow_missing=True).scores


def test_judgements_are_not_written_as_pictures(tmp_path: Path) -> None:
    benchmark = GenEval(GenEvalConfig(data=data_drawing.write_geneval(tmp_path)))
    with pytest.raises(UsageError, match="these predictions are judgements"):
        benchmark.write_official(tmp_path / "out", {"00000/0": "correct"})  # type: ignore[dict-item]
