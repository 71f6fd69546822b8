"""Shards give every sample once an epoch, and what is damaged in them is said with shard and member."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from janiform import Conversation, Draw, Look, SampleError, UsageError
from janiform_plugins.sources import shards as module
from janiform_plugins.sources import unpacked
from janiform_plugins.sources.config import WebDatasetConfig
from janiform_plugins.sources.webdataset import WebDataset

from .conftest import captions, jpeg, shard


def source(*files: str, **settings: Any) -> WebDataset:
    return WebDataset(WebDatasetConfig(files=files, **settings))


def shade(conversation: Conversation, turn: int = 1, piece: int = 0) -> int:
    picture: Any = conversation.turns[turn].content[piece]
    return int(picture.picture.getpixel((0, 0))[0])


def refused(source: WebDataset, index: int) -> tuple[str, str]:
    with pytest.raises(SampleError) as caught:
        source.example(index)
    return caught.value.kind, str(caught.value)


def test_every_sample_once_an_epoch_with_its_own_caption(tmp_path: Path) -> None:
    shard(tmp_path / "a-0.tar", captions(0, 4))
    shard(tmp_path / "a-1.tar", captions(4, 3), format=tarfile.PAX_FORMAT)
    shuffled = source("a-{0..1}.tar", seed=5)
    epochs = [[shuffled.example(epoch * 7 + index) for index in range(7)] for epoch in range(3)]
    for epoch in epochs:
        assert sorted(map(shade, epoch)) == list(range(7))
        assert all(c.turns[0].content == (f"grey {shade(c)}",) for c in epoch)
        assert all(isinstance(c.turns[1].content[0], Draw) for c in epoch)
    assert len({tuple(map(shade, epoch)) for epoch in epochs}) == 3
    plain = source("a-*.tar", shuffle=False, limit=5)
    assert [shade(plain.example(index)) for index in range(12)] == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]


def test_a_picture_may_be_asked_about(tmp_path: Path) -> None:
    shard(tmp_path / "a.tar", captions(7, 1))
    asking = source("a.tar", task="look", questions=("What?", "And what?"), pathway="other")
    seen = {asking.example(index).turns[0].content[2] for index in range(20)}
    assert seen == {"What?", "And what?"}
    example = asking.example(3)
    look = example.turns[0].content[0]
    assert isinstance(look, Look)
    assert (look.pathway, shade(example, 0), example.turns[1].text) == ("other", 7, "grey 7")
    assert asking.example(3) == example


def test_captions_may_be_json(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "<image> and <image>?"}, {"from": "gpt", "value": "Two."}]
    values = [
        {"caption": " one "},
        {"caption": ["one", "two", ""]},
        {"caption": turns},
        {"caption": 3},
        {"text": "x"},
        7,
    ]
    members = {}
    for number, value in enumerate(values):
        pictures = {f"{number}.jpg": jpeg(8, form="JPEG")} | ({f"{number}.b.png": jpeg(9)} if number == 2 else {})
        members |= {**pictures, f"{number}.JSON": json.dumps(value).encode()}
    members |= {"6.jpg": jpeg(1), "6.json": b"{", "7.jpg": jpeg(1), "7.json": b"\xff"}
    made = source(str(shard(tmp_path / "a.tar", members)), caption=".json", shuffle=False)
    assert made.example(0).turns[0].text == "one"
    assert {made.example(1 + 8 * epoch).turns[0].text for epoch in range(20)} == {"one", "two"}
    asked = made.example(2)
    assert [type(piece).__name__ for piece in asked.turns[0].content] == ["Look", "str", "Look", "str"]
    assert (shade(asked, 0, 0), shade(asked, 0, 2)) == (8, 9)
    path = tmp_path / "a.tar"
    assert refused(made, 3) == ("no caption", f"{path}: 3.JSON: the caption is empty, or not a text")
    assert refused(made, 4) == ("no caption", f"{path}: 4.JSON has no 'caption' (known: text)")
    assert refused(made, 5) == ("no caption", f"{path}: 5.JSON has no 'caption'")
    assert refused(made, 6)[0] == "no JSON"
    assert refused(made, 7) == ("no caption", f"{path}: 7.json is not UTF-8")


def test_a_name_twice_in_a_shard_is_listed_unless_both_samples_are_whole(tmp_path: Path) -> None:
    def refusals(*names: str) -> list[str]:
        path = ordered(tmp_path / "a.tar", names)
        made = source(str(path), shuffle=False)
        return [outcome_of(made, index) for index in range(made.epochs.length)]

    assert refusals("7.png", "7.txt", "7.png", "7.txt") == ["ambiguous sample"]
    assert refusals("7.png", "7.png", "7.txt", "7.txt", "8.png", "8.txt") == ["ambiguous sample", "4"]
    assert refusals("7.png", "7.PNG", "7.txt") == ["ambiguous sample"]
    assert refusals("7.png", "8.png", "8.txt", "7.txt", "7.png") == ["ambiguous sample", "1", "ambiguous sample"]
    assert refusals("7.png", "8.png", "7.txt", "8.txt") == ["ambiguous sample"] * 4
    assert refusals("7.png", "7.txt", "8.png", "8.txt", "7.png", "7.txt") == ["0", "2", "4"], "each is whole"
    made = source(str(ordered(tmp_path / "b.tar", ["7.png", "7.txt", "7.png", "7.txt"])))
    assert refused(made, 0)[1] == (
        f"{tmp_path / 'b.tar'}: 7.png: the shard has several members of one name for this sample, so it cannot be told "
        "which belong together"
    )


def ordered(path: Path, names: Sequence[str]) -> Path:
    """A shard of members in this order, whose pictures and captions are their number."""
    with tarfile.open(path, "w") as tar:
        for number, name in enumerate(names):
            data = f"grey {number}".encode() if name.endswith("txt") else jpeg(number)
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def outcome_of(made: WebDataset, index: int) -> str:
    return str(outcome(made, index))


def test_a_sample_with_several_pictures_needs_the_setting(tmp_path: Path) -> None:
    members = {"1.depth.png": jpeg(1), "1.jpg": jpeg(2), "1.edited.jpg": jpeg(3), "1.txt": b"a"}
    path = shard(tmp_path / "a.tar", members)
    assert refused(source(str(path)), 0) == (
        "ambiguous sample",
        f"{path}: 1.txt: the sample has several pictures, .depth.png, .jpg, .edited.jpg; "
        'picture = "depth.png" takes one of them, and split = "last" splits names at their last dot',
    )
    for ending, expected in (("jpg", 2), (".JPG", 2), ("edited.jpg", 3), ("depth.png", 1)):
        assert shade(source(str(path), picture=ending).example(0)) == expected
    with pytest.raises(UsageError, match=r"no sample of the shards has a member \.png \(names are split at"):
        source(str(path), picture="png")
    turns = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "Grey."}]
    members = {"1.jpg": jpeg(2), "1.depth.png": jpeg(1), "1.json": json.dumps({"caption": turns}).encode()}
    path = shard(tmp_path / "b.tar", members)
    assert refused(source(str(path)), 0)[0] == "ambiguous sample"
    assert shade(source(str(path), picture="jpg").example(0), 0) == 2


def test_captions_that_differ_need_the_setting(tmp_path: Path) -> None:
    def members(text: str, value: object, **others: bytes) -> dict[str, bytes]:
        return {"1.jpg": jpeg(2), "1.txt": text.encode(), "1.json": json.dumps(value).encode(), **others}

    same = source(str(shard(tmp_path / "same.tar", members("a cat\n", {"caption": "a cat", "width": 6}))))
    assert same.example(0).turns[0].text == "a cat"
    meta = source(str(shard(tmp_path / "meta.tar", members("a cat", {"width": 6}))))
    assert meta.example(0).turns[0].text == "a cat"
    path = shard(tmp_path / "two.tar", members("a cat", {"caption": "a dog"}))
    assert refused(source(str(path)), 0) == (
        "ambiguous sample",
        f'{path}: 1.txt: the sample has several captions, .txt, .json; caption = "txt" takes one of them',
    )
    assert source(str(path), caption="json").example(0).turns[0].text == "a dog"
    assert source(str(path), caption="txt").example(0).turns[0].text == "a cat"
    path = shard(tmp_path / "twice.tar", {"1.jpg": jpeg(1), "1.json": b'{"caption": "a cat", "caption": "a dog"}'})
    assert refused(source(str(path)), 0) == (
        "no JSON",
        f"{path}: 1.json is not JSON: an object has the key 'caption' more than once",
    )
    path = shard(tmp_path / "mark.tar", {"1.jpg": jpeg(1), "1.txt": b"<image>\na cat"})
    assert refused(source(str(path)), 0)[0] == "unknown placeholder"
    assert source(str(path), placeholders="text").example(0).turns[0].text == "<image>\na cat"


def test_names_with_dots_are_read_or_explained(tmp_path: Path) -> None:
    dots = {"a.jpg": jpeg(1), "a.txt": b"a", "photo v2.0.jpg": jpeg(2), "photo v2.0.txt": b"b"}
    path = shard(tmp_path / "a.tar", dots)
    made = source(str(path), shuffle=False)
    assert [(shade(made.example(i)), made.example(i).turns[0].text) for i in range(2)] == [(1, "a"), (2, "b")]
    assert refused(source(str(path), caption="txt", shuffle=False), 1)[1] == (
        f"{path}: photo v2.0.jpg: the sample has no .txt (names are split at their first dot, which gives .0.txt; "
        'see split = "last")'
    )
    more = dots | {"photo v2.1.jpg": jpeg(3), "photo v2.1.txt": b"c"}
    path = shard(tmp_path / "b.tar", more)
    kind, message = refused(source(str(path), shuffle=False), 1)
    assert (kind, 'split = "last"' in message) == ("ambiguous sample", True)
    made = source(str(path), split="last", shuffle=False)
    assert [shade(made.example(index)) for index in range(3)] == [1, 2, 3]
    path = shard(tmp_path / "c.tar", {"v2.0.jpg": jpeg(1), "v2.1.txt": b"another picture's"})
    assert refused(source(str(path)), 0) == (
        "ambiguous sample",
        f"{path}: v2.1.txt: .0.jpg and .1.txt may not belong together; "
        'picture = "0.jpg" and caption = "1.txt" take them as one sample',
    )


def test_turns_beside_pictures_keep_their_system_text_and_place_their_pictures(tmp_path: Path) -> None:
    content = [{"type": "image"}, {"type": "text", "text": "What?"}]
    turns = [{"role": "user", "content": content}, {"role": "assistant", "content": "Grey."}]
    inline = [{"type": "image", "path": "other.png"}, {"type": "text", "text": "What?"}]
    records: list[dict[str, Any]] = [
        {"caption": turns, "system": "Be brief."},
        {"caption": [{"role": "user", "content": inline}, turns[1]]},
        {"caption": [{"role": "user", "content": "<video>?"}, turns[1]]},
    ]
    members = {}
    for number, record in enumerate(records):
        members |= {f"{number}.png": jpeg(number), f"{number}.json": json.dumps(record).encode()}
    path = shard(tmp_path / "a.tar", members)
    made = source(str(path), shuffle=False)
    example = made.example(0)
    assert (example.system, shade(example, 0, 0), example.turns[0].text) == ("Be brief.", 0, "\nWhat?")
    reason = "pictures are listed by the record, and also given by its turns"
    assert refused(made, 1) == ("ambiguous sample", f"{path}: 1.json: {reason}")
    assert refused(made, 2)[0] == "unknown placeholder"


def test_damaged_samples_are_said_with_shard_and_member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    huge = b"P6 60000 60000 255\n" + bytes(64)
    members = {
        "0.png": jpeg(1)[:50], "0.txt": b"torn",
        "1.png": b"no picture", "1.txt": b"text",
        "2.ppm": huge, "2.txt": b"huge",
        "3.txt": b"alone",
        "4.png": jpeg(4),
        "5.png": jpeg(5), "5.txt": b" \n",
        "6.png": jpeg(6), "6.txt": b"whole",
    }  # fmt: skip
    made = source(str(shard(tmp_path / "a.tar", members)), shuffle=False)
    kinds = [refused(made, index) for index in range(6)]
    path = tmp_path / "a.tar"
    assert [kind for kind, _ in kinds] == [
        "damaged picture", "damaged picture", "huge picture", "missing picture", "no caption", "no caption"
    ]  # fmt: skip
    assert kinds[0][1].startswith(f"{path}: 0.png is damaged: ")
    assert kinds[1][1].startswith(f"{path}: 1.png is not a picture that can be read")
    assert kinds[2][1] == f"{path}: 2.ppm has more than 80 million pixels, too many to decode"
    assert kinds[3][1] == f"{path}: 3.txt: the sample has no picture"
    assert kinds[4][1] == f"{path}: 4.png: the sample has no .txt or .json"
    assert kinds[5][1] == f"{path}: 5.txt: the caption is empty, or not a text"
    assert made.example(6).turns[0].text == "whole"
    monkeypatch.setattr(module, "MAX_MEMBER_BYTES", 4)
    assert refused(made, 6) == ("huge member", f"{path}: 6.txt has 0 MiB; the limit is 0 MiB")


FORMS = st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])


@given(st.integers(1, 6 * 2048), FORMS)
def test_a_truncated_shard_keeps_what_is_whole(tmp_path_factory: Any, length: int, form: int) -> None:
    """Whatever the byte at which it ends: what is whole is read, and that something is lost is counted."""
    path = shard(tmp_path_factory.mktemp("cut") / "a.tar", captions(0, 6), format=form)
    path.write_bytes(path.read_bytes()[:length])  # a sample has two members, of a block of header and one of data each
    if length < 3 * 512:
        with pytest.raises(UsageError, match=r"no sample of the shards has a member \.txt or \.json|is not a tar file"):
            source(str(path))
        return
    made = source(str(path), shuffle=False)
    outcomes = [outcome(made, index) for index in range(made.epochs.length)]
    whole = sum(2048 * number + 1536 + len("grey 0\n") <= length for number in range(6))
    assert outcomes[:whole] == list(range(whole))
    assert all(expected_message in ("damaged shard", "no caption") for expected_message in outcomes[whole:])
    assert bool(outcomes[whole:]) == (length % 2048 != 0)


def outcome(made: WebDataset, index: int) -> int | str:
    """The shade of an example's picture, or the kind of its error."""
    try:
        return shade(made.example(index))
    except SampleError as error:
        return error.kind


