"""Folders and result files of DPG-Bench's official script.

FOLDER/ITEM.png        the pictures of a prompt: four in a grid of 2×2, row by row, or one
…_results_detail.txt   a line per question: path, (left, top, right, bottom), question, answer
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from attrs import evolve
from janiform import (
    JaniformError,
    PictureError,
    Problem,
    UsageError,
    provenance_of,
    read_bounded,
    read_picture,
    save_picture,
)
from janiform_plugins.benchmarks.drawings import PictureFile
from PIL import Image

from .data import DpgItem

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
GRID = 2

NOT_ASKED = "not asked"
"""The output for a picture of the first item, about which the official script does not ask all questions."""

_MOST_DETAIL = 512 << 20
_BOX = re.compile(r", \((?P<left>\d+), (?P<top>\d+), (?P<right>\d+), (?P<bottom>\d+)\), ")


def write_grid(folder: Path, key: str, pictures: int, drawn: Mapping[int, Image.Image]) -> Path:
    """Write pictures of a prompt, given by their numbers, into its grid, which keeps the others.

    Where there is one picture per prompt it is the whole file.
    """
    path = folder / f"{key}.png"
    if pictures == 1:
        return save_picture(drawn[0], path)
    width, height = next(iter(drawn.values())).size
    grid = Image.new("RGB", (GRID * width, GRID * height))
    if len(drawn) < pictures and path.is_file():
        try:
            before = read_picture(path)
        except JaniformError:  # a damaged grid is written anew
            before = grid
        if before.size == grid.size:
            grid = before
    for copy, picture in drawn.items():
        grid.paste(picture, (copy % GRID * width, copy // GRID * height))
        _keep_seeds(grid, picture, copy)
    return save_picture(grid, path)


def _keep_seeds(grid: Image.Image, picture: Image.Image, copy: int) -> None:
    """Store in the grid how its pictures were drawn, where one of them tells it: their seeds follow one another."""
    try:
        provenance = provenance_of(picture)
    except PictureError:
        return
    provenance = evolve(provenance, seed=provenance.seed - copy, count=GRID * GRID)
    grid.info["janiform"] = provenance.as_json()


def read_folder(folder: Path, pictures: int, resolution: int) -> dict[str, PictureFile]:
    """The pictures in a folder by the items of their requests.

    Files are joined by their names without extensions. Raises ``UsageError`` for repeated pictures, and for a grid that
    does not consist of squares where no resolution is given.
    """
    crops: dict[str, PictureFile] = {}
    files: dict[str, Path] = {}
    for path in sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES):
        if path.stem in files:
            raise UsageError(f"'{folder}' holds {files[path.stem].name} and {path.name}, which are the same item")
        files[path.stem] = path
        for copy, box in enumerate(_boxes(path, pictures, resolution)):
            crops[f"{path.stem}/{copy}"] = PictureFile(path, box)
    return crops


def _boxes(path: Path, pictures: int, resolution: int) -> list[tuple[int, int, int, int] | None]:
    """The boxes of a file's pictures, row by row; None for the whole file."""
    if pictures == 1 and not resolution:
        return [None]
    if not resolution:
        with Image.open(path) as opened:
            width, height = opened.size
        if width != height or width % GRID:
            raise UsageError(
                Problem(
                    f"'{path}' has {width}×{height} pixels, which is not a grid of 2×2 squares",
                    hint="set resolution to the side of one picture, or pictures=1",
                )
            )
        resolution = width // GRID
    corners = [(x * resolution, y * resolution) for y in range(GRID) for x in range(GRID)]
    return [(x, y, x + resolution, y + resolution) for x, y in corners[:pictures]]


def read_answers(file: Path, items: Mapping[str, DpgItem], pictures: int) -> dict[str, str]:
    """The answers in a detail file of the official script as outputs, one per line, by the items of their requests.

    The script asks neither the first row's question nor, where it fails for the first item, about its later pictures:
    pictures of the first item without an answer to every question are ``NOT_ASKED``. Raises ``UsageError`` elsewhere.
    """
    given: dict[str, dict[str, str]] = {}
    for number, line in enumerate(_lines(file), start=1):
        match = _BOX.search(line)
        key = re.split(r"[/\\]", line[: match.start()])[-1].partition(".")[0] if match else ""
        if match is None or key not in items:
            what = (
                f"is about '{key}', which the data do not have" if match else "is not 'path, (box), question, answer'"
            )
            raise UsageError(Problem(f"line {number} {what}: {line[:80]}", hint="it must be of the same data"))
        side = int(match["right"]) - int(match["left"])
        if side < 1 or (copy := _copy(match, side)) >= pictures:
            raise UsageError(f"line {number} of '{file}' is about a box that is not one of {pictures} pictures")
        rest = line[match.end() :]
        asked = [question.text for question in items[key].questions if rest.startswith(f"{question.text}, ")]
        if not asked:
            raise UsageError(f"line {number} of '{file}' has a question that the item '{key}' does not: {rest[:80]}")
        question = max(asked, key=len)
        own = given.setdefault(f"{key}/{copy}", {})
        answer = rest[len(question) + 2 :]
        if question in own and _repeats(items[key], question) < 2:
            raise UsageError(f"line {number} of '{file}' answers a question of '{key}/{copy}' again: {question[:80]}")
        own[question] = answer
    first = next(iter(items))
    outputs: dict[str, str] = {}
    for item, answers in given.items():
        questions = items[item.rpartition("/")[0]].questions
        unanswered = [question.text for question in questions if question.text not in answers]
        if not unanswered:
            outputs[item] = "\n".join(answers[question.text] for question in questions)
        elif item.rpartition("/")[0] != first:
            raise UsageError(f"'{file}' lacks {len(unanswered)} answers for '{item}', the first: {unanswered[0][:80]}")
    for copy in range(pictures):
        outputs.setdefault(f"{first}/{copy}", NOT_ASKED)
    return outputs


def _copy(match: re.Match[str], side: int) -> int:
    return int(match["left"]) // side + GRID * (int(match["top"]) // side)


def _repeats(item: DpgItem, text: str) -> int:
    return sum(question.text == text for question in item.questions)


def _lines(file: Path) -> list[str]:
    try:
        text = read_bounded(file, _MOST_DETAIL).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"'{file}' cannot be read as a text in UTF-8: {error}") from None
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise UsageError(f"'{file}' is empty, expected the detail file of DPG-Bench's script")
    return lines
