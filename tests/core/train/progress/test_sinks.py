"""Sinks get what the log gets; one that fails never ends a run, and one that cannot open is said before it begins."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import field, frozen
from janiform import Recipe, RecipeError, Registrar, Registry, Samples, dumps, hookimpl, read_recipe_text
from janiform.train.progress.log import read_log
from janiform.train.progress.sinks import open_sinks
from janiform.train.run.folder import differences
from janiform.train.run.train import train

SINK = '[sink.mine]\nuse = "postcard"\nstamp = "blue"\n'
GIVEN: list[Any] = []


@frozen(kw_only=True)
class PostcardConfig:
    """What a third party's sink may be set to."""

    stamp: str = field(default="red", metadata={"help": "colour of the stamp"})
    tears: int = field(default=0, metadata={"help": "calls after which it fails; 0 for never"})


class Postcard:
    """Keeps what it is given, and fails after so many calls."""

    def __init__(self, config: PostcardConfig, folder: Path, recipe: Recipe) -> None:
        if config.stamp == "none":
            raise ValueError("no stamp")
        self.config, self.calls = config, 0
        GIVEN.append(("open", config.stamp, folder.name, recipe.name))

    def _call(self, *what: Any) -> None:
        self.calls += 1
        if self.config.tears and self.calls > self.config.tears:
            raise OSError("it tore")
        GIVEN.append(what)

    def entry(self, line: Mapping[str, Any]) -> None:
        self._call("entry", dict(line))

    def samples(self, samples: Samples, stage: str, total: int) -> None:
        self._call("samples", samples, stage, total)

    def close(self) -> None:
        self._call("close")


@hookimpl
def janiform_register(registrar: Registrar) -> None:
    registrar.component(
        "sink", "postcard", config=PostcardConfig, factory=f"{__name__}:Postcard", summary="writes postcards"
    )


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    GIVEN.clear()
    return Registry.load({"post": SimpleNamespace(janiform_register=janiform_register)})


@pytest.fixture
def sunk(monkeypatch: pytest.MonkeyPatch, recipe_text: str, registry: Registry) -> Any:
    monkeypatch.setattr("janiform.train.run.preparation.TEXTS_TO_FIT", 20)
    monkeypatch.setitem(__import__("sys").modules, __name__, __import__("sys").modules.get(__name__))
    return lambda *lines: read_recipe_text(recipe_text + SINK, overrides=lines, registry=registry)


def test_a_third_partys_sink_gets_every_line_and_the_samples(sunk: Any, tmp_path: Path, listener: Any) -> None:
    train(sunk(), tmp_path / "run", stages=["all"], reporter=listener, ahead=0)
    assert GIVEN[0] == ("open", "blue", "run", "tiny")
    lines = [what[1] for what in GIVEN if what[0] == "entry"]
    assert lines == read_log(tmp_path / "run" / "log.jsonl")
    assert [line["step"] for line in lines] == [2, 4, 6]
    (_, samples, stage, total) = next(what for what in GIVEN if what[0] == "samples")
    assert (stage, total) == ("all", 6)
    written = json.loads((tmp_path / "run" / "samples" / "all-000006.json").read_text())["answers"]
    assert [tuple(answer.values()) for answer in written] == list(samples.answers)
    assert all(answer["question"] and answer["expected"] for answer in written)
    assert (tmp_path / "run" / "samples" / "all-000006.png").is_file()
    assert GIVEN[-1] == ("close",)
    assert "tokens_per_second" in lines[0]
    assert 0 < lines[0]["packing"] <= 1
    assert lines[0]["mfu"] > 0
    assert lines[0]["memory"] > 1 << 20
    provenance = json.loads((tmp_path / "run" / "run.json").read_text())["components"]
    assert provenance["sink.mine"]["component"] == "sink postcard@1"


def test_a_sink_that_fails_is_left_out_and_the_run_goes_on(sunk: Any, tmp_path: Path, listener: Any) -> None:
    train(sunk("sink.mine.tears = 1"), tmp_path / "run", stages=["all"], reporter=listener, ahead=0)
    assert [what[0] for what in GIVEN] == ["open", "entry"]
    said = [message for message in listener.said if "sink 'mine' failed" in message]
    assert said == ["sink 'mine' failed and gets nothing from here on: OSError: it tore"]
    assert len(read_log(tmp_path / "run" / "log.jsonl")) == 3


def test_a_sink_that_does_not_open_is_said_with_its_place(sunk: Any, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        open_sinks(sunk('sink.mine.stamp = "none"'), tmp_path, print)
    (problem,) = caught.value.problems
    assert problem.path == "sink.mine"
    assert "postcard@1" in problem.message
    assert "ValueError: no stamp" in problem.message
    assert str(problem.origin).startswith("<text>:")


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_missing_package_is_said_in_a_sentence(
    name: str, recipe_text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = {"tensorboard": "torch.utils.tensorboard", "wandb": "wandb"}[name]
    monkeypatch.setitem(__import__("sys").modules, module, None)
    recipe = read_recipe_text(recipe_text, overrides=[f'sink.{name}.use = "{name}"'])
    with pytest.raises(RecipeError, match=f"needs the package {name}.*pip install 'janiform\\[{name}\\]'"):
        open_sinks(recipe, tmp_path, print)


def test_sinks_read_back_and_do_not_count_when_a_run_goes_on(sunk: Any, recipe_text: str, registry: Registry) -> None:
    recipe = sunk()
    assert read_recipe_text(dumps(recipe), registry=registry) == recipe
    assert '[sink.mine]\nuse = "postcard@1"\nstamp = "blue"\ntears = 0\n' in dumps(recipe)
    assert differences(read_recipe_text(recipe_text), recipe, tuple(recipe.stages)) == ([], ())


def test_tensorboard_reads_what_its_sink_writes(
    recipe_text: str, tmp_path: Path, listener: Any, monkeypatch: Any
) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setattr("janiform.train.run.preparation.TEXTS_TO_FIT", 20)
    recipe = read_recipe_text(recipe_text, overrides=['sink.board.use = "tensorboard"'])
    train(recipe, tmp_path / "run", stages=["all"], until=4, reporter=listener, ahead=0)
    train(recipe, tmp_path / "run", resume=True, reporter=listener, ahead=0)
    found = EventAccumulator(str(tmp_path / "run" / "tensorboard"), size_guidance={"images": 0})
    found.Reload()
    lines = read_log(tmp_path / "run" / "log.jsonl")
    for name in ("generation", "text", "understanding"):
        events = [(event.step, event.value) for event in found.Scalars(f"losses/{name}")]
        assert events == [
            (line["total"], pytest.approx(line["losses"][name])) for line in lines if name in line["losses"]
        ]
    assert found.Tags()["images"] == ["samples/all"]
    assert "answers/all/text_summary" in found.Tags()["tensors"]
