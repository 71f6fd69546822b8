"""Folders and result files of GenEval's official scorer.

FOLDER/00000/metadata.jsonl     the prompt's line of evaluation_metadata.jsonl
FOLDER/00000/samples/0000.png   the pictures; the name of the folder is the number of the line
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from janiform import JaniformError, Problem, UsageError, parse_json, read_bounded, save_picture, write_files
from janiform_plugins.benchmarks.drawings import PictureFile
from janiform_plugins.benchmarks.files import Record, read_json_lines
from PIL import Image

from .data import Prompt

CORRECT, INCORRECT = "correct", "incorrect"
"""How a judgement of the official scorer is written as an output; the reasons follow the second after a colon."""

_MOST_METADATA = 1 << 20
_RESULT = {"filename": (str,), "tag": (str,), "prompt": (str,), "correct": (bool, float), "reason": (str,)}
_SAMPLE = re.compile(r"[0-9]+\.png")
_IN_RESULTS = re.compile(r"(?P<key>[0-9]+)[/\\]samples[/\\](?P<copy>[0-9]+)\.png$")


def write_sample(folder: Path, prompt: Prompt, copy: int, picture: Image.Image) -> Path:
    """Write a picture where the official scorer reads it, with the metadata of its prompt; its PNG keeps the seed."""
    line = json.dumps(prompt.metadata, ensure_ascii=False) + "\n"
    metadata = folder / prompt.key / "metadata.jsonl"
    if not metadata.is_file() or metadata.read_text(encoding="utf-8") != line:
        write_files(metadata.parent, {metadata.name: lambda path: path.write_text(line, encoding="utf-8")})
    return save_picture(picture, metadata.parent / "samples" / f"{copy:04d}.png")


def read_folder(folder: Path, prompts: Mapping[str, Prompt]) -> dict[str, PictureFile]:
    """The pictures in a folder by the items of their requests.

    Folders whose names are not numbers are ignored, as the official scorer does. Raises ``UsageError`` where the
    metadata of a folder are not those of the prompt with its number, and for repeated pictures.
    """
    pictures: dict[str, PictureFile] = {}
    problems: list[Problem] = []
    for subfolder in sorted(path for path in folder.iterdir() if path.is_dir() and path.name.isdigit()):
        key = f"{int(subfolder.name):05d}"
        if key in prompts and (fault := _metadata_fault(subfolder / "metadata.jsonl", prompts[key])):
            problems.append(Problem(fault))
        for path in sorted(subfolder.glob("samples/*.png")):
            if not _SAMPLE.fullmatch(path.name):
                continue
            item = f"{key}/{int(path.stem)}"
            if item in pictures:
                problems.append(Problem(f"'{path}' and '{pictures[item].path}' are the same picture of a prompt"))
            pictures[item] = PictureFile(path)
    if problems:
        more = [Problem(f"'{folder}' has {len(problems) - 5} more such faults")] if len(problems) > 5 else []
        raise UsageError([*problems[:5], *more])
    return pictures


def read_results(file: Path, prompts: Mapping[str, Prompt]) -> dict[str, str]:
    """The judgements in a result file of the official scorer as outputs, by the items of their requests.

    Joined by the number of the prompt's folder and of the picture in ``filename``; the prompts must be the same.
    """
    judgements: dict[str, str] = {}
    for record in read_json_lines(file, _RESULT):
        match = _IN_RESULTS.search(record["filename"])
        if match is None:
            record.fail(f"'filename' is {record['filename']!r}, expected a path that ends with 00000/samples/0000.png")
        key, item = f"{int(match['key']):05d}", f"{int(match['key']):05d}/{int(match['copy'])}"
        if item in judgements:
            record.fail(f"the picture {item} repeats")
        if key in prompts:
            _check_same_prompt(record, prompts[key])
        right = bool(record["correct"])
        judgements[item] = CORRECT if right else f"{INCORRECT}: {'; '.join(record['reason'].splitlines())}"
    return judgements


def _check_same_prompt(record: Record, prompt: Prompt) -> None:
    if record["prompt"] != prompt.text or record["tag"] != prompt.tag:
        record.fail(
            f"folder {prompt.key} is for the prompt {record['prompt']!r} ({record['tag']}), but the data have "
            f"{prompt.text!r} ({prompt.tag}) there: they are of another file of prompts"
        )


def _metadata_fault(file: Path, prompt: Prompt) -> str:
    """Why a folder's metadata are not those of a prompt; empty where they are."""
    try:
        metadata: Any = parse_json(read_bounded(file, _MOST_METADATA))
    except FileNotFoundError:
        return f"'{file}' is missing, which the official scorer reads"
    except (OSError, ValueError, JaniformError) as error:
        return f"'{file}' cannot be read: {error}"
    if metadata == prompt.metadata:
        return ""
    given = metadata.get("prompt") if isinstance(metadata, dict) else None
    return f"'{file}' is for the prompt {given!r}, but the data have {prompt.text!r} as number {prompt.key}"
