"""``janiform demo`` makes one page out of a model, a benchmark and a little training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import janiform
import pytest
from attrs import evolve
from janiform.cli import main
from janiform.recipe import Stage, Training, Use
from janiform.report import demo
from janiform.storage.save import save_model
from janiform.train.run.interrupts import RunStoppedError

BENCHMARK = """
from janiform import Answered, Conversation, Drawn, Metric, Request, Showcase, Turn, mean_score

@attrs.frozen
class Settings:
    prompts: int = setting(100)

class Looking:
    def __init__(self, config): self.config = config
    metrics = {"drawing.overall": Metric(), "drawing.beauty": Metric()}
    @property
    def settings(self): return {"prompts": self.config.prompts}
    def requests(self):
        prompt = Conversation((Turn("user", "a circle"),))
        return [Request(f"{n}", f"{n}", prompt, draws=True, seed=n) for n in range(self.config.prompts)]
    def judge(self, request, output):
        return {"drawing.overall": request.seed == 0, "drawing.beauty": output.width}
    def aggregate(self, items):
        return {name: mean_score([item for item in items if item.metric == name]) for name in self.metrics}
    def show(self, model, drawings, answers, progress):
        pictures = model.generate(["the <b>circle</b>"] * drawings)
        drawn = tuple(Drawn("the <b>circle</b>", picture, True, "as asked") for picture in pictures)
        asked = tuple(Answered(pictures[0], "is it blue?", "yes", "yes", True) for _ in range(answers))
        return Showcase(drawn, asked)

@hookimpl
def janiform_register(registrar):
    factory = "fake_plugin_looking:Looking"
    presets = {"sample": {"prompts": 4}}
    registrar.component(
        "benchmark", "looking", config=Settings, presets=presets, factory=factory, summary="Looks."
    )
"""


@pytest.fixture(scope="module")
def folder(tiny_model: janiform.UnifiedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_model(tiny_model, tmp_path_factory.mktemp("models") / "tiny")
    about = json.loads((folder / "model.json").read_text())
    full = {"value": 0.875, "count": 600, "low": 0.8, "high": 0.9}
    about["scores"] = {"looking": {"scores": {"drawing.overall": full}}}
    (folder / "model.json").write_text(json.dumps(about))
    return folder


def test_the_page_holds_everything_and_is_never_overwritten(
    folder: Path, install: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install("looking", BENCHMARK)
    out = tmp_path / "demo"
    arguments = ["demo", str(folder), "--benchmark", "looking", "--drawings", "2", "--answers", "1", "--out", str(out)]
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"The page is {out / 'index.html'}\n"
    page = (out / "index.html").read_text()
    for expected in ("the &lt;b&gt;circle", "is it blue?", "0.25", "0.875", "88 %", "[backbone]", "<svg", "looking@1"):
        assert expected in page
    assert "beauty" not in page  # which is not from 0 to 1, so that no bar can show it
    assert main(arguments) == 0
    assert 'href="study-decoupled.html"' in page
    written = {path.name for path in out.iterdir()}
    assert written == {"index.html", "index-002.html", "study-decoupled.html", "study-decoupled-002.html"}
    assert 'href="study-decoupled-002.html"' in (out / "index-002.html").read_text()


def trainable(recipe: janiform.Recipe) -> janiform.Recipe:
    registry = janiform.registry()
    objective, source = registry.find("objective", "autoregressive"), registry.find("source", "shapes")
    stage = Stage(
        name="last",
        objective=Use("objective", objective, objective.config()),
        train=("backbone",),
        mixture={"draw": 1.0},
        steps=100,
        batch=64,
        learning_rate=1e-3,
        warmup=50,
    )
    sources = {"draw": Use("source", source, source.config())}
    return evolve(recipe, sources=sources, stages={"last": stage}, training=Training(stages=("last",)))


def test_the_short_training_is_the_last_stage_made_small(
    tiny_plan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def train(recipe: janiform.Recipe, out: Path, **settings: Any) -> Path:
        seen.update(settings, stage=recipe.stages["last"], out=out)
        out.mkdir()
        lines = [{"step": step, "losses": {"generation": 3.0 / step}} for step in (1, 2, 3)]
        (out / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        settings["reporter"].advance()
        return out

    monkeypatch.setattr(demo, "train", train)
    steps: list[tuple[str, int, int]] = []
    curve, note = demo._trained(trainable(tiny_plan.recipe), 3, lambda *progress: steps.append(progress))
    assert curve == {"generation": [(1, 3.0), (2, 1.5), (3, 1.0)]}
    assert "`last`" in note
    assert (seen["stages"], seen["until"]) == (["last"], 3)
    assert (seen["stage"].batch, seen["stage"].warmup, seen["stage"].log_every) == (32, 3, 1)
    assert not seen["out"].exists()
    assert steps == [("training", 0, 3), ("training", 1, 3)]


def test_no_stages_no_curve(tiny_plan: Any) -> None:
    assert demo._trained(tiny_plan.recipe, 40, lambda *progress: None) == ({}, "")
    assert demo._trained(trainable(tiny_plan.recipe), 0, lambda *progress: None) == ({}, "")


def test_stopping_it_says_that_no_page_was_written(tiny_plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*_: Any, **__: Any) -> Path:
        raise RunStoppedError("stopped; go on with …")

    monkeypatch.setattr(demo, "train", train)
    with pytest.raises(KeyboardInterrupt, match="no page"):
        demo._trained(trainable(tiny_plan.recipe), 3, lambda *progress: None)


def test_a_file_in_the_place_of_the_folder_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "demo").write_text("")
    assert main(["demo", "--out", str(tmp_path / "demo")]) == 2
