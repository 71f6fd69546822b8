"""A run that is resumed says what differs in its data, and refuses where its position means nothing there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from janiform import Contents, StorageError, UsageError
from janiform.train.data.contents import FILE, compare

BEFORE = Contents(7, {"a.tar": 10, "b.tar": 20})


class Files:
    """A source that says what it holds."""

    def __init__(self, contents: Contents) -> None:
        self.contents = lambda: contents

    def example(self, index: int) -> Any:
        raise AssertionError("it is not read for a comparison")


class Endless:
    """One that has nothing to say."""

    def example(self, index: int) -> Any:
        raise AssertionError


def resumed(folder: Path, now: Contents, taken: int) -> list[str]:
    assert compare(folder, {"own": Files(BEFORE), "endless": Endless()}, {}) == []
    return compare(folder, {"own": Files(now), "endless": Endless()}, {"own": taken, "endless": 3})


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (Contents(8, {"a.tar": 10, "b.tar": 20}), ["had 7 samples when the run began, and has 8"]),
        (Contents(7, {"a.tar": 10, "c.tar": 21}), ["no longer has b.tar", "has new files: c.tar"]),
        (Contents(7, {"a.tar": 10}), ["no longer has b.tar"]),
    ],
)
def test_positions_that_mean_nothing_are_refused_once_samples_were_taken(
    tmp_path: Path, now: Contents, said: list[str]
) -> None:
    with pytest.raises(UsageError) as caught:
        resumed(tmp_path, now, taken=5)
    assert [problem.message for problem in caught.value.problems[1:]] == [
        f"{sentence}; 5 samples of it were taken" for sentence in said
    ]
    assert {problem.path for problem in caught.value.problems[1:]} == {"source.own"}
    assert compare(tmp_path, {"own": Files(BEFORE)}, {"own": 5}) == [], "what was there is put back"
    assert resumed(tmp_path, now, taken=0) == [f"source.own: {sentence}" for sentence in said]


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (BEFORE, []),
        (Contents(7, {"a.tar": 10, "b.tar": 25}), ["has changed b.tar (20 bytes before, 25 now)"]),
        (Contents(7, {"x.tar": 10, "y.tar": 20}), ["no longer has a.tar, b.tar", "has new files: x.tar, y.tar"]),
    ],
)
def test_what_leaves_positions_alone_is_said_once(tmp_path: Path, now: Contents, said: list[str]) -> None:
    assert resumed(tmp_path, now, taken=5) == [f"source.own: {sentence}" for sentence in said]
    assert compare(tmp_path, {"own": Files(now)}, {"own": 5}) == []


def test_a_run_of_an_earlier_version_has_nothing_to_compare(tmp_path: Path) -> None:
    assert compare(tmp_path, {"own": Files(BEFORE)}, {"own": 5}) == []
    (tmp_path / FILE).write_text("{")
    with pytest.raises(StorageError, match=f"{FILE} is damaged"):
        compare(tmp_path, {"own": Files(BEFORE)}, {"own": 5})
