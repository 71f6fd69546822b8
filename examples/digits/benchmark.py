"""How well a model names and draws digits, as a benchmark of janiform.

Drawings are read by a support vector machine that scikit-learn fits to the real training digits; it has never seen a
drawing. How many real held-out digits it reads, as they are and through the model's tokenizer, tells how reliable its
verdicts are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import janiform
from janiform import Conversation, Item, Metric, Request, Score, Showcase, Turn, mean_score
from janiform.contracts import Progress
from PIL import Image
from prepare import NAME, WORDS, captions, picture_of, split, values_of
from sklearn.datasets import load_digits
from sklearn.svm import SVC

DRAWINGS = 20
"""Drawings of each digit: four in each style of caption."""


class Reader:
    """A support vector machine that reads pictures of digits."""

    def __init__(self) -> None:
        digits, (training, _) = load_digits(), split()
        values = [values_of(picture_of(digits.images[index])).ravel() for index in training]
        self._machine = SVC(gamma=0.001).fit(values, digits.target[training])

    def read(self, picture: Image.Image) -> int:
        return int(self._machine.predict([values_of(picture).ravel()])[0])


class Digits:
    """Held-out digits to name, and digits to draw. ``folder``: the one that ``prepare`` wrote."""

    metrics: Mapping[str, Metric] = {
        "digits.named": Metric(chance=0.1),
        "digits.drawn": Metric(chance=0.1),
    }

    def __init__(self, folder: Path, seed: int = 0) -> None:
        held_out = json.loads((folder / "held-out.json").read_text())
        self.pictures = {record["image"]: Image.open(folder / "pictures" / record["image"]) for record in held_out}
        self.digits = {record["image"]: int(record["digit"]) for record in held_out}
        self.reader = Reader()
        self.settings: Mapping[str, Any] = {
            "benchmark": "digits",
            "held_out": len(held_out),
            "drawings": 10 * DRAWINGS,
            "seed": seed,
        }

    def requests(self) -> Sequence[Request]:
        named = [
            Request(f"named/{name}", name, Conversation.asking(NAME, picture), reference=WORDS[self.digits[name]])
            for name, picture in self.pictures.items()
        ]
        drawn = [
            Request(
                f"drawn/{digit}/{number}",
                f"drawn/{digit}/{number}",
                _prompt(digit, number),
                draws=True,
                seed=self._seed(digit, number),
            )
            for digit in range(10)
            for number in range(DRAWINGS)
        ]
        return [*named, *drawn]

    def judge(self, request: Request, output: str | Image.Image) -> Mapping[str, float]:
        if isinstance(output, str):
            return {"digits.named": float(output.strip() == request.reference)}
        return {"digits.drawn": float(self.reader.read(output) == _digit(request))}

    def verdict(self, request: Request, picture: Image.Image) -> str:
        return f"read as {WORDS[self.reader.read(picture)]}"

    def aggregate(self, items: Sequence[Item]) -> Mapping[str, Score]:
        of_metric = {name: [item for item in items if item.metric == name] for name in self.metrics}
        return {name: mean_score(members) for name, members in of_metric.items() if members}

    def show(self, model: janiform.Model, drawings: int, answers: int, progress: Progress) -> Showcase:
        return Showcase()

    def readable(self, pictures: Sequence[Image.Image]) -> Score:
        """How many of the held-out digits the reader reads from these pictures of them, in their order."""
        right = [float(self.reader.read(p) == digit) for p, digit in zip(pictures, self.digits.values(), strict=True)]
        names = list(self.digits)
        return mean_score([Item("reader", name, name, value) for name, value in zip(names, right, strict=True)])

    def _seed(self, digit: int, number: int) -> int:
        return int(self.settings["seed"]) * 10_000 + digit * DRAWINGS + number


def _prompt(digit: int, number: int) -> Conversation:
    styles = captions(digit)
    return Conversation((Turn("user", styles[number % len(styles)]),))


def _digit(request: Request) -> int:
    return int(request.item.split("/")[1])
