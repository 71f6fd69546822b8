"""Which benchmark a file belongs to, and in which format: by its usual name, or else by its content.

Formats: ``official`` is that of the benchmark's authors, ``vlmevalkit`` one table with pictures, ``llava`` the
questions of LLaVA's evaluation, which lack the answers, so that the official files must lie beside them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from attrs import frozen
from janiform import Problem, UsageError

from .files import read_json_lines, read_json_value
from .tables import first_row

MME_TASKS = (
    "existence", "count", "position", "color", "posters", "celebrity", "scene", "landmark", "artwork", "OCR",
    "commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning",
)  # fmt: skip
POPE_SPLITS = ("random", "popular", "adversarial")
SEED_DIMENSIONS = (
    "Scene Understanding", "Instance Identity", "Instance Attributes", "Instance Location", "Instances Counting",
    "Spatial Relation", "Instance Interaction", "Visual Reasoning", "Text Understanding",
)  # fmt: skip
_MMVET_CAPABILITIES = {"rec", "ocr", "know", "gen", "spat", "math"}

FORMATS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "POPE": {"official": ("coco_pope_*.json",), "vlmevalkit": ("POPE.tsv",), "llava": ("llava_pope*.jsonl",)},
    "MME": {"official": MME_TASKS, "vlmevalkit": ("MME.tsv",), "llava": ("llava_mme*.jsonl",)},
    "MMBench": {"vlmevalkit": ("MMBench*.tsv",)},
    "SEED-Bench": {
        "official": ("SEED-Bench.json",),
        "vlmevalkit": ("SEEDBench*.tsv",),
        "llava": ("llava-seed-bench*.jsonl",),
    },
    "GQA": {
        "official": ("testdev_balanced_questions.json",),
        "vlmevalkit": ("GQA*.tsv",),
        "llava": ("llava_gqa*.jsonl",),
    },
    "MMMU": {"official": ("answer_dict_val.json", "validation-*.parquet"), "vlmevalkit": ("MMMU*.tsv",)},
    "MM-Vet": {"official": ("mm-vet.json",), "vlmevalkit": ("MMVet*.tsv",), "llava": ("llava-mm-vet*.jsonl",)},
    "GenEval": {"official": ("evaluation_metadata*.jsonl",)},
    "DPG-Bench": {"official": ("dpg_bench*.csv",)},
}
"""Usual names of the files of benchmarks by their format; those of MME's official data are folders."""

NAMES = {
    "official": "the official data",
    "vlmevalkit": "VLMEvalKit's table",
    "llava": "LLaVA's questions",
}


_Listing = tuple[Path, list[str], list[str]]
"""A folder with the names of its files and of its folders."""


@frozen
class DataFiles:
    """The files of a benchmark's data in one format. ``official``: the files with the answers to LLaVA's questions.

    ``folder`` is where the data were looked for. In MME's official data, files are the folders of the subtasks.
    """

    format: str
    files: tuple[Path, ...]
    folder: Path
    official: tuple[Path, ...] = ()


def find_data(benchmark: str, data: Path | None, format: str = "auto") -> DataFiles:
    """The data of a benchmark in a folder, in one of its folders, or in a file.

    Raises ``UsageError`` where there are none or those of another benchmark, where formats are mixed, and where the
    answers to LLaVA's questions are missing.
    """
    if data is None:
        raise UsageError(Problem(f"{benchmark} needs its data", hint=f"set data to {_expected(benchmark)}"))
    path = data.expanduser()
    if not path.exists():
        raise UsageError(Problem(f"there is no file or folder '{path}'", hint=f"set data to {_expected(benchmark)}"))
    found = _in_folder(benchmark, _tree(path)) if path.is_dir() else _of_file(benchmark, path)
    folder = path if path.is_dir() else path.parent
    if not found or format not in ("auto", *found):
        raise UsageError(_absent(benchmark, path, format))
    names = [format] if format != "auto" else [name for name in found if name != "official" or "llava" not in found]
    if len(names) > 1:
        listed = " and ".join(f"{NAMES[name]} ({found[name][0].name})" for name in names)
        hint = f'set format="{names[0]}", or data to a file'
        raise UsageError(Problem(f"'{path}' holds {benchmark} in several formats: {listed}", hint=hint))
    if names != ["llava"]:
        return DataFiles(names[0], found[names[0]], folder)
    official = found.get("official") or _in_folder(benchmark, _tree(folder)).get("official")
    if not official:
        message = f"'{found['llava'][0]}' holds LLaVA's questions of {benchmark} without their answers"
        hint = f"put {' or '.join(FORMATS[benchmark]['official'][:3])} of the official data beside it"
        raise UsageError(Problem(message, hint=hint))
    return DataFiles("llava", found["llava"], folder, official)


def looks_like(path: Path) -> tuple[str, str] | None:
    """The benchmark and the format that a file, or what a folder holds, looks like; None where nothing is known."""
    if path.is_dir():
        tree = _tree(path)
        found = ((benchmark, format) for benchmark in FORMATS for format in _in_folder(benchmark, tree))
        return next(found, None)
    for benchmark, formats in FORMATS.items():
        for format, patterns in formats.items():
            if (benchmark, format) != ("MME", "official") and _matches(path.name, patterns):
                return benchmark, format
    return _by_content(path)


def _of_file(benchmark: str, path: Path) -> dict[str, tuple[Path, ...]]:
    match = looks_like(path)
    if match is None or match[0] != benchmark:
        return {}
    return {match[1]: (path,)}