def test_garbage_between_members_is_no_silent_end(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.tar", captions(0, 3))
    data = bytearray(path.read_bytes())
    data[4 * 512 : 5 * 512] = b"\x55" * 512  # the header of the second sample's picture
    path.write_bytes(data)
    made = source(str(path), shuffle=False)
    assert [shade(made.example(0)), made.epochs.length] == [0, 2]
    assert refused(made, 1) == ("damaged shard", f"{path} is damaged at byte 2048: all after its 1 samples is lost")


@pytest.mark.parametrize("form", ["gz", "bz2", "xz"])
def test_compressed_shards_are_decompressed_once_into_a_folder(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        with tarfile.open(tmp_path / f"a-{number}.tar.{form}", f"w:{form}") as tar:
            for name, data in captions(2 * number, 2).items():
                (tmp_path / "member").write_bytes(data)
                tar.add(tmp_path / "member", name)
    with pytest.raises(UsageError, match=r'or set unpacked = "FOLDER" to have janiform decompress it once'):
        source("a-*")
    pattern = f"a-{{0..1}}.tar.{form}"
    first = source(pattern, unpacked="room", shuffle=False)
    assert [shade(first.example(index)) for index in range(4)] == [0, 1, 2, 3]
    assert all(path.suffix == ".tar" for path in (tmp_path / "room").iterdir())
    monkeypatch.setattr(unpacked, "_decompress", lambda *_: pytest.fail("it exists already"))
    second = source(pattern, unpacked="room", shuffle=False)
    assert second.example(3) == first.example(3)


def test_a_damaged_compressed_shard_keeps_what_is_whole(tmp_path: Path) -> None:
    with gzip.open(shard(tmp_path / "a.tar", captions(0, 9)).with_suffix(".tar.gz"), "wb") as stream:
        stream.write((tmp_path / "a.tar").read_bytes())
    path = tmp_path / "a.tar.gz"
    path.write_bytes(path.read_bytes()[:-200])
    made = source("a.tar.gz", unpacked="room", shuffle=False)
    outcomes = [outcome(made, index) for index in range(made.epochs.length)]
    assert outcomes[0] == 0
    assert outcomes[-1] in ("damaged shard", "no caption")
    path.write_bytes(path.read_bytes()[:4])
    with pytest.raises(UsageError, match="is compressed, and damaged from its first byte on"):
        source("a.tar.gz", unpacked="room")
    assert len(list((tmp_path / "room").iterdir())) == 1
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"'a.tar.gz' cannot be decompressed to 'file/a-.*\.tar': "):
        source("a.tar.gz", unpacked="file")


NO_SHARDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "text": (lambda path: path.write_text("no tar at all " * 99), "is not a tar file: "),
    "empty": (lambda path: path.touch(), "is not a tar file: it is empty"),
    "gzip": (
        lambda path: path.write_bytes(gzip.compress(bytes(2000))),
        "is compressed, and shards are read in random order",
    ),
    "zstd": (lambda path: path.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(99)), "decompress it with unzstd"),
    "nothing": (lambda path: shard(path, {}), "the shards hold no sample"),
    "uncaptioned": (
        lambda path: shard(path, {"1.jpg": b"", "1.text": b""}),
        r"has a member .txt or .json (did you mean 'text'?)",
    ),
    "pictureless": (
        lambda path: shard(path, {"1.txt": b"x", "1.cls": b"1"}),
        "the extensions are cls, txt",
    ),
}


