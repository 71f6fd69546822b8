"""A run's folder, read back: of a finished run, or of one that is training or was stopped. Torch-free."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from ...errors import Problem, UsageError
from ..progress.log import read_log

_SAMPLE = re.compile(r"(?P<stage>.+)-(?P<step>\d{6,})\.(png|json)")


@frozen
class SampleFile:
    """Samples of a stage after a step: the file of the sheet, if there is one, and (question, answer, expected)."""

    stage: str
    step: int
    picture: Path | None
    answers: tuple[tuple[str, str, str], ...] = ()


@frozen
class RunRecord:
    """A run by its folder. ``recipe``: the text of its resolved recipe. ``facts``: how it was started. ``model``: the
    content of ``model.json``, empty before the run is done. ``log``: the entries of its log, oldest first.
    """

    folder: Path
    name: str
    description: str
    recipe: str
    facts: dict[str, Any]
    model: dict[str, Any]
    log: list[dict[str, Any]]
    samples: tuple[SampleFile, ...]

    @property
    def stages(self) -> list[str]:
        """The stages that the log has entries of, in the order of training."""
        return list(dict.fromkeys(str(line["stage"]) for line in self.log))


def read_run(folder: Path) -> RunRecord:
    """Read the folder of a run.

    Raises:
        UsageError: it is not a folder of a run.
    """
    hint = "give the --out folder of `janiform train`"
    if not folder.is_dir():
        raise UsageError(Problem(f"there is no folder '{folder}'", hint=hint))
    if not (folder / "log.jsonl").is_file():
        raise UsageError(Problem(f"'{folder}' is not the folder of a run: it has no log.jsonl", hint=hint))
    recipe = _text(folder / "recipe.toml")
    try:
        head = tomllib.loads(recipe)
    except tomllib.TOMLDecodeError:
        head = {}
    return RunRecord(
        folder,
        str(head.get("name") or folder.resolve().name),
        str(head.get("description", "")),
        recipe,
        _object(folder / "run.json"),
        _object(folder / "model.json"),
        [entry for entry in read_log(folder / "log.jsonl") if _complete(entry)],
        tuple(_samples(folder / "samples")),
    )


def labels(runs: Sequence[RunRecord]) -> list[str]:
    """A distinct name for each run: that of its folder, with as many parent folders as needed."""
    parts = [run.folder.resolve().parts for run in runs]
    for depth in range(1, max(map(len, parts), default=1) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{'/'.join(part[-1:])} ({number})" for number, part in enumerate(parts, start=1)]


def _complete(entry: dict[str, Any]) -> bool:
    """Whether an entry has the keys of every log; others are ignored, as incomplete lines are."""
    return "total" in entry and "stage" in entry and isinstance(entry.get("losses"), dict)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_text(path) or "{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _samples(folder: Path) -> list[SampleFile]:
    files: dict[tuple[str, int], SampleFile] = {}
    for path in sorted(folder.glob("*")) if folder.is_dir() else []:
        match = _SAMPLE.fullmatch(path.name)
        if match is None:
            continue
        key = (match["stage"], int(match["step"]))
        sheet, answers = path.with_suffix(".png"), _object(path.with_suffix(".json")).get("answers", [])
        rows = [(row.get("question", ""), row.get("answer", ""), row.get("expected", "")) for row in answers]
        files[key] = SampleFile(*key, sheet if sheet.is_file() else None, tuple(rows))
    return list(files.values())
