"""Braces and globs are those of a shell, and what stands for nothing is said."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import UsageError
from janiform_plugins.sources.paths import expanded, files_of

WORDS = st.text("abxy", min_size=1, max_size=3)
ENDS = st.one_of(st.integers(0, 12).map(str), st.integers(0, 12).map(lambda number: f"{number:03d}"))
RANGES = st.builds(lambda first, last: f"{{{first}..{last}}}", ENDS, ENDS)
PATTERNS = st.recursive(
    st.one_of(WORDS, RANGES),
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: "{" + ",".join(parts) + "}"),
        st.lists(inner, min_size=2, max_size=2).map("".join),
    ),
    max_leaves=5,
)


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash to compare with")
@settings(max_examples=1)
@given(st.lists(PATTERNS, min_size=60, max_size=60))
def test_braces_are_those_of_a_shell(patterns: list[str]) -> None:
    script = "\n".join(f"printf '%s ' {pattern}; echo" for pattern in patterns)
    shell = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout
    assert [expanded(pattern) for pattern in patterns] == [line.split() for line in shell.splitlines()]


@pytest.mark.parametrize("pattern", ["plain.tar", "{}", "{a}", "a{b", "}a", "{a}{b,c}"])
def test_what_is_no_choice_stays(pattern: str) -> None:
    shell = subprocess.run(
        ["bash", "-c", f"echo '{pattern}'"], capture_output=True, text=True, check=True
    ).stdout.split()
    expected = ["{a}b", "{a}c"] if pattern == "{a}{b,c}" else shell
    assert expanded(pattern) == expected


def test_files_come_once_in_the_order_of_the_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b.tar", "a.tar", "x/c.tar", "x/y/d.tar"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert files_of(["b.tar", "*.tar", "x/{c,c}.tar"]) == [Path("b.tar"), Path("a.tar"), Path("x/c.tar")]
    assert files_of([f"{tmp_path}/x/**/*.tar"]) == [tmp_path / "x/c.tar", tmp_path / "x/y/d.tar"]
    monkeypatch.setenv("JANIFORM_DATA", str(tmp_path / "x"))
    assert files_of(["c.tar"]) == [tmp_path / "x" / "c.tar"]
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files_of(["~/a.tar"]) == [tmp_path / "a.tar"]


def test_everything_that_is_not_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError) as caught:
        files_of(["no-{1..2}.tar", "*.jsonl", "folder/", "/nowhere/x.tar", "s3://bucket/x.tar"])
    start = f"(relative paths start at {tmp_path}, or at $JANIFORM_DATA)"
    assert str(caught.value).splitlines() == [
        f"there is no file 'no-1.tar' {start}",
        f"there is no file 'no-2.tar' {start}",
        f"no file matches '*.jsonl' {start}",
        "'folder' is a folder (write 'folder/*' for the files in it)",
        "there is no file '/nowhere/x.tar'",
        "'s3://bucket/x.tar' is an address, and janiform does not download data (download it, and give the path of the copy)",
    ]
    with pytest.raises(UsageError, match="and 80 more like these"):
        files_of(["no-{1..100}.tar"])
    for bomb in ("{0..99999999}", "{a,b}" * 40, "{0..9999}{0..9999}"):
        with pytest.raises(UsageError, match="stands for more than 100000 paths"):
            expanded(bomb)
