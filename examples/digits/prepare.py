"""Write the handwritten digits of scikit-learn as data that janiform reads: `python prepare.py FOLDER`.

FOLDER/captions.tar      WebDataset: the training pictures, each with several captions, to draw
FOLDER/questions.json    LLaVA's layout: questions about the training pictures, with answers
FOLDER/words.json        the same layout without pictures: which digit a caption means, in a word and as a numeral
FOLDER/pictures/         the pictures, training and held out
FOLDER/held-out.json     file and digit of every held-out picture, which no training file names
"""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
CAPTIONS = (
    "a handwritten {word}",
    "{word}",
    "the digit {number}",
    "a handwritten {number}",
    "write the digit {word}",
)
NAME = "which digit is this?"
"""The question that the benchmark asks. Another one asks for the numeral, a third whether it is a certain digit."""

SIZE = 64
"""Side of janus-mini's pictures in pixels; a digit has 8×8 values from 0 to 16."""
HELD_OUT = 197
WHITE = 16


def picture_of(values: np.ndarray[Any, Any]) -> Image.Image:
    """Values [8, 8] from 0 (paper) to 16 (ink) -> dark strokes on white, a square of equal pixels for each value."""
    grey = Image.fromarray(np.round(255 - values * (255 / WHITE)).astype(np.uint8))
    return grey.resize((SIZE, SIZE), Image.Resampling.NEAREST).convert("RGB")


def values_of(picture: Image.Image) -> np.ndarray[Any, Any]:
    """The way back, up to rounding: the mean of each square of a picture, [8, 8] from 0 to 16."""
    side = picture.width // 8
    grey = np.asarray(picture.convert("L"), np.float64).reshape(8, side, 8, side).mean(axis=(1, 3))
    return (255 - grey) * (WHITE / 255)


def split() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Indices of the training digits and of the held-out ones, always the same."""
    order = np.random.default_rng(0).permutation(len(load_digits().target))
    return np.sort(order[HELD_OUT:]), np.sort(order[:HELD_OUT])


def captions(digit: int) -> list[str]:
    """A caption of a digit in every style; training chooses one each time."""
    return [style.format(word=WORDS[digit], number=digit) for style in CAPTIONS]


def questions(digit: int, random: np.random.Generator) -> list[tuple[str, str]]:
    """Three questions about a picture with their answers; half of the answers to the last one are "yes"."""
    other = digit if random.random() < 0.5 else (digit + int(random.integers(1, 10))) % 10
    return [
        (NAME, WORDS[digit]),
        ("which numeral is this?", str(digit)),
        (f"is this a {WORDS[other]}?", "yes" if other == digit else "no"),
    ]


def prepare(folder: Path) -> None:
    """Write all files; the same ones every time."""
    digits, (training, held_out), random = load_digits(), split(), np.random.default_rng(1)
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    for index, values in enumerate(digits.images):
        picture_of(values).save(pictures / f"{index:04}.png")
    labels = [int(digit) for digit in digits.target]
    with tarfile.open(folder / "captions.tar", "w") as shard:
        for index in training:
            _add(shard, f"{index:04}.png", (pictures / f"{index:04}.png").read_bytes())
            _add(shard, f"{index:04}.json", json.dumps({"caption": captions(labels[index])}).encode())
    records = [
        {
            "id": f"{index:04}",
            "image": f"{index:04}.png",
            "conversations": list(_turns(questions(labels[index], random))),
        }
        for index in training
    ]
    words = [
        {"conversations": list(_turns([(caption, f"{word} {digit}")], looks=False))}
        for digit, word in enumerate(WORDS)
        for caption in captions(digit)
    ]
    held = [{"image": f"{index:04}.png", "digit": labels[index]} for index in held_out]
    (folder / "questions.json").write_text(json.dumps(records, indent=1))
    (folder / "words.json").write_text(json.dumps(words, indent=1))
    (folder / "held-out.json").write_text(json.dumps(held, indent=1))


def _turns(pairs: list[tuple[str, str]], *, looks: bool = True) -> Iterator[dict[str, str]]:
    for number, (question, answer) in enumerate(pairs):
        yield {"from": "human", "value": f"<image>\n{question}" if looks and not number else question}
        yield {"from": "gpt", "value": answer}


def _add(shard: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    shard.addfile(member, io.BytesIO(data))


if __name__ == "__main__":
    prepare(Path(sys.argv[1]))
