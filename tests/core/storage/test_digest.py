"""Digests tell weights apart, and large files are read once while they stay as they are."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from janiform import load
from janiform.storage import digest


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(digest, "_CACHED_BYTES", 2)
    for name in "ba":
        (tmp_path / name).write_bytes(name.encode() * 3)
    return [tmp_path / "b", tmp_path / "a"]


def test_one_file_and_several(files: list[Path]) -> None:
    assert digest.files_digest(files[:1]) == sha(b"bbb")
    assert digest.files_digest(files) == sha(f"a {sha(b'aaa')}\nb {sha(b'bbb')}\n".encode())


def test_a_large_file_is_read_again_when_it_changed_only(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    digest.files_digest(files)
    read: list[Path] = []
    real = digest.file_digest
    monkeypatch.setattr(digest, "file_digest", lambda path: read.append(path) or real(path))
    assert digest.files_digest(files[:1]) == sha(b"bbb")
    assert read == []
    files[0].write_bytes(b"bbc")
    os.utime(files[0], ns=(0, 12345))
    assert digest.files_digest(files[:1]) == sha(b"bbc")
    assert read == files[:1]


@pytest.mark.parametrize("memory", ["", "[]", '{"x": 1}', "no JSON"])
def test_a_damaged_memory_or_none_changes_nothing(files: list[Path], memory: str) -> None:
    place = digest._cache_file()
    place.parent.mkdir(parents=True)
    place.write_text(memory)
    assert digest.files_digest(files[:1]) == sha(b"bbb")
    place.unlink()
    place.parent.rmdir()
    place.parent.write_text("a file where the folder should be")
    assert digest.files_digest(files[:1]) == sha(b"bbb")


def test_pictures_of_a_public_directory_carry_its_digest(official: Path) -> None:
    model = load(official, only="draw")
    assert model.digest == sha((official / "pytorch_model.bin").read_bytes())
    assert f'"weights_sha256": "{model.digest}"' in model.generate("x")[0].info["janiform"]
