"""Tiny data of the benchmarks of drawing, in their official formats, and judges that answer as they are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_files import write_lines, write_table
from janiform_plugins.benchmarks.vision import Detection
from PIL import Image


def entry(noun: str, count: int = 1, **more: Any) -> dict[str, Any]:
    return {"class": noun, "count": count, **more}


GENEVAL = [
    {"tag": "single_object", "include": [entry("bench")], "prompt": "a photo of a bench"},
    {"tag": "two_object", "include": [entry("bench"), entry("dog")], "prompt": "a photo of a bench and a dog"},
    {"tag": "counting", "include": [entry("clock", 2)], "exclude": [entry("clock", 3)],
     "prompt": "a photo of two clocks"},
    {"tag": "colors", "include": [entry("bench", color="blue")], "prompt": "a photo of a blue bench"},
    {"tag": "position", "include": [entry("bench"), entry("dog", position=["right of", 0])],
     "prompt": "a photo of a dog right of a bench"},
    {"tag": "color_attr", "include": [entry("bench", color="purple"), entry("dog", color="black")],
     "prompt": "a photo of a purple bench and a black dog"},
]  # fmt: skip


def write_geneval(folder: Path, lines: Sequence[Any] = GENEVAL) -> Path:
    return write_lines(folder / "evaluation_metadata.jsonl", lines)


def question(item: str, number: int, dependency: str, category: str, text: str, prompt: str = "a red cube") -> dict:
    return {
        "item_id": item,
        "text": prompt,
        "keywords": "",
        "proposition_id": number,
        "dependency": dependency,
        "category_broad": category.partition(" ")[0],
        "category_detailed": category.rpartition(" ")[2],
        "tuple": f"{category} (cube)",
        "question_natural_language": text,
    }


DPG = [
    question("0", 1, "0", "entity - whole", "Is there a cube?"),
    question("0", 2, "1", "attribute - color", "Is the cube red, or not?"),
    question("0", 3, "1,2", "global -", "Is this a photo?"),
    question("partiprompts7", 1, "0", "entity - whole", "Is there a dog?", "a dog, a bench"),
    question("partiprompts7", 2, "0", "entity - whole", "Is there a bench?", "a dog, a bench"),
    question("partiprompts7", 3, "1,2", "relation - spatial", "Is the dog on the bench?", "a dog, a bench"),
]


def write_dpg(folder: Path, rows: Sequence[Mapping[str, Any]] = DPG, *, prompts: bool = True) -> Path:
    write_table(folder / "dpg_bench.csv", rows, ",")
    if prompts:
        (folder / "prompts").mkdir(exist_ok=True)
        for row in rows:
            (folder / "prompts" / f"{row['item_id']}.txt").write_text(f"{row['text']}\n")
    return folder


def picture(colour: tuple[int, int, int] = (10, 20, 30), side: int = 16) -> Image.Image:
    return Image.new("RGB", (side, side), colour)


def thing(left: float = 0, top: float = 0, width: float = 100, height: float = 100, score: float = 0.95) -> Detection:
    return Detection((left, top, left + width, top + height), score)


class FakeDetector:
    """Finds what it is told, whatever the picture shows."""

    def __init__(self, found: Mapping[str, Sequence[Detection]], known: Sequence[str] | None = None) -> None:
        self.found, self.known = found, known
        self.settings: dict[str, Any] = {"model": "fake"}
        self.calls: list[tuple[str, ...]] = []

    def unknown(self, classes: Sequence[str]) -> Sequence[str]:
        return [name for name in classes if self.known is not None and name not in self.known]

    def detect(self, picture: Image.Image, classes: Sequence[str]) -> Mapping[str, Sequence[Detection]]:
        self.calls.append(tuple(classes))
        return {name: self.found.get(name, ()) for name in classes}


class FakeColours:
    """Names the colour that it is told for each class."""

    def __init__(self, named: Mapping[str, str]) -> None:
        self.named = named
        self.settings: dict[str, Any] = {"model": "fake"}
        self.crops: list[Image.Image] = []

    def colours(self, crops: Sequence[Image.Image], noun: str, names: Sequence[str]) -> Sequence[str]:
        self.crops += crops
        return [self.named[noun]] * len(crops)


class FakeAnswers:
    """Answers each question as it is told, else with no."""

    def __init__(self, told: Mapping[str, str]) -> None:
        self.told = told
        self.settings: dict[str, Any] = {"model": "fake"}
        self.asked: list[str] = []

    def answer(self, picture: Image.Image, questions: Sequence[str]) -> Sequence[str]:
        self.asked += questions
        return [self.told.get(text, "no") for text in questions]
