"""Damaged folders of runs and of finished runs: their report, and their recipe and log."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from random import Random

from janiform.report.report import write_report
from janiform.storage.contents import recipe_of
from janiform.train.run.folder import RunFolder  # noqa: F401 - its modules are part of what is measured

from . import mutate

COUNT = 2_000

RUNS = Path(__file__).resolve().parents[2] / "tests" / "fixtures" / "run_0_1"


class Runs:
    def __init__(self, folder: Path) -> None:
        self._folder = folder / "run"

    def run(self, chance: Random) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.copytree(RUNS / "interrupted", self._folder)
        (self._folder / "samples").mkdir()
        answers = [{"question": "what?", "answer": "a", "expected": "b"}]
        (self._folder / "samples" / "all-000002.json").write_text(json.dumps({"answers": answers}))
        shutil.copy(RUNS / "finished" / "model.json", self._folder)
        for _ in range(chance.choice((1, 1, 2))):
            self._damage(chance)
        write_report([self._folder], self._folder / "report.html")
        recipe_of(str(self._folder))

    def _damage(self, chance: Random) -> None:
        files = [file for file in self._folder.rglob("*") if file.suffix in (".json", ".jsonl", ".toml")]
        file = chance.choice(sorted(files))
        if chance.random() < 0.1:
            file.unlink()
            if chance.random() < 0.5:
                os.mkfifo(file)
        elif not file.is_file():
            pass
        elif file.suffix == ".toml":
            file.write_text(mutate.lines(file.read_text(), chance))
        elif file.suffix == ".jsonl":
            lines = file.read_bytes().splitlines()
            at = chance.randrange(len(lines))
            try:
                lines[at] = mutate.json_text(json.loads(lines[at]), chance)
            except (ValueError, RecursionError):
                lines[at] = b"{}"
            file.write_bytes(b"\n".join(lines) + b"\n")
        else:
            try:
                file.write_bytes(mutate.json_text(json.loads(file.read_bytes()), chance))
            except (ValueError, RecursionError):
                file.write_bytes(b"{")
