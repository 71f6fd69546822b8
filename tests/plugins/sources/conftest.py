"""Tiny pictures, shards and record files, written by nothing of janiform."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image


def jpeg(shade: int, size: tuple[int, int] = (6, 4), form: str = "PNG") -> bytes:
    """A picture of one grey, which tells it from others."""
    file = io.BytesIO()
    Image.new("RGB", size, (shade, shade, shade)).save(file, form)
    return file.getvalue()


def shard(path: Path, members: Mapping[str, bytes], **options: Any) -> Path:
    with tarfile.open(path, "w", **options) as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def captions(first: int, count: int) -> dict[str, bytes]:
    """Members of samples ``first`` to ``first + count - 1``: a picture of that grey, and its number for a caption."""
    members = {}
    for number in range(first, first + count):
        members[f"data/{number:05d}.png"] = jpeg(number)
        members[f"data/{number:05d}.txt"] = f"grey {number}\n".encode()
    return members


def lines(path: Path, records: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths start at the test's folder, and nothing is remembered outside of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("JANIFORM_DATA", raising=False)
