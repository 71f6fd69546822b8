"""A tokenizer that is not ready for the next stage is reported with the reason and what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from janiform import TokenizerQuality
from janiform.console import SafeConsole
from janiform.recipe import read_recipe_text
from janiform.report.report import report_html
from janiform.train.progress.reporter import Reporter
from janiform.train.run.record import read_run
from janiform.train.run.tokenizer_quality import READY, not_ready, still_falls
from janiform.train.run.train import train
from tiny_recipes import tiny_recipe

RECIPE = (
    tiny_recipe("codes", text='text = { use = "bpe", vocabulary = 300 }\nlayout = { use = "janus", system = "" }\n')
    + """
[source]
draw = { use = "shapes", task = "draw" }

[stage.codes]
objective = { use = "reconstruction" }
train = ["generation.tokenizer"]
mixture = { draw = 1 }
steps = 2
batch = 2
learning_rate = 1e-9
log_every = 1
"""
)


def quality(error: float, used: int = 500) -> TokenizerQuality:
    return TokenizerQuality(error, 64, 1000, (used,), (used / 2,))


def log_of(errors: list[float], stage: str = "codes") -> list[dict[str, Any]]:
    return [{"stage": stage, "step": step, "figures": {"l2": error}} for step, error in enumerate(errors, start=1)]


FALLING = log_of([10 / step for step in range(1, 11)])
FLAT = log_of([1.0, *[0.5] * 9])


def test_a_good_tokenizer_is_ready_however_few_codes_it_uses() -> None:
    assert not_ready("codes", quality(READY, used=3), FALLING) == ""


@pytest.mark.parametrize(
    ("used", "log", "expected"),
    [
        (500, FALLING, "still falls: train longer (stage.codes.steps)"),
        (500, FLAT, "no longer falls"),
        (500, [], "no longer falls"),
        (20, FALLING, "still falls: train longer"),
        (20, FLAT, "20 of the 1,000 codes are used"),
    ],
)
def test_the_sentence_gives_the_error_the_reason_and_what_to_do(
    used: int, log: list[dict[str, Any]], expected: str
) -> None:
    sentence = not_ready("codes", quality(0.304, used), log)
    assert "64 pictures lose 30.4% of their variance" in sentence
    assert f"with more than {READY:.0%} small details become unreadable" in sentence
    assert expected in sentence


def test_the_error_of_other_stages_and_of_steps_that_are_not_finite_does_not_count() -> None:
    assert still_falls("codes", [*FALLING, *log_of([9.0] * 10, "other")])
    assert not still_falls("codes", log_of([float("nan")] * 10))
    latents = TokenizerQuality(0.5, 64)
    assert "no longer falls" in not_ready("codes", latents, FLAT)


def test_a_run_measures_the_tokenizer_at_the_end_of_its_stage(tmp_path: Path) -> None:
    """Also without sample_every: otherwise nobody would see that the codes are not worth predicting."""
    said: list[str] = []

    class Listening(Reporter):
        say: Callable[[str], None] = staticmethod(said.append)  # type: ignore[assignment]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("janiform.train.run.preparation.TEXTS_TO_FIT", 20)
        reporter = Listening(SafeConsole(quiet=True))
        folder = train(read_recipe_text(RECIPE), tmp_path / "run", device="cpu", reporter=reporter, ahead=0)
    sentence = next(line for line in said if "not ready" in line)
    assert sentence.startswith("codes: the tokenizer is not ready for the next stage: its reconstructions of 64 ")
    stored = json.loads((folder / "samples" / "codes-000002.json").read_text())["tokenizer"]
    (sample,) = read_run(folder).samples
    assert sample.tokenizer is not None
    assert (sample.tokenizer.error, sample.tokenizer.pictures) == (stored["error"], 64)
    page = report_html([read_run(folder)])
    assert "The tokenizer is not ready for the next stage" in page
    assert f"{sample.tokenizer.used[0]:,} of {sample.tokenizer.vocabulary:,}" in page
