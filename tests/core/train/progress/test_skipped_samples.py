"""What is passed over is listed once, and a resumed run forgets what it does again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from janiform import RecipeError, SampleError
from janiform.recipe import Recipe
from janiform.train.data.builder import DataError
from janiform.train.data.seeding import seeds_of
from janiform.train.progress import skipped_samples as module
from janiform.train.progress.log import read_log
from janiform.train.progress.skipped_samples import SkippedSample, SkippedSampleLog
from janiform.train.run.train import train
from janiform_plugins.sources.shapes.source import Shapes


def skip(index: int, kind: str = "damaged picture") -> SkippedSample:
    return SkippedSample(3, "ask", index, kind, f"picture {index} is dämaged")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_counts_since_the_last_line_and_in_all(tmp_path: Path) -> None:
    with SkippedSampleLog(tmp_path / "skipped.jsonl") as log:
        log.add(1, ())
        assert not (tmp_path / "skipped.jsonl").exists()
        log.add(2, [skip(1), skip(2, "no caption")])
        assert log.since() == {"damaged picture": 1, "no caption": 1}
        log.add(4, [skip(3)])
        assert log.since() == {"damaged picture": 1}
        assert log.counts == {"damaged picture": 2, "no caption": 1}
    found = lines(tmp_path / "skipped.jsonl")
    assert found[0] == {"total": 2, "step": 3, "source": "ask", "index": 1, "kind": "damaged picture",
                        "reason": "picture 1 is dämaged", "kept": False}  # fmt: skip
    with SkippedSampleLog(tmp_path / "skipped.jsonl", total=3) as log:
        log.add(4, [skip(9)])
    assert [line["index"] for line in lines(tmp_path / "skipped.jsonl")] == [1, 2, 9]


def test_the_list_ends_where_it_helps_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LISTED", 3)
    for total in (0, 5):
        with SkippedSampleLog(tmp_path / "skipped.jsonl", total) as log:
            log.add(total + 1, [skip(index) for index in range(5)])
            log.add(total + 1, [skip(7, "no caption")])
            assert log.counts["damaged picture"] == 5
    assert [line["index"] for line in lines(tmp_path / "skipped.jsonl")] == [0, 1, 2, 7, 7]


@pytest.fixture
def fading(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], bool]], None]:
    """Lets some examples of the shapes be such that cannot be used."""
    example = Shapes.example
    faded: list[Callable[[int], bool]] = []

    def sometimes(self: Shapes, index: int) -> Any:
        if any(test(index) for test in faded):
            raise SampleError(f"scene {index} has faded", "faded")
        return example(self, index)

    monkeypatch.setattr(Shapes, "example", sometimes)
    return faded.append


def first_sample(recipe: Recipe) -> int:
    """The index of the first sample of the stage `tokenizer`, whose source is endless."""
    endless: Any = SimpleNamespace(example=lambda index: None)
    return seeds_of(recipe).stage("tokenizer").first({"draw": endless}, ["draw"], {})["draw"]


Fading = Callable[[Callable[[int], bool]], None]


def test_a_run_lists_counts_and_resumes(recipe: Recipe, tmp_path: Path, listener: Any, fading: Fading) -> None:
    first = first_sample(recipe)
    fading(lambda index: (index - first) % 5 == 2)
    for until in (2, 6):
        train(recipe, tmp_path, until=until, resume=until > 2, stages=["tokenizer"], device="cpu", reporter=listener)
        with (tmp_path / "skipped.jsonl").open("a") as file:
            file.write('{"total": 3, "kind": "of a step that was lost when the run was killed"}\n{"tot')
    found = [json.loads(line) for line in (tmp_path / "skipped.jsonl").read_text().splitlines()[:-2]]
    assert [line["index"] - first for line in found] == [2, 7, 12, 17, 22]
    assert [line["total"] for line in found] == [1, 2, 4, 5, 6]
    entries: list[Any] = read_log(tmp_path / "log.jsonl")
    assert [entry["skipped_samples"] for entry in entries] == [{"faded": 2}, {}, {"faded": 3}]
    assert listener.said[-1] == f"samples that could not be used, or not whole: 3 × faded; see {tmp_path}/skipped.jsonl"


@pytest.mark.parametrize(
    ("index", "error", "place"), [(2, RecipeError, "stage.tokenizer.mixture: "), (9, DataError, "")]
)
def test_a_strict_run_stops(
    changed: Callable[[str, str], Recipe],
    tmp_path: Path,
    listener: Any,
    fading: Fading,
    index: int,
    error: type,
    place: str,
) -> None:
    """At once where the first step needs the example, else when it is its turn."""
    strict = changed("checkpoint_every = 2", "strict = true\nworkers = 2")
    index += first_sample(strict)
    fading(lambda place: place == index)
    with pytest.raises(error) as caught:
        train(strict, tmp_path, stages=["tokenizer"], device="cpu", reporter=listener)
    assert f"{place}example {index} of source 'draw': scene {index} has faded" in str(caught.value)