def _in_folder(benchmark: str, tree: Sequence[_Listing]) -> dict[str, tuple[Path, ...]]:
    """The files of each format in the first folder that has any."""
    found: dict[str, tuple[Path, ...]] = {}
    for format, patterns in FORMATS[benchmark].items():
        tasks = benchmark == "MME" and format == "official"
        for folder, files, folders in tree:
            names = [name for name in (folders if tasks else files) if _matches(name, patterns)]
            paths = [folder / name for name in sorted(names)]
            if matches := [path for path in paths if not tasks or _holds_texts(path)]:
                found[format] = tuple(matches)
                break
    return found


def _tree(folder: Path) -> list[_Listing]:
    """The folder, its folders and theirs, which the archives of some benchmarks add, with the names in each."""
    top = _listing(folder)
    inner = [_listing(folder / name) for name in top[2]]
    return [top, *inner, *(_listing(parent / name) for parent, _, folders in inner for name in folders)]


def _listing(folder: Path) -> _Listing:
    """The names in a folder, without hidden folders; none where it cannot be read."""
    try:
        with os.scandir(folder) as entries:  # which, unlike iterdir, asks nothing of the thousands of pictures
            kinds = {entry.name: entry.is_dir() for entry in entries}
    except OSError:
        kinds = {}
    names = sorted(kinds)
    folders = [name for name in names if kinds[name] and not name.startswith(".")]
    return folder, [name for name in names if not kinds[name]], folders


def _holds_texts(folder: Path) -> bool:
    """Whether a folder is that of a subtask of MME: with texts, or a folder of them."""
    _, files, folders = _listing(folder)
    return any(name.lower().endswith(".txt") for name in files) or "questions_answers_YN" in folders


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch(name.lower(), pattern.lower()) for pattern in patterns)


def _absent(benchmark: str, path: Path, format: str) -> Problem:
    wanted = benchmark if format == "auto" else f"{benchmark} in the format '{format}'"
    match = looks_like(path)
    hint = f"set data to {_expected(benchmark)}"
    if match is not None and match[0] != benchmark:
        return Problem(f"'{path}' looks like {NAMES[match[1]]} of {match[0]}, not like {wanted}", hint=hint)
    return Problem(f"'{path}' does not hold data of {wanted}", hint=hint)


def _expected(benchmark: str) -> str:
    formats = FORMATS[benchmark]
    listed = [f"{', '.join(patterns[:3])} ({NAMES[format]})" for format, patterns in formats.items()]
    return f"a folder with {'; or '.join(listed)}"


def _by_content(path: Path) -> tuple[str, str] | None:
    try:
        if path.suffix.lower() in (".tsv", ".csv"):
            return _of_row(first_row(path))
        if path.suffix.lower() == ".jsonl":
            return _of_line(read_json_lines(path, {})[0].values)
        if path.suffix.lower() == ".json":
            return _of_json(path)
    except UsageError:
        pass
    return None


def _of_row(row: Mapping[str, str]) -> tuple[str, str] | None:
    categories = {category.strip() for category in row.get("category", "").split(",")}
    if "A" in row and "B" in row:
        if not categories.isdisjoint(SEED_DIMENSIONS):
            return "SEED-Bench", "vlmevalkit"
        if row.get("split") in ("dev", "validation") and "image_path" in row:
            return "MMMU", "vlmevalkit"
        return ("MMBench", "vlmevalkit") if "l2-category" in row else None
    if not categories.isdisjoint(MME_TASKS):
        return "MME", "vlmevalkit"
    if categories <= set(POPE_SPLITS):
        return "POPE", "vlmevalkit"
    if categories <= _MMVET_CAPABILITIES:
        return "MM-Vet", "vlmevalkit"
    if "item_id" in row and "text" in row:
        return "DPG-Bench", "official"
    return ("GQA", "vlmevalkit") if {"index", "question", "answer"} <= set(row) and "category" not in row else None


def _of_line(values: Mapping[str, Any]) -> tuple[str, str] | None:
    if {"image", "text", "label"} <= set(values):
        return "POPE", "official"
    if {"tag", "include", "prompt"} <= set(values):
        return "GenEval", "official"
    if values.get("category") in POPE_SPLITS:
        return "POPE", "llava"
    if values.get("category") in SEED_DIMENSIONS:
        return "SEED-Bench", "llava"
    identifier = values.get("question_id")
    if isinstance(identifier, str) and identifier.partition("/")[0] in MME_TASKS:
        return "MME", "llava"
    return None


def _of_json(path: Path) -> tuple[str, str] | None:
    try:
        value = read_json_value(path)
    except UsageError:  # the official files of POPE are lines in spite of their name
        return _of_line(read_json_lines(path, {})[0].values)
    if not isinstance(value, dict) or not value:
        return None
    if {"questions", "question_type"} <= set(value):
        return "SEED-Bench", "official"
    key, first = next(iter(value.items()))
    fields = set(first) if isinstance(first, dict) else set()
    if {"image", "text", "label"} <= set(value):
        return "POPE", "official"
    if "imageId" in fields:
        return "GQA", "official"
    if "ground_truth" in fields:
        return "MMMU", "official"
    return ("MM-Vet", "official") if key.startswith("v1_") or "capability" in fields else None


def split_of(path: Path, splits: Sequence[str]) -> str | None:
    """The split that a file's name holds, such as ``coco_pope_random.json``."""
    return next((split for split in splits if split in path.name.lower()), None)
