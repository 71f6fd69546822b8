"""Predictions of which some are missing, and the published scores of drawings."""

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
from janiform_plugins.benchmarks.published_drawings import PUBLISHED_DPG, PUBLISHED_GENEVAL


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
    with pytest.raises(UsageError, match="1 of 12 questions have no prediction: random/1"):
        score_predictions("pope", benchmark, path, quiet)
    result = score_predictions("pope", benchmark, path, quiet, allow_missing=True)
    assert result.settings["missing_predictions"] == 1
    assert result.scores["pope.random.accuracy"].value == 0.75
    # For lmms-eval's formula, an answer that is neither yes nor no is not a false negative.
    assert result.scores["pope.random.recall"].value == (1.0 if profile == "lmms-eval" else 0.5)
    write_lines(path, [*rows, {**rows[0], "question_id": 99}])
    with pytest.raises(UsageError, match="1 of 13 predictions are for questions that the data do not have"):
        score_predictions("pope", benchmark, path, quiet, allow_missing=True)
