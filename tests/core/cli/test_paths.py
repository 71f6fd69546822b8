"""Paths of pictures in what people type."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from janiform import PictureError
from janiform.cli.paths import ChatLine, parse_line, picture_paths


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("a.png", "B.JPG", "my cat.png", "it's.png"):
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("line", "text", "pictures"),
    [
        ("hello", "hello", ()),
        ("a.png", "", ("a.png",)),
        ("my cat.png", "", ("my cat.png",)),
        (r"my\ cat.png", "", ("my cat.png",)),
        ("'my cat.png' ", "", ("my cat.png",)),
        ("it's.png", "", ("it's.png",)),
        ("a.png how many?", "how many?", ("a.png",)),
        ("what is in a.png?", "what is in the picture?", ("a.png",)),
        ('what\'s in "my cat.png", dear?', "what's in the picture, dear?", ("my cat.png",)),
        ("are they alike? a.png B.JPG", "are they alike?", ("a.png", "B.JPG")),
        ("a.png B.JPG are they alike?", "are they alike?", ("a.png", "B.JPG")),
        ("compare a.png  with ./B.JPG.", "compare the picture with the picture.", ("a.png", "./B.JPG")),
        ("what is a .png file", "what is a .png file", ()),
        ("what is 3.5 / 2?", "what is 3.5 / 2?", ()),
        ("what does https://a.b do?", "what does https://a.b do?", ()),
    ],
)
def test_pictures_are_taken_out_of_a_line(line: str, text: str, pictures: tuple[str, ...]) -> None:
    assert parse_line(line) == ChatLine(text, pictures)


def test_paths_from_home_the_root_and_file_managers(folder: Path) -> None:
    for typed in (f"{folder}/a.png", "~/a.png", f"file://{folder}/my%20cat.png", f"'{folder}/my cat.png'"):
        found = parse_line(f"{typed} what is it?")
        assert found.text == "what is it?"
        assert Path(found.pictures[0]).is_file()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("none.png", "no picture 'none.png'; the line was not sent"),
        ("what is in ./none.png?", "no picture './none.png'"),
        ("~/none.png what?", "no picture '~/none.png'"),
        ("'my dog/x.png' what?", "no picture 'my dog/x.png'"),
        ("https://a.b/c.png", "is a URL, and nothing is downloaded"),
        ("what is in https://a.b/c.png?", "is a URL, and nothing is downloaded"),
    ],
)
def test_what_cannot_be_had_is_refused(line: str, why: str) -> None:
    with pytest.raises(PictureError, match=why):
        parse_line(line)


def test_the_name_of_no_picture_is_a_word() -> None:
    assert parse_line("is cat.png a good name?") == ChatLine("is cat.png a good name?", (), ("cat.png",))


@pytest.mark.parametrize(
    ("typed", "paths"),
    [
        ("a.png", ["a.png"]),
        ("my cat.png", ["my cat.png"]),
        ("a.png 'my cat.png'", ["a.png", "my cat.png"]),
        (r"my\ cat.png a.png", ["my cat.png", "a.png"]),
        ("no such cat.png", ["no such cat.png"]),
        ("a.png none.png", ["a.png", "none.png"]),
        ("https://a.b/c.png", ["https://a.b/c.png"]),
    ],
)
def test_paths_behind_a_command(typed: str, paths: list[str]) -> None:
    assert picture_paths(typed) == paths


@given(st.text(st.sampled_from("a.pngPNG '\"\\/~:?\0é\ud800 \t"), max_size=30))
def test_no_line_is_a_bug(line: str) -> None:
    try:
        found = parse_line(line)
    except PictureError:
        return
    assert found.text == found.text.strip()
    picture_paths(line)
