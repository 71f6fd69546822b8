"""The shipped janus-mini runs MMBench, MMMU and MM-Vet on tiny data in each format, with a judge on the loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import data_mm_vet
import data_mmbench
import data_mmmu
import pytest
from janiform import Model, UsageError, load
from janiform.components.registrar import Registrar
from janiform.evaluate.benchmarks import build_benchmark
from janiform.evaluate.runner import evaluate
from janiform_plugins.benchmarks import janiform_register
from judge_server import judge_server

PROFILES = ("official", "vlmevalkit", "llava", "lmms-eval", "janus")


@pytest.fixture(scope="module")
def model() -> Model:
    return load("janus-mini")


def quiet(what: str, done: int, of: int) -> None: ...


def built(name: str, data: Path, **settings: Any) -> Any:
    """The registered benchmark, with settings as from the command line."""
    registrar = Registrar("benchmarks")
    janiform_register(registrar)
    components, _ = registrar.finish()
    (component,) = (component for component in components if component.reference == f"{name}@1")
    return build_benchmark(component, {"data": str(data), "max_new_tokens": 4, **settings})


@pytest.mark.parametrize("profile", PROFILES)
def test_options_are_chosen_under_every_profile(model: Model, tmp_path: Path, profile: str) -> None:
    table = data_mmbench.write_vlmevalkit(tmp_path)
    evaluation = evaluate(model, built("mmbench", table, profile=profile, limit=1, losses=True), quiet)
    assert evaluation.scores["mmbench.circular"].count == 1
    assert evaluation.scores["mmbench.vanilla_all"].count == 4
    assert evaluation.scores["loss.answer"].count == 4
    assert evaluation.settings["profile"] == profile


@pytest.mark.parametrize("profile", PROFILES)
def test_several_pictures_are_looked_at_under_every_profile(model: Model, tmp_path: Path, profile: str) -> None:
    hub = data_mmmu.write_official(tmp_path)
    evaluation = evaluate(model, built("mmmu", hub, profile=profile), quiet)
    assert evaluation.scores["mmmu.overall"].count == 6
    assert "left_out" not in evaluation.settings


@pytest.mark.parametrize("write", ["write_official", "write_vlmevalkit"])
def test_answers_are_graded_by_a_judge(model: Model, tmp_path: Path, write: str) -> None:
    pytest.importorskip("openai")
    data = getattr(data_mm_vet, write)(tmp_path)
    prompt = str(data_mm_vet.write_prompt(tmp_path / "evaluator.py"))
    with judge_server(lambda request: "0.5") as server:
        settings = server.settings(tmp_path / "cache", judge_prompt=prompt, judge_price=[1.0, 2.0])
        evaluation = evaluate(model, built("mm-vet", data, **settings), quiet)
    assert evaluation.scores["mm_vet.total"].value == 0.5
    assert evaluation.settings["judge"]["model"] == "judge-1"


def test_a_benchmark_without_its_judge_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="scored by a judge, and the settings name none"):
        built("mm-vet", data_mm_vet.write_official(tmp_path))
