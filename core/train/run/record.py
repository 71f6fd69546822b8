"""A run's folder, read back: of a finished run, or of one that is training or was stopped. Torch-free."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from ...contracts.showcase import TokenizerQuality
from ...errors import Problem, StorageError, UsageError
from ...storage.json_files import read_bounded, read_json, structured
from ..progress.log import damage_of, is_complete, read_entries

_FACTS: dict[str, Any] = {
    "answers": list[dict[str, str]],
    "command": str,
    "components": dict[str, dict[str, str]],
    "data": dict[str, str],
    "git": dict[str, Any],
    "samples": dict[str, int],
    "seed": int,
    "skipped_steps": int,
    "tokenizer": TokenizerQuality,
    "versions": dict[str, str],
}
"""The types of facts in JSON files of a run that the page shows."""

_MAX_RECIPE_BYTES = 4 << 20
_MAX_SHEET_BYTES = 64 << 20

_SAMPLE = re.compile(r"(?P<stage>.+)-(?P<step>\d{6,})\.(png|json)")


@frozen
class SampleFile:
    """Samples of a stage after a step: the file of the sheet, if there is one, and (question, answer, expected).

    ``tokenizer``: the quality of the tokenizer that the stage trains, where it trains one.
    """

    stage: str
    step: int
    picture: Path | None
    answers: tuple[tuple[str, str, str], ...] = ()
    tokenizer: TokenizerQuality | None = None


@frozen
class RunRecord:
    """A run by its folder. ``recipe``: the text of its resolved recipe. ``facts``: how it was started. ``model``: the
    content of ``model.json``, empty before the run is done. ``log``: the entries of its log, oldest first.
    ``problems``: sentences about what is damaged and left out.
    """

    folder: Path
    name: str
    description: str
    recipe: str
    facts: dict[str, Any]
    model: dict[str, Any]
    log: list[dict[str, Any]]
    samples: tuple[SampleFile, ...]
    problems: tuple[str, ...] = ()

    @property
    def stages(self) -> list[str]:
        """The stages that the log has entries of, in the order of training."""
        return list(dict.fromkeys(str(line["stage"]) for line in self.log))


def read_run(folder: Path, *, begun: bool = True) -> RunRecord:
    """Read the folder of a run. ``begun``: refuse a run that has no log yet.

    Raises:
        UsageError: it is not a folder of a run.
    """
    hint = "give the --out folder of `janiform train`"
    if not folder.is_dir():
        raise UsageError(Problem(f"there is no folder '{folder}'", hint=hint))
    log = folder / "log.jsonl"
    if begun and not log.is_file():
        raise UsageError(Problem(f"'{folder}' is not the folder of a run: it has no log.jsonl", hint=hint))
    problems: list[str] = []
    recipe, head = _recipe(folder / "recipe.toml", problems)
    return RunRecord(
        folder,
        str(head.get("name") or folder.resolve().name),
        str(head.get("description", "")),
        recipe,
        _object(folder / "run.json", problems),
        _object(folder / "model.json", problems),
        _log(log, problems) if log.is_file() else [],
        tuple(_samples(folder / "samples", problems)),
        tuple(problems),
    )


def labels(runs: Sequence[RunRecord]) -> list[str]:
    """A distinct name for each run: that of its folder, with as many parent folders as needed."""
    parts = [run.folder.resolve().parts for run in runs]
    for depth in range(1, max(map(len, parts), default=1) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{'/'.join(part[-1:])} ({number})" for number, part in enumerate(parts, start=1)]


def _log(path: Path, problems: list[str]) -> list[dict[str, Any]]:
    entries = list(read_entries(path))
    if damaged := [number for number, entry in enumerate(entries, start=1) if entry is None]:
        problems.append(damage_of(path, damaged))
    return [entry for entry in entries if entry is not None and is_complete(entry)]


def _recipe(path: Path, problems: list[str]) -> tuple[str, dict[str, Any]]:
    """The text of a recipe and its tables; empty where it cannot be read."""
    try:
        text = read_bounded(path, _MAX_RECIPE_BYTES).decode("utf-8-sig")
        return text, tomllib.loads(text)
    except FileNotFoundError:
        return "", {}
    except (OSError, StorageError, ValueError, RecursionError) as error:
        problems.append(f"{path} cannot be read: {error}")
        return "", {}


def _object(path: Path, problems: list[str]) -> dict[str, Any]:
    """The object in a file, without the facts that have another type than the page expects."""
    try:
        content = read_json(path, missing_ok=True)
    except StorageError as error:
        problems.append(str(error))
        return {}
    for name, kind in _FACTS.items():
        try:
            if content.get(name) is not None:
                structured(content[name], kind)
        except ValueError as error:
            problems.append(f"{path}: '{name}' {error}; it is left out")
            del content[name]
    return content


def _samples(folder: Path, problems: list[str]) -> list[SampleFile]:
    files: dict[tuple[str, int], SampleFile] = {}
    for path in sorted(folder.glob("*")) if folder.is_dir() else []:
        match = _SAMPLE.fullmatch(path.name)
        if match is None:
            continue
        key = (match["stage"], int(match["step"]))
        if key in files:
            continue
        sheet, facts = path.with_suffix(".png"), _object(path.with_suffix(".json"), problems)
        answers, tokenizer = facts.get("answers") or [], facts.get("tokenizer")
        rows = [(row.get("question", ""), row.get("answer", ""), row.get("expected", "")) for row in answers]
        quality = None if tokenizer is None else structured(tokenizer, TokenizerQuality)
        files[key] = SampleFile(*key, sheet if _is_sheet(sheet) else None, tuple(rows), quality)
    return list(files.values())


def _is_sheet(path: Path) -> bool:
    return path.is_file() and path.stat().st_size <= _MAX_SHEET_BYTES
