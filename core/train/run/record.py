"""What a run left in its folder, read back; one that is going on, or was stopped, as far as it came. Torch-free."""

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
    """A run by its folder. ``recipe``: the text of its resolved recipe. ``facts``: how it was started. ``model``: what
    stands in ``model.json``, empty before the run is done. ``log``: the lines of its log, oldest first.
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
        """The stages that the log speaks of, in the order of training."""
        return list(dict.fromkeys(str(line["stage"]) for line in self.log))


def read_run(folder: Path) -> RunRecord:
    """Read the folder of a run.

    Raises:
        UsageError: it is no folder, or not one of a run.
    """
    if not folder.is_dir():
        raise UsageError(Problem(f"there is no folder '{folder}'", hint="give the --out of a `janiform train`"))
    if not (folder / "log.jsonl").is_file():
        raise UsageError(
            Problem(f"'{folder}' is no run: it has no log.jsonl", hint="give the --out of a `janiform train`")
        )
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
        [line for line in read_log(folder / "log.jsonl") if _whole(line)],
        tuple(_samples(folder / "samples")),
    )


def labels(runs: Sequence[RunRecord]) -> list[str]:
    """A name for each run, no two alike: that of its folder, with as many folders above it as it takes."""
    parts = [run.folder.resolve().parts for run in runs]
    for depth in range(1, max(map(len, parts), default=1) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{'/'.join(part[-1:])} ({number})" for number, part in enumerate(parts, start=1)]


def _whole(line: dict[str, Any]) -> bool:
    """Whether a line has what every log has; others are passed over, as torn ones are."""
    return isinstance(line, dict) and "total" in line and "stage" in line and isinstance(line.get("losses"), dict)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_text(path) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _samples(folder: Path) -> list[SampleFile]:
    found: dict[tuple[str, int], SampleFile] = {}
    for path in sorted(folder.glob("*")) if folder.is_dir() else []:
        match = _SAMPLE.fullmatch(path.name)
        if match is None:
            continue
        key = (match["stage"], int(match["step"]))
        sheet, told = path.with_suffix(".png"), _object(path.with_suffix(".json")).get("answers", [])
        rows = [(row.get("question", ""), row.get("answer", ""), row.get("expected", "")) for row in told]
        found[key] = SampleFile(*key, sheet if sheet.is_file() else None, tuple(rows))
    return list(found.values())