@pytest.mark.parametrize("name", NO_SHARDS)
def test_what_is_no_shard_is_refused_by_name(tmp_path: Path, name: str) -> None:
    write, expected_message = NO_SHARDS[name]
    write(tmp_path / "x.tar")
    with pytest.raises(UsageError) as caught:
        source("x.tar")
    assert expected_message in str(caught.value)


def test_all_files_that_are_no_shards_are_named(tmp_path: Path) -> None:
    shard(tmp_path / "a.tar", captions(0, 1))
    for name in ("b.tar", "c.tar"):
        (tmp_path / name).write_text("x" * 2000)
    with pytest.raises(UsageError) as caught:
        source("*.tar")
    assert [problem.message.partition("'")[2][:5] for problem in caught.value.problems] == ["b.tar", "c.tar"]


def test_folders_links_and_hidden_members_are_no_samples(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, kind in (("d", tarfile.DIRTYPE), ("d/1.png", tarfile.SYMTYPE)):
            member = tarfile.TarInfo(name)
            member.type = kind
            tar.addfile(member)
    with tarfile.open(tmp_path / "b.tar", "w") as tar:
        (tmp_path / "1.png").write_bytes(jpeg(3))
        (tmp_path / "1.txt").write_text("x")
        for folder in ("left", "right"):
            tar.add(tmp_path / "1.png", f"{folder}/1.png")
            tar.add(tmp_path / "1.txt", f"{folder}/._1.txt")
            tar.add(tmp_path / "1.txt", f"{folder}/1.txt")
    made = source("a.tar", "b.tar")
    assert made.epochs.length == 2
    assert shade(made.example(0)) == 3


def test_the_headers_of_a_large_shard_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CACHED_BYTES", 0)
    path = shard(tmp_path / "a.tar", captions(0, 3))
    path.write_bytes(path.read_bytes()[: 9 * 512])
    first = source("a.tar", shuffle=False)
    indexed = module.indexed
    monkeypatch.setattr(module, "indexed", lambda path: pytest.fail("the index must come from the cache"))
    second = source("a.tar", shuffle=False)
    assert [shade(second.example(index)) for index in range(2)] == [0, 1]
    assert refused(second, 2) == refused(first, 2)
    monkeypatch.setattr(module, "indexed", indexed)
    shard(path, captions(5, 4))
    assert shade(source("a.tar", shuffle=False).example(3)) == 8, "another file under the name is read anew"
    for kept in (tmp_path / "cache" / "janiform" / "shards").iterdir():
        kept.write_bytes(b"torn")
    assert source("a.tar").epochs.length == 4
