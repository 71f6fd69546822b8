"""Evaluations that are interrupted continue from their store, which holds outputs of one model, settings and data."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve
from benchmarks_for_tests import Simple, Spy, ask, draw, quiet
from janiform import Conversation, Model, StorageError, UnifiedModel, UsageError, provenance_of
from janiform.evaluate import requests as rounds
from janiform.evaluate.runner import Evaluation, evaluate
from PIL import Image

GIVEN = [draw(0), ask(0), draw(1), ask(1, "blue?"), draw(2), ask(2), ask(3, "round?")]


@pytest.fixture(autouse=True)
def _small_rounds(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(rounds, "MOST", 2)
    return


def run(model: Model | UnifiedModel, store: Path, benchmark: Any = None, **settings: Any) -> Evaluation:
    model = model if isinstance(model, Model) else Model(model)
    return evaluate(model, benchmark or Simple(given=GIVEN), quiet, store=store, **settings)


class Killed(Spy):
    """A model that is interrupted in one of its calls."""

    def __init__(self, model: UnifiedModel, call: int) -> None:
        super().__init__(model)
        self.call = call

    def generate(self, *given: Any, **settings: Any) -> list[Image.Image]:  # type: ignore[override]
        self._count()
        return super().generate(*given, **settings)

    def reply_all(self, *given: Any, **settings: Any) -> list[str]:  # type: ignore[override]
        self._count()
        return super().reply_all(*given, **settings)

    def _count(self) -> None:
        if len(self.calls) == self.call:
            raise KeyboardInterrupt


def same(first: Evaluation, second: Evaluation) -> None:
    assert second.scores == first.scores
    assert second.items == first.items


@pytest.mark.parametrize("call", [0, 1, 2, 3])
def test_an_interrupted_evaluation_gives_the_scores_of_one_that_was_not(
    tiny_model: UnifiedModel, tmp_path: Path, call: int
) -> None:
    whole = run(tiny_model, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(Killed(tiny_model, call), tmp_path / "store")
    spy = Spy(tiny_model)
    same(whole, run(spy, tmp_path / "store"))
    assert len(spy.calls) == 4 - call
    spy = Spy(tiny_model)
    again = run(spy, tmp_path / "store")
    same(whole, again)
    assert not spy.calls
    assert again.settings["resumed"] == len(GIVEN)
    without = evaluate(Model(tiny_model), Simple(given=GIVEN), quiet)
    assert without.scores == whole.scores
    assert "resumed" not in without.settings


def test_held_out_losses_are_not_measured_again(
    tiny_model: UnifiedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(tiny_model, tmp_path / "store")
    monkeypatch.setattr("janiform.evaluate.steps.held_out_losses", None)
    same(whole, run(tiny_model, tmp_path / "store"))


def test_a_store_holds_answers_and_drawings(tiny_model: UnifiedModel, tmp_path: Path) -> None:
    evaluation = run(tiny_model, tmp_path / "store")
    lines = [json.loads(line) for line in (tmp_path / "store/outputs.jsonl").read_text().splitlines()]
    assert [line["item"] for line in lines if line["file"]] == ["draw/0", "draw/1", "draw/2"]
    assert sorted(line["item"] for line in lines if not line["file"]) == ["ask/0", "ask/1", "ask/2", "ask/3"]
    assert all(line["seconds"] > 0 for line in lines)
    assert provenance_of(tmp_path / "store" / lines[0]["file"]).seed == 7
    predictions = {item.item: item.prediction for item in evaluation.items if item.metric == "draws.red"}
    assert predictions["draw/1"] == "pictures/000002-draw-1.png"
    assert {line["item"]: line["output"] for line in lines}["ask/0"] in {
        item.prediction for item in evaluation.items if item.item == "ask/0"
    }


def test_drawings_in_a_store_are_also_written_to_the_folder_for_pictures(
    tiny_model: UnifiedModel, tmp_path: Path
) -> None:
    run(tiny_model, tmp_path / "store")
    evaluation = run(tiny_model, tmp_path / "store", pictures=tmp_path / "drawn")
    assert {item.prediction for item in evaluation.items if item.metric == "draws.red"} == {
        f"drawn/{path.name}" for path in (tmp_path / "store/pictures").iterdir()
    }
    for path in (tmp_path / "drawn").iterdir():
        assert path.read_bytes() == (tmp_path / "store/pictures" / path.name).read_bytes()
    inside = run(tiny_model, tmp_path / "store", pictures=tmp_path / "store/pictures")
    assert {item.prediction for item in inside.items if item.metric == "draws.red"} == {
        f"pictures/{path.name}" for path in (tmp_path / "drawn").iterdir()
    }


def test_a_judge_gets_drawings_of_a_store_as_they_were_drawn(tiny_model: UnifiedModel, tmp_path: Path) -> None:
    outputs: list[dict[str, Any]] = []

    class Keeps(Simple):
        def judge(self, request: Any, output: Any) -> Mapping[str, float]:
            outputs[-1][request.item] = output if isinstance(output, str) else np.asarray(output).tobytes()
            return super().judge(request, output)

    for _ in range(2):
        outputs.append({})
        run(tiny_model, tmp_path / "store", Keeps(given=GIVEN))
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) == len(GIVEN)


def test_an_incomplete_last_line_is_computed_again(tiny_model: UnifiedModel, tmp_path: Path) -> None:
    whole = run(tiny_model, tmp_path / "store")
    for name in ("outputs.jsonl", "losses.jsonl"):
        cut_short(tiny_model, tmp_path / "store", name, whole)


def cut_short(model: UnifiedModel, store: Path, name: str, whole: Evaluation) -> None:
    path = store / name
    data = path.read_bytes()
    for damaged in (data[:-9], data[:-1], data + b'{"item": "ask', data[: data.rindex(b"\n", 0, -1) + 1] + b"\0\0\n"):
        path.write_bytes(damaged)
        same(whole, run(model, store))
        assert len(path.read_bytes().splitlines()) == len(GIVEN)
        same(whole, run(model, store))
        path.write_bytes(data)


Damage = Callable[[list[bytes]], list[bytes]]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda lines: [lines[0][:-5], *lines[1:]], r"outputs\.jsonl:1: the line is damaged: .*delete the line"),
        (lambda lines: [b"[]", *lines], r"outputs\.jsonl:1: the line is damaged"),
        (lambda lines: [*lines, lines[1]], r"outputs\.jsonl:8: the line is damaged: 'draw/1' is stored a second time"),
        (lambda lines: [lines[0].replace(b'"pictures', b'"../pictures'), *lines[1:]], "which is not in it"),
        (lambda lines: [lines[0].replace(b"-0.png", b"-9.png"), *lines[1:]], "the drawing of 'draw/0' is missing"),
    ],
)
def test_other_damage_is_named(tiny_model: UnifiedModel, tmp_path: Path, damage: Damage, sentence: str) -> None:
    run(tiny_model, tmp_path / "store")
    path = tmp_path / "store/outputs.jsonl"
    path.write_bytes(b"\n".join(damage(path.read_bytes().splitlines())) + b"\n")
    with pytest.raises(StorageError, match=sentence):
        run(tiny_model, tmp_path / "store")


def test_another_model_is_refused(tiny_model: UnifiedModel, tmp_path: Path) -> None:
    run(tiny_model, tmp_path / "store")
    other = copy.deepcopy(tiny_model)
    with torch.no_grad():
        next(iter(other.parameters())).add_(1)
    with pytest.raises(UsageError, match=r"holds outputs of another evaluation: weights_sha256 was \"\w+\", now \"\w+"):
        run(other, tmp_path / "store")


def test_other_settings_are_refused(tiny_model: UnifiedModel, tmp_path: Path) -> None:
    run(tiny_model, tmp_path / "store")
    changed = Simple(given=GIVEN, settings={"mine": 4, "new": [1]})
    with pytest.raises(UsageError, match=r"settings\.mine was 3, now 4; settings\.new was unset"):
        run(tiny_model, tmp_path / "store", changed)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (GIVEN[:-2], "holds 2 outputs of items that the benchmark does not request: 'ask/2', 'ask/3'"),
        ([*GIVEN[:-1], ask(3, "square?")], "1 outputs of requests that have changed: .*: 'ask/3'"),
        (
            [evolve(GIVEN[0], seed=3), *GIVEN[1:]],
            "1 outputs of requests that have changed: their text, picture, seed or settings differ: 'draw/0'",
        ),
        (
            [*GIVEN[:-1], evolve(GIVEN[-1], conversation=Conversation.asking("round?", Image.new("RGB", (20, 20))))],
            "1 outputs of requests that have changed: .*: 'ask/3'",
        ),
        ([*GIVEN[:-1], evolve(GIVEN[-1], reference="no")], "1 losses of requests that have changed: .*: 'ask/3'"),
    ],
)
def test_other_data_are_refused(tiny_model: UnifiedModel, tmp_path: Path, given: list[Any], sentence: str) -> None:
    run(tiny_model, tmp_path / "store")
    with pytest.raises(UsageError, match=sentence):
        run(tiny_model, tmp_path / "store", Simple(given=given))


def test_a_folder_of_something_else_is_refused(tiny_model: UnifiedModel, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not a store of an evaluation: expected a new or empty folder"):
        run(tiny_model, tmp_path)
    with pytest.raises(StorageError, match=r"could not write .*notes\.txt"):
        run(tiny_model, tmp_path / "notes.txt")


def test_two_evaluations_do_not_write_to_one_store(tiny_model: UnifiedModel, tmp_path: Path) -> None:
    class Nested(Simple):
        def judge(self, request: Any, output: Any) -> Mapping[str, float]:
            with pytest.raises(UsageError, match="another evaluation writes to the store"):
                run(tiny_model, tmp_path / "store", Nested(given=GIVEN))
            return super().judge(request, output)

    first = run(tiny_model, tmp_path / "store", Nested(given=GIVEN))
    same(first, run(tiny_model, tmp_path / "store", Nested(given=GIVEN)))
