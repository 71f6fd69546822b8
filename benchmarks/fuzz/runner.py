"""Running inputs in a process that may be stopped, so that no input stops the others."""

from __future__ import annotations

import faulthandler
import importlib
import multiprocessing
import os
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

KINDS = {
    "recipes": "Recipes",
    "directories": "Directories",
    "pictures": "Pictures",
    "records": "Records",
    "runs": "Runs",
}

PATIENCE = 4
"""Seconds by the clock for each second of an input's limit, before it counts as hanging."""


def random_of(kind: str, seed: int, number: int) -> Random:
    return Random(f"{kind} {seed} {number}")


def tried(fuzz: Any, chance: Random) -> str:
    """The outcome of one input: ``accepted``, ``refused``, or the cause of a failure."""
    from janiform import JaniformError

    try:
        fuzz.run(chance)
    except JaniformError as error:
        return "refused" if str(error).strip() else "failed: an empty message"
    except Exception as error:
        ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "janiform" in frame.filename]
        frames = ours or traceback.extract_tb(error.__traceback__)
        at = f"{'/'.join(Path(frames[-1].filename).parts[-3:])}:{frames[-1].lineno}" if frames else "?"
        return f"failed: {type(error).__name__} at {at}: {str(error)[:100]!r}"
    return "accepted"


def count_of(kind: str) -> int:
    """The number of inputs of a kind, by default."""
    count: int = importlib.import_module(f".{kind}", __package__).COUNT
    return count


def worker(kind: str, seed: int, numbers: range, folder: Path, memory: int, pipe: Connection) -> None:
    fuzz = made(kind, folder)
    with (folder / "stderr.txt").open("wb") as file:  # libtiff prints a line for every damaged picture
        os.dup2(file.fileno(), 2)
    faulthandler.register(signal.SIGUSR1, all_threads=False)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))
    for number in numbers:
        pipe.send((number, None, 0.0))
        began = time.process_time()
        outcome = tried(fuzz, random_of(kind, seed, number))
        pipe.send((number, outcome, time.process_time() - began))


def made(kind: str, folder: Path) -> Any:
    """The inputs of a kind, prepared in a folder."""
    import torch

    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    return getattr(importlib.import_module(f".{kind}", __package__), KINDS[kind])(folder)


def _where(process: Any, folder: Path) -> str:
    """The line of janiform at which a process is."""
    before = (folder / "stderr.txt").stat().st_size if (folder / "stderr.txt").exists() else 0
    os.kill(process.pid, signal.SIGUSR1)
    time.sleep(1)  # the process writes its stack; it may be busy outside Python, and then writes nothing
    stack = (folder / "stderr.txt").read_text(errors="replace")[before:] if (folder / "stderr.txt").exists() else ""
    frames = re.findall(r'File "([^"]*janiform[^"]*)", line (\d+)', stack)
    return f"{'/'.join(Path(frames[0][0]).parts[-3:])}:{frames[0][1]}" if frames else "?"


def outcomes(kind: str, seed: int, count: int, seconds: float, memory: int) -> dict[int, str]:
    """The outcome of every input.

    ``seconds`` limits the processor time of an input, which other programs disturb less; after four times as many by
    the clock the worker counts as hanging. A worker that hangs, or ends, is replaced after the input it stopped at.
    """
    found: dict[int, str] = {}
    numbers = range(count)
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="janiform-fuzz-") as folder:
        while numbers:
            receiver, sender = context.Pipe(duplex=False)
            arguments = (kind, seed, numbers, Path(folder) / kind, memory, sender)
            process = context.Process(target=worker, args=arguments, daemon=True)
            process.start()
            sender.close()
            at = -1
            failure, limit = "", 300.0  # for the imports and the preparation
            try:
                while receiver.poll(limit):
                    at, outcome, took = receiver.recv()
                    limit = PATIENCE * seconds
                    if outcome is not None:
                        found[at] = f"failed: {took:.0f} s, {outcome}" if took > seconds else outcome
                        if at == numbers[-1]:
                            break
                else:
                    failure = f"failed: more than {limit:g} s at {_where(process, Path(folder) / kind)}"
            except EOFError:
                process.join()
                failure = f"failed: the process ended with {process.exitcode}"
            process.kill()
            process.join()
            if at < 0:
                raise SystemExit(f"{kind} cannot be prepared: {failure}")
            if failure:
                found[at] = failure
                print(f"{kind} {at}: {failure}", file=sys.stderr, flush=True)
            numbers = range(at + 1, count)
    return found
