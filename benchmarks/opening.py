"""How long a model folder takes to open, and what memory it takes, beside ``from_pretrained`` of transformers.

    python benchmarks/real_size.py write 1b hf DIR
    python benchmarks/opening.py DIR --converted DIR2

``DIR`` is in the layout of transformers; ``DIR2`` is the same model in janiform's own (``janiform convert``). Both
libraries open them in turns in one process, with the files in the page cache; times are medians by the clock. Memory is
the peak, in a child process for each, of the pages that are the process's own (``RssAnon`` in /proc/self/status, read
every 5 ms from a thread), so pages of mapped files do not count; ``mapped_gb`` (``RssFile``) has them. ``answer`` has
the same of janiform after opening, while it gives an answer of two tokens, the largest sum of both (``resident_gb``),
and the sum afterwards. Prints JSON.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from hardware import cpu, installed

SELF, FIELDS = Path("/proc/self/status"), ("RssAnon", "RssFile")


def ours(folder: Path, dtype: str) -> Any:
    import janiform

    return janiform.load(folder, dtype=dtype)


def theirs(folder: Path, dtype: str) -> Any:
    from transformers.models.janus.modeling_janus import JanusForConditionalGeneration

    return JanusForConditionalGeneration.from_pretrained(folder, dtype=getattr(torch, dtype))


WAYS: dict[str, Callable[[Path, str], Any]] = {"janiform": ours, "transformers": theirs}


def seconds(way: str, folder: Path, dtype: str) -> float:
    began = time.perf_counter()
    model = WAYS[way](folder, dtype)
    taken = time.perf_counter() - began
    del model
    gc.collect()
    return taken


def held() -> dict[str, int]:
    lines = dict(line.split(":", 1) for line in SELF.read_text().splitlines() if ":" in line)
    sizes = {field: int(lines[field].split()[0]) * 1024 for field in FIELDS}
    return {**sizes, "resident": sum(sizes.values())}


class Peak:
    """The largest sizes of memory within the context, above those at its beginning or at ``before``, in GB."""

    def __init__(self, before: dict[str, int] | None = None) -> None:
        self.before = before or held()
        self.most = dict.fromkeys(self.before, 0)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._ended.wait(0.005):
            self.most = {field: max(size, self.most[field]) for field, size in held().items()}

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self.most = {field: max(size, self.most[field]) for field, size in held().items()}

    def gb(self) -> dict[str, float]:
        own, mapped, resident = (round((self.most[field] - self.before[field]) / 1e9, 2) for field in self.before)
        return {"own_gb": own, "mapped_gb": mapped, "resident_gb": resident}


def memory(way: str, folder: Path, dtype: str) -> dict[str, Any]:
    """GB of own and of mapped pages that opening adds at most, and the first answer of janiform after it."""
    import janiform  # noqa: F401
    import transformers.models.janus.modeling_janus  # noqa: F401

    with Peak() as opening:
        model = WAYS[way](folder, dtype)
    if way != "janiform":
        return opening.gb()
    with Peak(opening.before) as answering:
        model.ask(None, "What is a circle?", max_new_tokens=2)
    after = round((held()["resident"] - opening.before["resident"]) / 1e9, 2)
    return {**opening.gb(), "answer": {**answering.gb(), "resident_afterwards_gb": after}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--converted", type=Path, help="the same model in janiform's layout")
    parser.add_argument("--official", type=Path, help="the same model in the layout of the release, as pickles")
    parser.add_argument("--dtype", default="bfloat16", help="data type of the weights in memory")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--memory-of", choices=WAYS, help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.memory_of:
        print(json.dumps(memory(said.memory_of, said.folder, said.dtype)))
        return
    cases = {"transformers": ("transformers", said.folder), "janiform": ("janiform", said.folder)}
    if said.converted:
        cases["janiform, own layout"] = ("janiform", said.converted)
    if said.official:
        cases["janiform, official layout"] = ("janiform", said.official)
    for case in cases.values():  # imports, and pages that are not in the cache yet
        seconds(*case, said.dtype)
    turns = [{name: seconds(*case, said.dtype) for name, case in cases.items()} for _ in range(said.runs)]
    figures: dict[str, Any] = {}
    for name, (way, folder) in cases.items():
        command = [sys.executable, __file__, str(folder), "--memory-of", way, "--dtype", said.dtype]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        figures[name] = {
            "seconds": round(statistics.median(turn[name] for turn in turns), 2),
            "ratio": round(statistics.median(turn[name] / turn["transformers"] for turn in turns), 2),
            **json.loads(ran.stdout.splitlines()[-1]),
        }
    hardware = {**cpu(), "transformers": installed("transformers"), "cpus": os.cpu_count(), "load": os.getloadavg()[0]}
    size = sum(file.stat().st_size for file in said.folder.glob("*.safetensors"))
    sizes = {"weights_gb": round(size / 1e9, 2), "dtype": said.dtype}
    print(json.dumps({"hardware": hardware, **sizes, "opening": figures}, indent=2))


if __name__ == "__main__":
    main()
