"""A run that is killed again and again, for test_kills.py: ``python killed.py FOLDER KILLS SEED`` prints what happened.

A script of its own, since a process that has computed gradients cannot be forked, and starting one anew takes seconds.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from janiform.recipe import read_recipe_text
from janiform.train.progress.reporter import Reporter
from janiform.train.run import preparation as runs
from janiform.train.run.train import train
from rich.console import Console

STAGES = ["text", "all"]


class Telling(Reporter):
    """Says of each step that it is done, by a byte."""

    def __init__(self, pipe: int) -> None:
        super().__init__(Console(quiet=True))
        self.pipe = pipe

    def advance(self) -> None:
        os.write(self.pipe, b".")


def attempt(folder: Path, out: Path, chance: random.Random | None) -> bool:
    """Begin or go on with the run in a child, and kill it at some instant. Whether it was killed before it was done."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            runs.TEXTS_TO_FIT = 20
            recipe = read_recipe_text((folder / "recipe.toml").read_text())
            resume = (out / "run.json").exists()
            train(recipe, out, resume=resume, stages=STAGES, device="cpu", reporter=Telling(writing), ahead=0)
        except BaseException as error:
            print(error, file=sys.stderr)
            os._exit(1)
        os._exit(0)
    os.close(writing)
    if chance is not None:
        for _ in range(chance.randrange(6)):
            os.read(reading, 1)
        if chance.random() < 0.6:  # while a checkpoint is written
            while os.waitpid(child, os.WNOHANG) == (0, 0) and not list(out.glob("checkpoints/.writing-*")):
                time.sleep(0.0002)
        time.sleep(chance.random() ** 2 * 0.02)
        try:
            os.kill(child, signal.SIGKILL)
        except ProcessLookupError:
            return False
    try:
        status = os.waitpid(child, 0)[1]
    except ChildProcessError:  # it ended while it was watched
        return False
    finally:
        os.close(reading)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0, "the run failed"
    return False


def main(folder: Path, kills: int, seed: int) -> None:
    torch.set_num_threads(1)
    chance = random.Random(seed)
    done, writing, out = 0, 0, folder / "run-0"
    ended: list[str] = []
    while done < kills:
        if attempt(folder, out, chance):
            done += 1
            writing += bool(list(out.glob("checkpoints/.writing-*")))
        else:
            ended.append(out.name)
            out = folder / f"run-{len(ended)}"
    attempt(folder, out, None)
    print(json.dumps({"kills": done, "while_writing": writing, "runs": [*ended, out.name]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
