"""``janiform ablate`` as a user runs it: several processes, kills, jobs, and what is printed."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from janiform.ablation.prepare import prepare
from janiform.ablation.run_place import RunPlace
from janiform.ablation.worker import run_cell
from janiform.cli import main
from janiform.storage.digest import file_digest
from janiform.train.progress.reporter import Reporter
from tiny_study import CELLS, silent


def place(out: Path, cell: str, seed: int) -> RunPlace:
    return RunPlace(out / "cells" / cell / f"seed-{seed}", cell, seed)


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "janiform", "ablate", "study.toml", "--out", "out", "--device", "cpu", *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_until(true: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.05)


def test_killed_at_any_moment_the_study_ends_as_if_it_had_not_been(done: Path, quiet: Reporter) -> None:
    out = done / "out"
    process = start(done, "--slots", "2")
    wait_until(lambda: any((out / "cells").glob("*/seed-1/run/checkpoints/step-*/state.json")), process)
    workers = [place(out, cell, 1).status().pid for cell in CELLS]
    for pid in (process.pid, *filter(None, workers)):
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    end = time.monotonic() + 30  # the system takes a moment to end a killed process and to release its locks
    while "running" in (states := {cell: place(out, cell, 1).status().state for cell in CELLS}).values():
        assert time.monotonic() < end
        time.sleep(0.1)
    assert "stopped" in states.values()
    assert not {"running", "waiting", "failed"} & set(states.values())

    again = start(done, "--slots", "2")
    printed = again.communicate(timeout=240)[0]
    assert again.returncode == 0, printed
    assert f"the page is {Path('out') / 'study.html'}" in printed
    assert all(place(out, cell, seed).status().state == "done" for cell in CELLS for seed in (0, 1))
    for name in ("study.html", "study.json", "study.csv", "study.md", "study.tex"):
        assert (out / name).stat().st_size > 100

    whole = prepare(done / "study.toml", done / "whole", silent)
    run_cell(whole, "base", 1, device="cpu", reporter=quiet)
    weights = [file_digest(place(folder, "base", 1).run / "model.safetensors") for folder in (out, done / "whole")]
    assert weights[0] == weights[1]
    scores = [
        json.loads(place(folder, "base", 1).scores.read_text(encoding="utf-8"))["scores"]
        for folder in (out, done / "whole")
    ]
    assert scores[0] == scores[1]


def test_sigterm_stops_all_runs_with_everything_saved(done: Path) -> None:
    process = start(done)
    wait_until(lambda: any(place(done / "out", cell, 1).status().stages for cell in CELLS), process)
    process.send_signal(signal.SIGTERM)
    printed = process.communicate(timeout=120)[0]
    assert process.returncode == 130, printed
    assert "run the same command again" in printed
    assert "Traceback" not in printed
    states = {place(done / "out", cell, 1).status().state for cell in CELLS}
    assert states <= {"stopped", "planned", "done"}


@pytest.mark.slow
def test_a_killed_worker_is_a_failed_run_until_retry(done: Path) -> None:
    process = start(done)
    wait_until(lambda: any(place(done / "out", cell, 1).status().stages for cell in CELLS), process)
    killed = next(cell for cell in CELLS if place(done / "out", cell, 1).status().state == "running")
    os.kill(place(done / "out", killed, 1).status().pid, signal.SIGKILL)
    printed = process.communicate(timeout=240)[0]
    assert process.returncode == 1, printed
    status = place(done / "out", killed, 1).status()
    assert status.state == "failed"
    assert "SIGKILL" in status.reason
    assert f"failed: {killed} seed 1; --retry starts them again" in printed
    others = [cell for cell in CELLS if cell != killed]
    assert all(place(done / "out", cell, 1).status().state == "done" for cell in others)
    assert "SIGKILL" in (done / "out" / "study.html").read_text(encoding="utf-8")

    again = start(done, "--retry")
    printed = again.communicate(timeout=240)[0]
    assert again.returncode == 0, printed


def test_commands_are_one_idempotent_line_per_run(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = done / "out"
    assert main(["ablate", str(done / "study.toml"), "--out", str(out), "--commands"]) == 0
    lines = [shlex.split(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 6
    assert lines[0] == [
        "janiform",
        "ablate",
        str(done / "study.toml"),
        "--out",
        str(out),
        "--cell",
        "base",
        "--seed",
        "0",
    ]
    before = place(out, "base", 0).scores.stat().st_mtime_ns
    assert main(lines[0][1:]) == 0
    assert "base, seed 0: done" in capsys.readouterr().out
    assert place(out, "base", 0).scores.stat().st_mtime_ns == before


def test_a_dry_run_shows_cells_and_costs_and_writes_nothing(
    study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(study_file.parent.iterdir())
    assert main(["ablate", str(study_file), "--dry-run", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [cell["name"] for cell in facts["cells"]] == ["base", "deep", "other"]
    assert facts["runs"] == 6
    assert facts["flops"] > 0
    assert facts["disk"] > 0
    assert facts["cells"][1]["changes"] == [{"path": "generation.head.depth", "baseline": 2, "value": 3}]
    assert sorted(study_file.parent.iterdir()) == before
    assert main(["ablate", str(study_file), "--dry-run"]) == 0
    assert "3 cells × seeds 0, 1: 6 runs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cell", "base"], "--cell and --seed belong together"),
        (["--cell", "bse", "--seed", "0"], "did you mean 'base'?"),
        (["--cell", "base", "--seed", "9"], "the study has no seed 9"),
        (["--slots", "999"], "this process may use"),
        (["--submit", "lsf"], "use slurm or local"),
        (["--submit", "local", "--submit-option", "nonsense"], "write timeout_min=600"),
    ],
)
def test_wrong_options_are_one_sentence(
    arguments: list[str], message: str, done: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ablate", str(done / "study.toml"), "--out", str(done / "out"), *arguments]) != 0
    assert message in capsys.readouterr().err


def test_out_is_needed(study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablate", str(study_file)]) == 2
    assert "--out is missing" in capsys.readouterr().err


def test_runs_are_jobs_of_submitit(done: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("submitit")
    arguments = ["ablate", str(done / "study.toml"), "--out", str(done / "out"), "--device", "cpu"]
    assert main([*arguments, "--submit", "local", "--submit-option", "timeout_min=10"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"{cell}, seed 1" for cell in CELLS]
    end = time.monotonic() + 240
    while {place(done / "out", cell, 1).status().state for cell in CELLS} != {"done"}:
        assert time.monotonic() < end, {cell: place(done / "out", cell, 1).status() for cell in CELLS}
        time.sleep(0.2)
    assert main([*arguments, "--submit", "local"]) == 0
    assert "all runs are done" in capsys.readouterr().out
