"""POPE in its three formats: two pictures, and per picture one object that is there and one per split that is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data_files import encoded, write_lines, write_picture, write_table

SPLITS = ("random", "popular", "adversarial")
ABSENT = {"random": "kite", "popular": "person", "adversarial": "fork"}
IMAGES = ("COCO_val2014_000000000001.jpg", "COCO_val2014_000000000002.jpg")
SUFFIX = "\nAnswer the question using a single word or phrase."


def lines(split: str) -> list[dict[str, Any]]:
    """The lines of a split; the first question of a picture is the same in all splits, as in the official files."""
    objects = [(image, name) for image in IMAGES for name in ("snowboard", ABSENT[split])]
    return [
        {
            "question_id": number,
            "image": image,
            "text": f"Is there a {name} in the image?",
            "label": "yes" if name == "snowboard" else "no",
        }
        for number, (image, name) in enumerate(objects, start=1)
    ]


def write_official(folder: Path) -> Path:
    for split in SPLITS:
        write_lines(folder / f"coco_pope_{split}.json", lines(split))
    for number, image in enumerate(IMAGES):
        write_picture(folder / "val2014" / image, number)
    return folder


def write_llava(folder: Path) -> Path:
    """LLaVA's questions beside the official files, in its layout; ids continue from split to split."""
    write_official(folder / "coco")
    questions = [(split, line) for split in SPLITS for line in lines(split)]
    write_lines(
        folder / "llava_pope_test.jsonl",
        [
            {"question_id": number, "image": line["image"], "text": line["text"] + SUFFIX, "category": split}
            for number, (split, line) in enumerate(questions)
        ],
    )
    for number, image in enumerate(IMAGES):
        write_picture(folder / "val2014" / image, number)
    return folder


def write_vlmevalkit(folder: Path) -> Path:
    """Each question once, with all of its splits."""
    splits: dict[tuple[str, str, str], list[str]] = {}
    for split in SPLITS:
        for line in lines(split):
            splits.setdefault((line["image"], line["text"], line["label"]), []).append(split)
    rows = [
        {
            "index": number,
            "image": encoded(IMAGES.index(image)),
            "question": f"{text} Please answer yes or no.",
            "answer": label.capitalize(),
            "category": ",".join(names),
        }
        for number, ((image, text, label), names) in enumerate(splits.items())
    ]
    return write_table(folder / "POPE.tsv", rows)
