"""The scheduler: slots, the order of runs, and when it starts no more."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from janiform.ablation.prepare import PreparedStudy, prepare
from janiform.ablation.run_place import Status
from janiform.ablation.schedule import Slot, _Scheduler, run_study, slots_of
from janiform.errors import UsageError
from tiny_study import CELLS, silent


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 2, 3, 5, 7}, raising=False)


@pytest.mark.usefixtures("cores")
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_slots_have_disjoint_cores_of_this_process(count: int) -> None:
    slots = slots_of(count)
    cores = [core for slot in slots for core in slot.cores]
    assert len(slots) == count
    assert len(set(cores)) == len(cores) == count * (5 // count)
    assert set(cores) <= {0, 2, 3, 5, 7}
    assert slots[0].environment()["OMP_NUM_THREADS"] == str(5 // count)


@pytest.mark.usefixtures("cores")
def test_slots_have_a_gpu_each() -> None:
    assert [slot.environment()["CUDA_VISIBLE_DEVICES"] for slot in slots_of(2, gpus=4)] == ["0", "1"]
    for count, gpus in ((6, 0), (3, 2)):
        with pytest.raises(UsageError, match=f"--slots {count}"):
            slots_of(count, gpus)


def _started(prepared: PreparedStudy, running: list[tuple[str, int]], reuse: Sequence[Path] = ()) -> str:
    """The cell of the run that is started next, while others are running."""
    scheduler = _Scheduler(prepared, [Slot()], "cpu", False, (), reuse, lambda: None, silent)

    class Running:
        def __init__(self, cell: str, seed: int) -> None:
            self.place = prepared.folder.place(cell, seed)

    scheduler.running = [Running(cell, seed) for cell, seed in running]  # type: ignore[misc]
    scheduler.missing = [one for one in scheduler.missing if (one.cell.name, one.seed) not in running]
    planned = scheduler._next()
    return "" if planned is None else f"{planned.cell.name} {planned.seed}"


def test_runs_that_would_wait_for_each_other_are_started_apart(study_file: Path) -> None:
    fresh = prepare(study_file, study_file.parent / "out", silent)
    assert _started(fresh, []) == "base 0"
    # `deep` and `other` need the encoder that `base` trains now: a run of another seed is next.
    assert _started(fresh, [("base", 0)]) == "base 1"
    assert _started(fresh, [("base", 0), ("base", 1)]) == ""


def test_runs_whose_shared_stages_are_there_are_started_together(prepared: PreparedStudy) -> None:
    for cell in CELLS:
        prepared.folder.place(cell, 0).set(Status())
    assert _started(prepared, [("base", 0)]) == "deep 0"


def test_stages_of_a_study_that_is_reused_are_not_waited_for(study_file: Path, prepared: PreparedStudy) -> None:
    fresh = prepare(study_file, study_file.parent / "out", silent)
    assert _started(fresh, [("base", 0)], [prepared.folder.path]) == "deep 0"


@pytest.mark.slow
def test_no_more_runs_are_started_when_the_first_two_fail_for_one_reason(
    study_file: Path, rewrite_in: Callable[[Path, str, str], None]
) -> None:
    rewrite_in(study_file, "[cell.deep", "[budget.stage.all]\nlearning_rate = 1e30\nclip = 0\nsteps = 60\n\n[cell.deep")
    fresh = prepare(study_file, study_file.parent / "out", silent)
    said: list[str] = []
    assert not run_study(fresh, [Slot()], device="cpu", options=["--device", "cpu"], say=said.append)
    states = [fresh.folder.place(cell.name, seed).status().state for cell, seed in fresh.study.runs()]
    assert states == ["failed", "failed", *["planned"] * 4]
    assert any("no others are started" in sentence for sentence in said)
    assert run_study(fresh, [Slot()], device="cpu", options=["--device", "cpu"], say=said.append) is False
