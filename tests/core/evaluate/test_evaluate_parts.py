"""One, two and three processes give the same scores, also where one is killed and others go on."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import janiform
import pytest
import torch
from benchmarks_for_tests import Simple, many, quiet
from janiform.evaluate.runner import evaluate

SCRIPT = Path(__file__).parent / "evaluate_parts.py"


def together(count: int, *given: str) -> list[int]:
    """Run the script in processes that know each other, as torchrun would start them; their exit codes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    known = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count), "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), *given],
            env={**os.environ, **known, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(count)
    ]
    return [process.wait(timeout=300) for process in started]


def results(folder: Path, name: str, count: int) -> list[Any]:
    given = [json.loads((folder / f"{name}.{rank}").read_text()) for rank in range(count)]
    assert all(each == given[0] for each in given)
    return given[0]


@pytest.fixture(scope="module")
def alone() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        evaluation = evaluate(janiform.load("janus-mini"), Simple(given=many()), quiet)
    finally:
        torch.set_num_threads(threads)
    scores = {name: attrs.asdict(score) for name, score in evaluation.scores.items()}
    return [scores, [attrs.asdict(item) for item in evaluation.items]]


def test_two_processes_give_the_scores_of_one(alone: Any, tmp_path: Path) -> None:
    assert together(2, str(tmp_path / "result")) == [0, 0]
    assert results(tmp_path, "result", 2) == alone


def test_three_processes_resume_what_a_killed_one_left(alone: Any, tmp_path: Path) -> None:
    store = tmp_path / "store"
    codes = together(2, str(tmp_path / "result"), str(store), "1")
    assert codes[1] == -9
    assert codes[0] != 0
    before = [(path.name, path.read_text()) for path in sorted(store.glob("outputs*.jsonl"))]
    assert [name for name, _ in before] == ["outputs.1.jsonl", "outputs.jsonl"]
    assert together(3, str(tmp_path / "result"), str(store)) == [0, 0, 0]
    scores, items = results(tmp_path, "result", 3)
    for item in items:
        if item["metric"].startswith("draws."):
            assert (store / item["prediction"]).is_file()
            item["prediction"] = ""
    assert [scores, items] == alone
    for name, lines in before:  # what was there is still there, and nothing is computed twice
        assert (store / name).read_text().startswith(lines)
    lines = [line for path in store.glob("outputs*.jsonl") for line in path.read_text().splitlines()]
    assert len({json.loads(line)["item"] for line in lines}) == len(lines) == 14
