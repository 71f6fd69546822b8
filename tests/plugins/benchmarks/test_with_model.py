"""The shipped janus-mini runs the benchmarks on tiny data in each format, and pictures are read when they are used."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import data_gqa
import data_mme
import data_pope
import data_seed
import pytest
from janiform import Model, PictureError, load
from janiform.components.registrar import Registrar
from janiform.evaluate.benchmarks import build_benchmark
from janiform.evaluate.runner import evaluate
from janiform_plugins.benchmarks import janiform_register
from PIL import Image

DATA = {"pope": data_pope, "mme": data_mme, "gqa": data_gqa, "seed-bench": data_seed}


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
    return build_benchmark(component, {"data": str(data), **settings})


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("write", ["write_official", "write_vlmevalkit", "write_llava"])
def test_every_benchmark_runs_in_every_format(model: Model, tmp_path: Path, name: str, write: str) -> None:
    benchmark = built(name, getattr(DATA[name], write)(tmp_path), profile="janus", limit=4, max_new_tokens=4)
    evaluation = evaluate(model, benchmark, quiet)
    assert evaluation.scores
    assert evaluation.settings["profile"] == "janus"
    assert evaluation.settings["max_new_tokens"] == 4
    items = {item.item for item in evaluation.items}
    assert items == set(benchmark.by_item)
    assert all(metric in benchmark.metrics for metric in evaluation.scores)


def test_options_are_ranked_and_losses_measured(model: Model, tmp_path: Path) -> None:
    benchmark = built("seed-bench", data_seed.write_official(tmp_path), limit=3, losses=True)
    evaluation = evaluate(model, benchmark, quiet)
    predictions = {item.prediction for item in evaluation.items if item.metric == "seed.accuracy"}
    assert predictions <= set(data_seed.OPTIONS.values())
    assert evaluation.scores["loss.answer"].count == 3
    right = {item.item for item in evaluation.items if item.metric == "seed.accuracy" and item.value}
    assert {key for key, q in benchmark.by_item.items() if q.options[q.answer] in predictions} >= right


def test_examples_show_the_questions_and_whether_answers_are_right(model: Model, tmp_path: Path) -> None:
    benchmark = built("pope", data_pope.write_official(tmp_path), profile="lmms-eval")
    shown = benchmark.show(model, 0, 5, quiet).others
    assert len(shown) == 5
    assert {example.question for example in shown} <= {
        line["text"] for s in data_pope.SPLITS for line in data_pope.lines(s)
    }
    assert all(example.correct == (example.answer.strip().lower() == example.expected) for example in shown)
    assert built("pope", tmp_path, without_pictures=True).show(model, 0, 5, quiet).others == ()


def test_a_damaged_picture_is_named_by_its_row_when_it_is_used(model: Model, tmp_path: Path) -> None:
    path = data_pope.write_vlmevalkit(tmp_path)
    whole = data_pope.encoded(0)
    path.write_text(path.read_text().replace(whole, whole[:44] + "A" * 44))
    with pytest.raises(PictureError, match=r"the picture of index \d at .*POPE\.tsv:\d is (damaged|not a picture)"):
        evaluate(model, built("pope", path), quiet)


def test_pictures_are_not_kept_in_memory(tmp_path: Path) -> None:
    benchmark = built("mme", data_mme.write_vlmevalkit(tmp_path))
    requests = benchmark.requests()
    gc.collect()
    assert len(requests) == 56
    assert not [each for each in gc.get_objects() if issubclass(type(each), Image.Image) and each.size == (8, 6)]
    pictures = {request.conversation.turns[0].content[0].picture.key for request in requests}
    assert len(pictures) == 28
