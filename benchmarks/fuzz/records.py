"""Damaged records of every kind of source: files of conversations and of texts, tar shards, folders of classes."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from pathlib import Path
from random import Random
from typing import Any

from janiform import SampleError, read_recipe, registry
from janiform.compose import compose
from janiform.contracts.factories import make
from janiform.model.processor import Processor
from PIL import Image

from . import mutate

COUNT = 5_000

TEXTS = ("A circle.", "<image>\nWhat is it?", "<image>", "<video>", "<img>a.png</img>", "\ud83d", "\x1b[2J", "",
         "é" * 300, "<|endoftext|>", "<｜begin▁of▁sentence｜>", "\0", "<image><image>")  # fmt: skip
NAMES = ("a.png", "none.png", "../a.png", "/etc/passwd", "a.png\0", "\ud83d.png", "x" * 300, "https://a.b/c.png",
         "data:image/png;base64,AAAA", ".", "", "a.txt")  # fmt: skip
MEMBERS = ("0001.png", "0001.txt", "0001.json", "0002.png", "0002.txt", "0001.jpg", "a/b.c.png", "a/b.c.txt", ".png",
           "0003", "\udcff\udcfe.png", "\udcff\udcfe.txt", "x" * 120 + ".png", "0001.edited.png")  # fmt: skip


class Records:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        file = io.BytesIO()
        Image.new("RGB", (20, 24), (200, 30, 30)).save(file, "PNG")
        self._png = file.getvalue()
        recipe = read_recipe("janus-mini")
        self._processor = Processor(compose(recipe), registry().models()["janus-mini"])

    def run(self, chance: Random) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        kind, settings = chance.choice((self._conversations, self._text, self._shard, self._classes))(chance)
        component = registry().find("source", kind)
        source = make(component, component.config(shuffle=chance.random() < 0.3, **settings))
        refused: SampleError | None = None
        for index in range(4):
            try:
                example = source.example(index)
                for turn in example.turns:
                    for part in turn.content:
                        getattr(part, "picture", None)
                self._processor.collate([self._processor.sequence(example)])
            except SampleError as error:
                refused = error
            except IndexError:
                break
        if refused is not None:
            raise refused

    def _conversations(self, chance: Random) -> tuple[str, dict[str, Any]]:
        (self._folder / "a.png").write_bytes(self._png)
        records: list[dict[str, Any]] = []
        for _ in range(chance.randint(1, 3)):
            first, second = chance.choice(TEXTS[1:3]), TEXTS[0]
            record: dict[str, Any] = {
                "image": "a.png",
                "conversations": [{"from": "human", "value": first}, {"from": "gpt", "value": second}],
            }
            if chance.random() < 0.3:
                record["conversations"][chance.randrange(2)]["value"] = chance.choice(TEXTS)
            if chance.random() < 0.3:
                record["image"] = chance.choice((chance.choice(NAMES), [chance.choice(NAMES), "a.png"]))
            records.append(record)
        self._write("data.jsonl", records, chance)
        return "conversations", {"files": (str(self._folder / "data.jsonl"),), "images": str(self._folder)}

    def _text(self, chance: Random) -> tuple[str, dict[str, Any]]:
        self._write("data.jsonl", [{"text": chance.choice(TEXTS)} for _ in range(3)], chance)
        return "text", {"files": (str(self._folder / "data.jsonl"),)}

    def _write(self, name: str, records: list[Any], chance: Random) -> None:
        if chance.random() < 0.3:
            data = mutate.json_text(records, chance)
        else:
            data = b"\n".join(
                mutate.json_text(record, chance) if chance.random() < 0.5 else json.dumps(record).encode()
                for record in records
            )
        (self._folder / name).write_bytes(data)

    def _shard(self, chance: Random) -> tuple[str, dict[str, Any]]:
        path = self._folder / "shard.tar"
        form = chance.choice((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT))
        with tarfile.open(path, "w", format=form, errors="surrogateescape") as archive:
            names = chance.choices(MEMBERS, k=chance.randint(1, 6)) if chance.random() < 0.5 else list(MEMBERS[:5])
            for name in names:
                data = self._png if name.endswith((".png", ".jpg")) else chance.choice(TEXTS).encode("utf-8", "replace")
                if name.endswith(".json"):
                    data = mutate.json_text({"caption": ["a", "b"], "text": "a"}, chance)
                member = tarfile.TarInfo(name)
                member.size = len(data)
                member.type = chance.choice(
                    (tarfile.REGTYPE,) * 8 + (tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE)
                )
                try:
                    archive.addfile(member, io.BytesIO(data))
                except (ValueError, UnicodeError):  # this format of tar cannot hold the name
                    continue
        if chance.random() < 0.6:
            path.write_bytes(_headers_damaged(path.read_bytes(), chance))
        return "webdataset", {"files": (str(path),), "caption": chance.choice(("txt", "json"))}

    def _classes(self, chance: Random) -> tuple[str, dict[str, Any]]:
        for name in ("tench", b"\xb2\xe2\xca\xd4", "x" * 200, "\x1b[2J"):
            folder = os.fsencode(self._folder / "classes") + b"/" + os.fsencode(name)
            if chance.random() < 0.7:
                os.makedirs(folder)  # noqa: PTH103 - a name that is not text
                for file in (b"a.png", b"\xb2\xe2.png", b"b.txt"):
                    with open(folder + b"/" + file, "wb") as stream:  # noqa: PTH123
                        stream.write(mutate.damaged(self._png, chance) if chance.random() < 0.3 else self._png)
        settings: dict[str, Any] = {"folder": str(self._folder / "classes")}
        if chance.random() < 0.4:
            (self._folder / "names.json").write_bytes(mutate.json_text({"tench": "a fish", "b": "c"}, chance))
            settings["names"] = str(self._folder / "names.json")
        return "image-folder", settings


def _headers_damaged(data: bytes, chance: Random) -> bytes:
    """A tar with damage where it decides most: in a header, whose checksum then often fits again."""
    blocks = bytearray(data)
    at = chance.randrange(0, len(blocks), 512)
    field = chance.choice(((0, 100), (124, 12), (148, 8), (156, 1), (257, 8), (345, 155)))
    start = at + field[0]
    blocks[start : start + field[1]] = chance.choice(
        (b"\xff" * field[1], b"-0000000001\0"[: field[1]].ljust(field[1], b"\0"), chance.randbytes(field[1]),
         b"77777777777\0"[: field[1]].ljust(field[1], b"\0"), b"\0" * field[1])
    )  # fmt: skip
    if chance.random() < 0.7:
        header = blocks[at : at + 512]
        header[148:156] = b" " * 8
        blocks[at + 148 : at + 156] = b"%06o\0 " % sum(header)
    return bytes(blocks)
