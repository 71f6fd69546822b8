"""Pairs of pictures and captions in records."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from janiform import SampleError, UsageError
from janiform_plugins.sources.captions import Captions
from janiform_plugins.sources.config import CaptionsConfig

from .conftest import jpeg, lines


def source(tmp_path: Path, *records: Any, **settings: Any) -> Captions:
    (tmp_path / "a.png").write_bytes(jpeg(1))
    lines(tmp_path / "a.jsonl", records)
    return Captions(CaptionsConfig(files=("a.jsonl",), shuffle=False, **settings))


def pair(made: Captions, index: int) -> tuple[str, int]:
    example = made.example(index)
    return example.turns[0].text, example.turns[1].content[0].picture.getpixel((0, 0))[0]  # type: ignore[union-attr]


def test_a_record_is_a_picture_and_its_caption(tmp_path: Path) -> None:
    inline = {"bytes": base64.b64encode(jpeg(2)).decode(), "path": "gone.png"}
    made = source(tmp_path, {"image": ["a.png"], "text": " one\n"}, {"image": inline, "text": ["two"]})
    assert [pair(made, index) for index in range(2)] == [("one", 1), ("two", 2)]
    asking = source(tmp_path, {"file_name": "a.png", "caption": "one"}, picture="file_name", key="caption", task="look")
    example = asking.example(0)
    assert (example.turns[0].text, example.turns[1].text) == ("\nDescribe the picture.", "one")
    with pytest.raises(UsageError, match="images: there is no folder 'nowhere'"):
        source(tmp_path, {}, images="nowhere")


BAD = [
    ({"img": "a.png", "text": "x"}, "missing picture", "there is no picture in 'image' (did you mean 'img'?)"),
    ({"image": ["a.png", "a.png"], "text": "x"}, "ambiguous sample", "'image' holds 2 pictures for one caption"),
    ({"image": None, "text": "x"}, "missing picture", "there is no picture in 'image'"),
    ({"image": "gone.png", "text": "x"}, "missing picture", "there is no file 'gone.png'"),
    ({"image": "a.png", "texts": "x"}, "no caption", "there is no text in 'text' (did you mean 'texts'?)"),
    ({"image": "a.png", "text": 3}, "no caption", "(its value is empty, or not a text)"),
    ({"image": "a.png", "text": "<video> x"}, "unknown placeholder", "holds '<video>'"),
]


def test_records_that_cannot_be_used_say_why(tmp_path: Path) -> None:
    made = source(tmp_path, *(record for record, _, _ in BAD))
    for index, (_, kind, message) in enumerate(BAD):
        with pytest.raises(SampleError) as caught:
            made.example(index)
        assert caught.value.kind == kind
        assert str(caught.value).startswith(f"a.jsonl:{index + 1}")
        assert message in str(caught.value)
