"""Documents, and pictures whose folders say what they show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from janiform import PictureError, SampleError, UsageError
from janiform_plugins.sources.config import ImageFolderConfig, TextConfig
from janiform_plugins.sources.image_folder import ImageFolder
from janiform_plugins.sources.text import Text

from .conftest import jpeg, lines


def test_documents_are_read_from_their_key(tmp_path: Path) -> None:
    lines(tmp_path / "a.jsonl", [{"text": " one\n"}, {"txt": "x"}, {"text": ""}, {"text": 3}])
    made = Text(TextConfig(files=("a.jsonl",), shuffle=False))
    assert made.example(4).is_document
    assert made.example(4).turns[0].text == " one\n"
    for index, hint in (
        (1, "(did you mean 'txt'?)"),
        (2, "(its value is empty, or not a text)"),
        (3, "(its value is empty, or not a text)"),
    ):
        with pytest.raises(SampleError) as caught:
            made.example(index)
        assert str(caught.value) == f"a.jsonl:{index + 1}: there is no text in 'text' {hint}"
    assert Text(TextConfig(files=("a.jsonl",), key="txt", shuffle=False)).example(1).turns[0].text == "x"


def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(("n01", "n02_b", "empty", ".hidden")):
        (tmp_path / "train" / name).mkdir(parents=True)
        for row in range(0 if name == "empty" else number + 1):
            (tmp_path / "train" / name / f"p{row}.PNG").write_bytes(jpeg(number * 10 + row))
        (tmp_path / "train" / name / "notes.md").touch()
    (tmp_path / "train" / "loose.png").write_bytes(jpeg(99))
    return tmp_path / "train"


def source(**settings: Any) -> ImageFolder:
    return ImageFolder(ImageFolderConfig(folder="train", **settings))


def seen(made: ImageFolder, index: int) -> tuple[str, int]:
    example = made.example(index)
    return example.turns[0].text, example.turns[1].content[0].picture.getpixel((0, 0))[0]  # type: ignore[union-attr]


def test_folders_are_classes(tmp_path: Path) -> None:
    folder(tmp_path)
    made = source()
    assert sorted(seen(made, index) for index in range(3)) == [("n01", 0), ("n02 b", 10), ("n02 b", 11)]
    asking = source(task="look", captions=("It is a {name}.",), shuffle=False, limit=1).example(5)
    assert (asking.turns[0].text, asking.turns[1].text) == ("\nWhat is in the picture?", "It is a n01.")
    varied = source(captions=("a {name}", "one {name}"))
    assert {seen(varied, index)[0].split()[0] for index in range(30)} == {"a", "one"}
    made.folder.joinpath("n01", "p0.PNG").unlink()
    with pytest.raises(PictureError, match=r"there is no file 'train/n01/p0\.PNG'") as caught:
        [made.example(index) for index in range(3)]
    assert caught.value.kind == "missing picture"


@pytest.mark.parametrize("text", ['{"n01": "tench, Tinca", "n02_b": "shark"}', "n01 tench, Tinca\n\nn02_b\tshark\n"])
def test_classes_may_be_named_by_a_file(tmp_path: Path, text: str) -> None:
    folder(tmp_path)
    (tmp_path / "names").write_text(text)
    assert source(names="names").classes == {"n01": "tench", "n02_b": "shark"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"n01": "a", "n02b": "b"}', "'names' has no name for 1 of 2 folders: 'n02_b' (did you mean 'n02b'?)"),
        ('{"n01": 3, "n02_b": "b"}', "'names' has no name for 'n01'"),
        ('{"n01": "a", "n01": "c", "n02_b": "b"}', "an object has the key 'n01' more than once"),
        ("n01 a\nn02_b b\nn01 c\n", "'names':3 gives 'n01' another name than a line before"),
        ("n01 a\nn02_b\n", "'names':2 has no name after 'n02_b'"),
        ('{"n01"', "'names' is neither JSON nor lines of UTF-8"),
    ],
)
def test_names_that_are_missing_are_said(tmp_path: Path, text: str, message: str) -> None:
    folder(tmp_path)
    (tmp_path / "names").write_text(text)
    with pytest.raises(UsageError) as caught:
        source(names="names")
    assert message in str(caught.value)
    with pytest.raises(UsageError, match="names: 'nowhere' cannot be read"):
        source(names="nowhere")


def test_folders_without_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder 'train'"):
        source()
    (tmp_path / "train").mkdir()
    with pytest.raises(UsageError, match="'train' holds no folders; it should hold one folder of pictures"):
        source()
    (tmp_path / "train" / "n01").mkdir()
    with pytest.raises(UsageError, match="'train' holds 1 folders without pictures"):
        source()
