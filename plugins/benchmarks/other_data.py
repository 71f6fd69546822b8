"""Finding a benchmark's file in what a user names, and telling which benchmark it looks like where it is another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from janiform import Problem, UsageError

MARKS = {
    "GenEval": ("evaluation_metadata*.jsonl", "geneval*.jsonl"),
    "DPG-Bench": ("dpg_bench*.csv",),
    "POPE": ("coco_pope_*", "POPE*.tsv", "llava_pope*"),
    "MME": ("MME*.tsv", "llava_mme*", "eval_tool"),
    "MMBench": ("MMBench*", "mmbench*"),
    "SEED-Bench": ("SEED*", "seed_bench*", "llava-seed-bench*"),
    "GQA": ("GQA*.tsv", "testdev_balanced_questions*", "llava_gqa*"),
    "MMMU": ("MMMU*",),
    "MM-Vet": ("mm-vet*", "MMVet*.tsv", "llava-mm-vet*"),
}
"""Names of the files by which the data of a benchmark are recognised."""


def find_file(data: Path, benchmark: str, name: str, places: Sequence[str]) -> Path:
    """The file that a user named, or the first of ``places`` that the folder holds.

    ``name`` is what the file is called where it is published. Raises ``UsageError``, which names the benchmark whose
    data it looks like.
    """
    if data.is_dir():
        for place in places:
            if (data / place).is_file():
                return data / place
        other = _looks_like([path.name for path in data.iterdir()], benchmark)
        raise UsageError(Problem(f"'{data}' has no {name}, the file of {benchmark}{other}"))
    if not data.is_file():
        raise UsageError(f"there is no file or folder '{data}', expected {benchmark}'s {name} or its folder")
    if other := _looks_like([data.name], benchmark):
        raise UsageError(f"'{data}' is not {name}, the file of {benchmark}{other}")
    return data


def _looks_like(names: Sequence[str], benchmark: str) -> str:
    """Which other benchmark has files of these names, as the end of a sentence."""
    marks = MARKS.items()
    others = [other for other, patterns in marks if any(Path(n).match(pattern) for n in names for pattern in patterns)]
    if not others or benchmark in others:
        return ""
    return f"; it looks like the data of {' or '.join(others)}"
