"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from janiform import StorageError
from janiform.storage.atomic import PREFIX, new_folder, sweep, write_files, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fails(number: int) -> object:
    def write(path: Path) -> None:
        path.write_text("half")
        raise OSError(number, os.strerror(number), str(path))

    return write


def test_text_is_replaced(tmp_path: Path) -> None:
    write_text(tmp_path / "deep" / "a.txt", "one")
    write_text(tmp_path / "deep" / "a.txt", "zwei ü")
    assert (tmp_path / "deep" / "a.txt").read_text(encoding="utf-8") == "zwei ü"
    assert names(tmp_path / "deep") == ["a.txt"]


@pytest.mark.parametrize(("number", "said"), [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "permission denied")])
def test_a_failure_leaves_every_previous_file(tmp_path: Path, number: int, said: str) -> None:
    for name in ("a", "b", "about"):
        write_text(tmp_path / name, "before")
    with pytest.raises(StorageError, match=said):
        write_files(tmp_path, {"a": lambda path: path.touch(), "b": fails(number)}, withdraw="about")
    assert names(tmp_path) == ["a", "about", "b"]
    assert {(tmp_path / name).read_text() for name in names(tmp_path)} == {"before"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_while_torch_saves_is_said(tmp_path: Path) -> None:
    def write(path: Path) -> None:
        with Path("/dev/full").open("wb") as file:
            torch.save({"weights": torch.zeros(1 << 16)}, file)

    with pytest.raises(StorageError, match="the disk is full"):
        write_files(tmp_path, {"a": write})
    assert names(tmp_path) == []


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(StorageError, match="could not write"):
        write_text(tmp_path / "a" / "b", "")


def test_a_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "checkpoint"
    with pytest.raises(StorageError, match="disk is full"), new_folder(target) as staging:
        fails(errno.ENOSPC)(staging / "x")  # type: ignore[operator]
    assert names(tmp_path) == []
    with new_folder(target) as staging:
        (staging / "x").write_text("1")
        assert not target.exists()
    with new_folder(target) as staging:
        (staging / "y").write_text("2")
    assert names(target) == ["y"]
    assert names(tmp_path) == ["checkpoint"]


def test_a_mistake_of_the_program_is_not_dressed_up(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="a bug"), new_folder(tmp_path / "x"):
        raise RuntimeError("a bug")


def test_leftovers_of_a_killed_process_are_swept(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from janiform.storage.atomic import new_folder\n"
        "with new_folder(Path(sys.argv[1]) / 'c') as staging:\n"
        "    (staging / 'x').write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env={**os.environ}, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert [name.startswith(PREFIX) for name in names(tmp_path)] == [True]
    sweep(tmp_path)
    assert names(tmp_path) == []


KILLED = (
    "import os, signal, sys; from pathlib import Path; from janiform.storage.atomic import write_files\n"
    "def write(part): part.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    "write_files(Path(sys.argv[1]), {'x': write})\n"
)


def test_the_next_write_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], env={**os.environ}, check=False)
    assert ended.returncode == -signal.SIGKILL
    (tmp_path / f"{PREFIX}empty").mkdir()
    assert len(names(tmp_path)) == 2
    write_text(tmp_path / "a.txt", "a")
    assert names(tmp_path) == ["a.txt"]


def test_a_write_in_progress_is_not_removed_by_another(tmp_path: Path) -> None:
    with new_folder(tmp_path / "c") as staging:
        (staging / "x").write_text("1")
        sweep(tmp_path)
        write_text(tmp_path / "a.txt", "a")
        assert (staging / "x").exists()
    assert names(tmp_path) == ["a.txt", "c"]
