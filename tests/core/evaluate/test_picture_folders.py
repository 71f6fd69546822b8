"""Folders of pictures are taken as generators and benchmarks leave them, with their prompts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from attrs import evolve
from janiform import PictureError, Provenance, UsageError, save_picture
from janiform.evaluate.picture_folders import described_folder, pictures_in, stored_provenance
from janiform.evaluate.picture_prompts import prompts_of
from janiform.pictures.provenance import attach
from PIL import Image

DRAWN = Provenance("a red dog", 1, {"guidance": 2.0}, "generation", "float32", "cpu", "mini", "", "0.1.0", "2.13")


def write(path: Path, colour: str = "red", prompt: str = "", count: int = 1, side: int = 4) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", (side, side), colour)
    if prompt:
        attach(picture, evolve(DRAWN, prompt=prompt, count=count))
    return save_picture(picture, path)


def test_all_pictures_of_all_folders_are_found_by_their_paths(tmp_path: Path) -> None:
    for name in ("b/2.png", "a.png", "b/1.png"):
        write(tmp_path / name)
    Image.new("RGB", (3, 3)).save(tmp_path / "b" / "3.JPG")
    (tmp_path / "notes.txt").write_text("x")
    assert [picture.name for picture in pictures_in(tmp_path)] == ["a", "b/1", "b/2", "b/3"]
    with pytest.raises(UsageError, match=r"the folder .* does not exist"):
        pictures_in(tmp_path / "c")
    (tmp_path / "c").mkdir()
    with pytest.raises(UsageError, match=r"c' holds no pictures: no files with \.png"):
        pictures_in(tmp_path / "c")


def test_a_folder_of_geneval_gives_its_samples_and_their_prompts(tmp_path: Path) -> None:
    for number, prompt in enumerate(("a bench", "two dogs")):
        folder = tmp_path / f"{number:05d}"
        for copy in range(2):
            write(folder / "samples" / f"{copy:05d}.png")
        write(folder / "grid.png", side=8)
        (folder / "metadata.jsonl").write_text(json.dumps({"tag": "x", "include": [], "prompt": prompt}) + "\n")
    pictures = pictures_in(tmp_path)
    assert [picture.name for picture in pictures] == [f"0000{n}/samples/0000{copy}" for n in (0, 1) for copy in (0, 1)]
    assert prompts_of(pictures) == ["a bench", "a bench", "two dogs", "two dogs"]
    (tmp_path / "00001" / "metadata.jsonl").write_text("{")
    with pytest.raises(UsageError, match=r"00001/metadata\.jsonl: this is not JSON"):
        prompts_of(pictures)
    (tmp_path / "00001" / "metadata.jsonl").write_text('{"prompt": 5}')
    with pytest.raises(UsageError, match="expected an object or a row with prompt, a text"):
        prompts_of(pictures)


def test_grids_are_cut_row_by_row(tmp_path: Path) -> None:
    grid = Image.new("RGB", (8, 6))
    for part, colour in enumerate(("red", "lime", "blue", "white")):
        grid.paste(colour, (part % 2 * 4, part // 2 * 3, part % 2 * 4 + 4, part // 2 * 3 + 3))
    attach(grid, evolve(DRAWN, prompt="four", count=4))
    save_picture(grid, tmp_path / "0.png")
    pictures = pictures_in(tmp_path, 2)
    assert [picture.item for picture in pictures] == ["0/0", "0/1", "0/2", "0/3"]
    corners = [picture.read().getpixel((0, 0)) for picture in pictures]
    assert corners == [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
    assert {picture.read().size for picture in pictures} == {(4, 3)}
    assert prompts_of(pictures) == ["four"] * 4
    with pytest.raises(UsageError, match=r"0\.png' has 8×6 pixels, which is not a grid of 3×3 equal pictures"):
        pictures_in(tmp_path, 3)[0].read()
    with pytest.raises(UsageError, match=r"such as 0\.png, hold 4 pictures each \(--grid 2 cuts grids of 2×2"):
        pictures_in(tmp_path)


def test_contact_sheets_beside_pictures_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "a-001.png", prompt="a dog")
    write(tmp_path / "a-sheet.png", prompt="a dog", count=4)
    pictures = pictures_in(tmp_path)
    assert [picture.name for picture in pictures] == ["a-001"]
    assert prompts_of(pictures) == ["a dog"]


def test_damaged_pictures_are_reported_when_they_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\nnot a picture")
    (picture,) = pictures_in(tmp_path)
    assert stored_provenance(picture.path) is None
    with pytest.raises(PictureError, match=r"x\.png"):
        picture.read()


def test_pictures_that_do_not_tell_their_prompts_are_listed(tmp_path: Path) -> None:
    write(tmp_path / "a.png", prompt="a dog")
    write(tmp_path / "b.png")
    with pytest.raises(UsageError, match=r"1 of 2 pictures do not tell their prompt: b \(name the prompts with --pro"):
        prompts_of(pictures_in(tmp_path))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.json", '{"a.png": "a dog", "b/c": "two v1.5 cats "}'),
        ("p.jsonl", '{"name": "a", "prompt": "a dog"}\n\n{"file_name": "b/c.png", "text": "two v1.5 cats"}\n'),
        ("p.csv", 'item_id,text,other\na,a dog,"x,y"\na,a dog,z\nb/c,two v1.5 cats,\n'),
        ("p.tsv", "prompt\tname\na dog\ta.png\ntwo v1.5 cats\tb/c\n"),
    ],
)
def test_prompts_are_read_from_tables_and_json(tmp_path: Path, name: str, text: str) -> None:
    for picture in ("a", "b/c"):
        write(tmp_path / "pictures" / f"{picture}.png", prompt="not this one")
    (tmp_path / name).write_text(text)
    assert prompts_of(pictures_in(tmp_path / "pictures"), tmp_path / name) == ["a dog", "two v1.5 cats"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.json", '{"a": "x", "c": "y"}', r"no prompt for 1 of 2 pictures: b[\s\S]*no picture for 1 of 2 prompts: c"),
        ("p.json", '["a"]', r"p\.json' is not an object of names and prompts"),
        ("p.json", "{", r"p\.json: this is not JSON"),
        (
            "p.jsonl",
            '{"name": "a", "prompt": "x"}\n{"name": "a"}',
            r"jsonl:2: expected an object or a row with prom",
        ),
        ("p.jsonl", '{"name": "a", "prompt": "x"}\n{"name": "a", "prompt": "y"}', r"jsonl:2: 'a' has a second prompt"),
        ("p.csv", "name\na\n", r"p\.csv:2: expected an object or a row with prompt or text"),
        ("p.csv", "name,prompt\na, \n", r"p\.csv:2: the prompt of 'a' is empty"),
        ("p.csv", "name,prompt\n", "the file of prompts is empty"),
        ("p.txt", "a dog\n", r"p\.txt' is not a file of prompts: expected \.json, \.jsonl, \.csv or \.tsv"),
        ("", "", "does not exist"),
        ("folder", "", r"folder' holds no prompts: expected a \.txt for each picture"),
    ],
)
def test_prompts_that_do_not_match_are_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    for picture in ("a", "b"):
        write(tmp_path / "pictures" / f"{picture}.png")
    source = tmp_path / (name or "none.json")
    if name == "folder":
        source.mkdir()
    elif name:
        source.write_text(text)
    with pytest.raises(UsageError, match=message):
        prompts_of(pictures_in(tmp_path / "pictures"), source)


def test_a_text_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    write(tmp_path / "pictures" / "0.png")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "0.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"0.txt' is not a text in UTF-8"):
        prompts_of(pictures_in(tmp_path / "pictures"), tmp_path / "b")


def test_the_record_of_a_folder_tells_when_a_file_changes(tmp_path: Path) -> None:
    write(tmp_path / "a.png")
    before = described_folder(pictures_in(tmp_path))
    assert (before["folder"], before["pictures"]) == (tmp_path.name, 1)
    assert described_folder(pictures_in(tmp_path, 2))["pictures"] == 4
    write(tmp_path / "a.png", side=30)
    assert described_folder(pictures_in(tmp_path)) != before
