"""Damaged and hostile input is read or refused in a sentence: a few of the inputs of ``benchmarks/fuzz``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it limits memory and makes named pipes")

FEW = {"recipes": 40, "directories": 6, "pictures": 400, "records": 40, "runs": 40}
MEMORY = 4 * 2**30


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parent.parent))
    from benchmarks.fuzz import runner

    return runner


def failures(runner: Any, kind: str, seed: int, count: int) -> dict[int, str]:
    results = runner.outcomes(kind, seed, count, 20.0, MEMORY)
    assert len(results) == count
    assert {"accepted", "refused"} <= set(results.values())
    return {number: result for number, result in results.items() if result.startswith("failed")}


@pytest.mark.parametrize("kind", FEW)
def test_a_few_inputs_are_read_or_refused(runner: Any, kind: str) -> None:
    assert failures(runner, kind, 3, FEW[kind]) == {}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["recipes", "directories", "pictures", "records", "runs"])
def test_all_inputs_are_read_or_refused(runner: Any, kind: str) -> None:
    assert kind in runner.KINDS
    assert failures(runner, kind, 0, runner.count_of(kind)) == {}


def test_whatever_else_happens_is_a_failure(runner: Any) -> None:
    class Odd:
        def run(self, chance: Any) -> None:
            raise chance

    from janiform import UsageError

    assert runner.tried(Odd(), UsageError("no")) == "refused"
    assert runner.tried(Odd(), KeyError("x")).startswith("failed: KeyError at ")
    assert runner.tried(Odd(), UsageError("")) == "failed: an empty message"
    assert runner.random_of("runs", 0, 3).random() == runner.random_of("runs", 0, 3).random()
