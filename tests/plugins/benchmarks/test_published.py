"""The scores of the Janus papers, and predictions of which some are missing."""

from __future__ import annotations

from pathlib import Path

import data_pope
import pytest
from data_files import write_lines
from janiform import UsageError
from janiform.evaluate.checked import CheckedBenchmark
from janiform.evaluate.score import score_predictions
from janiform_plugins.benchmarks.pope.benchmark import POPE
from janiform_plugins.benchmarks.pope.config import POPEConfig
from janiform_plugins.benchmarks.published import published


class Everything:
    """A container of all names."""

    def __contains__(self, name: object) -> bool:
        return True


def quiet(what: str, done: int, of: int) -> None: ...


def test_the_tables_of_the_report() -> None:
    rows = {
        name: {row.metric: row.value for row in published(name, Everything()) if row.model == "Janus-Pro-7B"}
        for name in ("pope", "mme", "mmbench", "seed", "gqa", "mmmu", "mm_vet", "geneval", "dpg")
    }
    assert rows["pope"] == {"pope.random.f1": 0.874}
    assert rows["mme"] == {"mme.perception": 1567.1}
    assert [next(iter(rows[name].values())) for name in ("mmbench", "seed", "gqa", "mmmu", "mm_vet")] == [
        0.792, 0.721, 0.620, 0.410, 0.500,
    ]  # fmt: skip
    # The total of GenEval is the mean of its tasks, up to the rounding of the report.
    tasks = [value for name, value in rows["geneval"].items() if name != "geneval.overall"]
    assert rows["geneval"]["geneval.overall"] == pytest.approx(sum(tasks) / 6, abs=0.01)
    assert rows["dpg"]["faithful.overall"] == 84.19
    assert all(row.protocol for name in rows for row in published(name, Everything()))


def test_only_scores_that_the_benchmark_has(tmp_path: Path) -> None:
    benchmark = POPE(POPEConfig(data=data_pope.write_official(tmp_path), profile="janus"))
    rows = CheckedBenchmark(benchmark).published()
    assert [(row.model, row.metric) for row in rows][:1] == [("Janus-1.3B", "pope.random.f1")]
    assert published("pope", ["other"]) == ()


@pytest.mark.parametrize("profile", ["official", "janus", "lmms-eval"])
def test_missing_answers_count_as_wrong_under_every_rule(tmp_path: Path, profile: str) -> None:
    """By the official rule an answer without a no is a yes, so that a missing one could be right."""
    data = data_pope.write_official(tmp_path / "data")
    benchmark = CheckedBenchmark(POPE(POPEConfig(data=data, profile=profile)))  # type: ignore[arg-type]
    rows = [
        {"split": split, "question_id": line["question_id"], "prediction": line["label"]}
        for split in data_pope.SPLITS
        for line in data_pope.lines(split)
    ]
    path = write_lines(tmp_path / "answers.jsonl", rows[1:])
    with pytest.raises(UsageError, match="1 of 12 questions have no prediction: random/1"):
        score_predictions("pope", benchmark, path, quiet)
    result = score_predictions("pope", benchmark, path, quiet, allow_missing=True)
    assert result.settings["missing_predictions"] == 1
    assert result.scores["pope.random.accuracy"].value == 0.75
    assert result.scores["pope.random.recall"].value == pytest.approx(1.0 if profile == "lmms-eval" else 0.5)
    write_lines(path, [*rows, {**rows[0], "question_id": 99}])
    with pytest.raises(UsageError, match="1 of 13 predictions are for questions that the data do not have"):
        score_predictions("pope", benchmark, path, quiet, allow_missing=True)
