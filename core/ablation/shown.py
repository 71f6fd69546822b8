"""What a run of a study shows: a few drawings and answers, as files beside the run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import asdict, evolve

from ..storage.atomic import new_folder
from ..storage.json_files import read_json, structured, write_json
from .results import ShownItem

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..contracts import Benchmark
    from ..inference.api import Model

DRAWINGS, ANSWERS = 8, 8
"""Drawings and answers of a run that its page shows."""


def write_shown(folder: Path, name: str, model: Model, benchmark: Benchmark) -> None:
    """Let a model draw and answer what its benchmark shows, and write it into ``folder``."""
    showcase = benchmark.show(model, DRAWINGS, ANSWERS, lambda *_: None)
    items: list[ShownItem] = []
    with new_folder(folder / name) as staging:
        pictures: dict[int, str] = {}

        def file_of(picture: Image) -> str:
            if id(picture) not in pictures:
                pictures[id(picture)] = f"{len(pictures):03d}.png"
                picture.save(staging / pictures[id(picture)])
            return pictures[id(picture)]

        for number, drawn in enumerate(showcase.drawn):
            picture = file_of(drawn.picture)
            items.append(ShownItem(f"{name}/draw/{number}", drawn.prompt, drawn.verdict, "", drawn.correct, picture))
        for number, asked in enumerate(showcase.others):
            about = file_of(asked.picture)
            items.append(
                ShownItem(
                    f"{name}/ask/{number}", asked.question, asked.answer, asked.expected, asked.correct, "", about
                )
            )
        write_json(staging / "shown.json", {"items": [asdict(item) for item in items]})


def read_shown(folder: Path, below: Path) -> tuple[ShownItem, ...]:
    """The items of a run's ``shown`` folder, with pictures' paths relative to ``below``; damaged ones are left out."""
    items: list[ShownItem] = []
    for path in sorted(folder.glob("*/shown.json")):
        try:
            found: Any = structured(read_json(path).get("items", []), list[ShownItem])
        except Exception:
            continue
        place = path.parent.relative_to(below).as_posix()
        items += [
            evolve(
                item,
                picture=f"{place}/{item.picture}" if item.picture else "",
                about=f"{place}/{item.about}" if item.about else "",
            )
            for item in found
        ]
    return tuple(items)
