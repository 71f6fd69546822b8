"""``generate``, ``ask`` and ``eval``: files, output, and what they refuse."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import janiform
import pytest
from janiform.cli import main, outputs
from janiform.storage.atomic import PREFIX
from janiform.storage.save import save_model
from PIL import Image

Capture = pytest.CaptureFixture[str]

BENCHMARK = """
from janiform import Conversation, Metric, Request, Turn, mean_of_categories, mean_score

@attrs.frozen
class Settings:
    prompts: int = setting(3)
    name: str = setting("x")

class Counting:
    metrics = {"drawing.overall": Metric(), "drawing.odd_ones": Metric(chance=0.5)}
    def __init__(self, config):
        self.config, self.settings = config, {"prompts": config.prompts}
    def show(self, model, drawings, answers, progress): raise NotImplementedError
    def requests(self):
        prompt = Conversation((Turn("user", "a circle"),))
        return [Request(f"{n}", f"{n}", prompt, draws=True, seed=n) for n in range(self.config.prompts)]
    def judge(self, request, output):
        return {"drawing.odd_ones": request.seed % 2}
    def aggregate(self, items):
        return {"drawing.overall": mean_of_categories([items]), "drawing.odd_ones": mean_score(items)}

@hookimpl
def janiform_register(registrar):
    factory = "fake_plugin_counting:Counting"
    registrar.component("benchmark", "counting", config=Settings, factory=factory, summary="Counts.")
"""


@pytest.fixture(scope="module")
def folder(tiny_model: janiform.UnifiedModel, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_model(tiny_model, tmp_path_factory.mktemp("models") / "tiny"))


def test_generate_writes_pictures_that_say_how_they_were_made(folder: str, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "new" / "pictures"
    assert (
        main(["generate", folder, "A red circle!", "--n", "2", "--seed", "3", "--guidance", "2", "--out", str(out)])
        == 0
    )
    printed = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [path.name for path in printed] == [
        "a-red-circle-001.png",
        "a-red-circle-002.png",
        "a-red-circle-sheet-001.png",
    ]
    second = Image.open(printed[1])
    assert second.text["Description"] == "A red circle!"  # type: ignore[attr-defined]
    facts = json.loads(second.text["janiform"])  # type: ignore[attr-defined]
    assert (facts["seed"], facts["settings"]["guidance"], facts["prompt"]) == (4, 2.0, "A red circle!")
    assert facts["weights_sha256"] == janiform.load(folder).digest
    again = janiform.load(folder).generate(facts["prompt"], seed=facts["seed"], guidance=2)[0]
    assert again.tobytes() == second.tobytes()


def test_generate_never_overwrites(folder: str, tmp_path: Path, capsys: Capture) -> None:
    kept = tmp_path / "a-circle-001.png"
    kept.write_text("mine")
    assert main(["generate", folder, "a circle", "--out", str(tmp_path)]) == 0
    assert kept.read_text() == "mine"
    assert capsys.readouterr().out.strip().endswith("a-circle-002.png")
    assert {path.name for path in tmp_path.iterdir()} == {"a-circle-001.png", "a-circle-002.png"}


def test_generate_says_in_how_many_rounds_it_draws(
    folder: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["generate", folder, "a circle", "--n", "3", "--out", str(tmp_path)]
    assert main(arguments) == 0
    assert "rounds" not in capsys.readouterr().err
    monkeypatch.setattr("janiform.inference.memory.MOST", 2)
    assert main(arguments) == 0
    said = capsys.readouterr()
    assert "3 pictures in 2 rounds of 2: " in said.err
    assert "weights; " in said.err
    assert len(said.out.splitlines()) == 4
    monkeypatch.setattr("janiform.inference.memory.free_memory", lambda device, weights: 10**6)
    assert main(arguments) == 1
    assert "not even one picture fits into memory" in capsys.readouterr().err


def test_generate_json_names_the_files(folder: str, tmp_path: Path, capsys: Capture) -> None:
    assert main(["generate", folder, "a circle", "--n", "2", "--out", str(tmp_path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert all(Path(path).is_file() for path in [*said["pictures"], said["sheet"]])


def test_an_out_that_is_a_file_is_refused_before_anything_is_drawn(
    folder: str, tmp_path: Path, capsys: Capture
) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        assert main(["generate", folder, "a circle", "--out", str(out)]) == 2
        assert "--out must be a folder" in capsys.readouterr().err


@pytest.mark.parametrize("prompt", ["", "red " * 5000])
def test_generate_refuses_prompts_that_cannot_be_drawn(
    folder: str, tmp_path: Path, capsys: Capture, prompt: str
) -> None:
    assert main(["generate", folder, prompt, "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "prompt" in said
    assert "Traceback" not in said
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_no_half_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            super().write(data[:3])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "open", lambda path, mode, *_: Full(path, mode))
    with pytest.raises(OSError, match="No space") as caught:
        outputs.write_new(tmp_path, "a", "png", b"12345678")
    monkeypatch.undo()
    assert caught.value.filename == str(tmp_path / "a-001.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("links", [True, False])
def test_files_are_new_where_the_system_has_no_hard_links_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        monkeypatch.setattr("os.link", lambda *_: (_ for _ in ()).throw(OSError(errno.EPERM, "no links here")))
    (tmp_path / "a-001.png").symlink_to("nowhere")
    assert [outputs.write_new(tmp_path, "a", "png", data).name for data in (b"1", b"2")] == ["a-002.png", "a-003.png"]
    assert (tmp_path / "a-002.png").read_bytes() == b"1"
    assert len(list(tmp_path.iterdir())) == 3


KILLED = (
    "import os, signal, sys; from pathlib import Path\n"
    "from janiform.cli import outputs; from janiform.storage import atomic\n"
    "atomic._sync = lambda path: os.kill(os.getpid(), signal.SIGKILL)\n"
    "outputs.write_new(Path(sys.argv[1]), 'a-circle', 'png', b'half a picture')\n"
)


def test_what_a_killed_generate_left_is_removed_by_the_next(folder: str, tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], env={**os.environ}, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert [path.name.startswith(PREFIX) for path in tmp_path.iterdir()] == [True]
    assert main(["generate", folder, "a circle", "--out", str(tmp_path)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a-circle-001.png"]


def test_names_of_files_say_the_prompt() -> None:
    assert outputs.stem_of("A red circle, above: a BLUE square") == "a-red-circle-above-a-blue-square"
    assert outputs.stem_of("../../etc/passwd") == "etc-passwd"
    assert outputs.stem_of("猫") == "picture"
    assert len(outputs.stem_of("word " * 100)) <= 60


def test_ask_answers(folder: str, tmp_path: Path, capsys: Capture) -> None:
    Image.new("RGB", (9, 9), "red").save(tmp_path / "a.png")
    path = str(tmp_path / "a.png")
    assert main(["ask", folder, path, path, "are they alike?", "--max-new-tokens", "4"]) == 0
    answer = capsys.readouterr().out.rstrip("\n")
    assert main(["ask", folder, path, path, "are they alike?", "--max-new-tokens", "4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["answer"] == answer


def test_ask_shows_the_answer_as_it_comes_in_a_terminal(
    folder: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["ask", folder, "how many?", "--max-new-tokens", "12"]
    assert main(arguments) == 0
    answer = capsys.readouterr().out
    assert len(answer) > 3
    written: list[str] = []
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("click.echo", lambda text="", nl=True: written.append(f"{text}\n" if nl else text))
    assert main(arguments) == 0
    assert "".join(written) == answer
    assert len(written) > 2
    written.clear()
    assert main([*arguments, "--stop", answer[2], "--json"]) == 0
    assert json.loads("".join(written))["answer"] == answer.split(answer[2])[0].strip()


def test_ask_tells_pictures_from_questions(folder: str, tmp_path: Path, capsys: Capture) -> None:
    Image.new("RGB", (9, 9), "red").save(tmp_path / "a.png")
    path = str(tmp_path / "a.png")
    (tmp_path / "broken.png").write_bytes(Path(path).read_bytes()[:30])
    for arguments, said in (
        ([path], "the question comes last"),
        ([path, "how", "many?"], "put the question in quotes"),
        (["none.png", "what?"], "no file 'none.png'"),
        ([str(tmp_path / "broken.png"), "what?"], "broken.png' is"),
        ([path, " "], "empty"),
        (["https://a.b/c.png", "what?"], "is a URL, and nothing is downloaded"),
        (["https://a.b/c", "what?"], "is a URL, and nothing is downloaded"),
    ):
        assert main(["ask", folder, *arguments]) != 0
        assert said in capsys.readouterr().err


def test_a_question_may_end_with_the_name_of_a_picture(folder: str, capsys: Capture) -> None:
    assert main(["ask", folder, "what is the name of none.png", "--max-new-tokens", "2"]) == 0


def test_ask_has_the_options_of_loading(folder: str, capsys: Capture) -> None:
    assert main(["ask", folder, "red?", "--dtype", "float23"]) == 2
    assert "'float23' is not a valid dtype" in capsys.readouterr().err
    assert main(["ask", folder, "red?", "--device", "warp"]) == 2
    assert "the device 'warp' cannot be used" in capsys.readouterr().err


def test_eval_prints_scores(folder: str, install: Callable[..., Path], tmp_path: Path, capsys: Capture) -> None:
    install("counting", BENCHMARK)
    arguments = ["eval", folder, "counting", "--set", "prompts=8"]
    assert main([*arguments, "--json", "--out", str(tmp_path / "scores.json")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "scores.json").read_text())
    assert set(printed) == {"scores", "metrics", "settings"}
    # Wilson's interval of four in eight, from another program.
    expected = {"value": 0.5, "count": 8, "low": 0.21521, "high": 0.78479}
    assert printed["scores"]["drawing.odd_ones"] == pytest.approx(expected, abs=1e-5)
    assert printed["metrics"]["drawing.odd_ones"] == {"direction": "up", "chance": 0.5}
    assert printed["settings"]["prompts"] == 8
    assert printed["settings"]["benchmark"] == "counting@1"
    assert printed["settings"]["weights_sha256"]
    assert main(arguments) == 0
    table = " ".join(capsys.readouterr().out.split())
    assert "odd ones 0.500 0.215 – 0.785 8" in table
    assert "Not distinguishable from random answers: drawing.odd_ones benchmark" in table


def test_eval_draws_with_another_sampler(
    folder: str, install: Callable[..., Path], tmp_path: Path, capsys: Capture
) -> None:
    install("counting", BENCHMARK)
    out = tmp_path / "out"
    measured = ["eval", folder, "counting", "--json", "--out", str(out)]
    out.mkdir()
    assert main([*measured, "--sampler", "jacobi"]) == 0
    settings = json.loads(capsys.readouterr().out)["settings"]
    assert (settings["sampler"], settings["window"]) == ("jacobi@1", 8)
    assert main(measured) == 2
    assert 'sampler was "jacobi@1", now "autoregressive@1"' in capsys.readouterr().err
    assert main(["eval", folder, "counting", "--sampler", "jacobi", "--record"]) == 2
    assert "--record needs the model's own sampler" in capsys.readouterr().err


def test_a_store_that_does_not_record_the_sampler_is_continued(
    folder: str, install: Callable[..., Path], tmp_path: Path
) -> None:
    """Earlier versions did not write it."""
    install("counting", BENCHMARK)
    out = tmp_path / "out"
    out.mkdir()
    measured = ["eval", folder, "counting", "--out", str(out)]
    assert main(measured) == 0
    store = next(out.rglob("evaluation.json"))
    facts = json.loads(store.read_text())
    del facts["sampler"]
    store.write_text(json.dumps(facts))
    assert main(measured) == 0


def test_eval_says_which_scores_are_at_the_floor(folder: str, install: Callable[..., Path], capsys: Capture) -> None:
    install("counting", BENCHMARK.replace("request.seed % 2", "0").replace("chance=0.5", ""))
    assert main(["eval", folder, "counting"]) == 0
    assert "Not distinguishable from zero: drawing.overall, drawing.odd_ones" in capsys.readouterr().out


def test_eval_writes_items_and_pictures(
    folder: str, install: Callable[..., Path], tmp_path: Path, capsys: Capture
) -> None:
    install("counting", BENCHMARK)
    items, pictures = tmp_path / "items.jsonl", tmp_path / "pictures"
    arguments = ["eval", folder, "counting", "--items", str(items), "--pictures", str(pictures)]
    assert main(arguments) == 0
    first = items.read_text()
    rows = [json.loads(line) for line in first.splitlines()]
    assert rows[1] == {
        "metric": "drawing.odd_ones",
        "item": "1",
        "cluster": "1",
        "value": 1.0,
        "prediction": "pictures/000001-1.png",
    }
    assert [row["value"] for row in rows] == [0.0, 1.0, 0.0]
    assert all((tmp_path / row["prediction"]).is_file() for row in rows)
    assert main(arguments) == 0
    assert items.read_text() == first
    for option in ("--items", "--out", "--pictures"):
        assert main(["eval", folder, "counting", option, str(tmp_path / "none" / "file")]) == 2
        assert f"{option}: the folder" in capsys.readouterr().err


def test_eval_records_scores_with_the_model(
    tiny_model: janiform.UnifiedModel, install: Callable[..., Path], tmp_path: Path
) -> None:
    install("counting", BENCHMARK)
    folder = save_model(tiny_model, tmp_path / "model")
    assert main(["eval", str(folder), "counting", "--record"]) == 0
    facts = janiform.load(folder).facts
    assert facts["scores"]["counting"]["scores"]["drawing.overall"]["value"] == pytest.approx(1 / 3)
    assert facts["weights"]["sha256"]


@pytest.mark.parametrize("given", ["snapshot", "cache", "link", "name"])
def test_eval_records_nothing_in_the_cache_of_the_hub(
    tiny_model: janiform.UnifiedModel,
    install: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    given: str,
) -> None:
    install("counting", BENCHMARK)
    cache = tmp_path / "models--acme--tiny"
    snapshot = save_model(tiny_model, cache / "snapshots" / "0a1b")
    (tmp_path / "link").symlink_to(snapshot)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    before = {path.name: path.read_bytes() for path in snapshot.iterdir()}
    paths = {"snapshot": snapshot, "cache": cache, "link": tmp_path / "link", "name": "acme/tiny"}
    assert main(["eval", str(paths[given]), "counting", "--record"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "is a snapshot in the cache of the Hugging Face hub" in said
    assert "--out scores.json" in said
    assert main(["eval", str(paths[given]), "counting"]) == 0
    assert {path.name: path.read_bytes() for path in snapshot.iterdir()} == before


def test_eval_tells_before_it_measures_that_a_model_cannot_be_written_to(
    folder: str, install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    install("counting", BENCHMARK)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert main(["eval", folder, "counting", "--record"]) == 2
    said = capsys.readouterr()
    assert "cannot be written to" in " ".join(said.err.split())
    assert said.out == ""


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("prompt=3", "did you mean 'prompts'"),
        ('prompts="3"', "whole number"),
        ("prompts", "not valid TOML"),
        ("name=3", "string in quotes"),
    ],
)
def test_eval_refuses_settings(
    folder: str, install: Callable[..., Path], capsys: Capture, setting: str, said: str
) -> None:
    install("counting", BENCHMARK)
    assert main(["eval", folder, "counting", "--set", setting]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_eval_names_the_benchmarks_there_are(folder: str, install: Callable[..., Path], capsys: Capture) -> None:
    install("counting", BENCHMARK)
    assert main(["eval", folder, "countin"]) != 0
    assert "counting" in capsys.readouterr().err


@pytest.mark.parametrize("registered", ["counting", "shapes@2"])
def test_other_benchmarks_do_not_change_the_default(
    folder: str,
    install: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    registered: str,
) -> None:
    name, _, version = registered.partition("@")
    install("counting", BENCHMARK.replace('"benchmark", "counting"', f'"benchmark", "{name}", version={version or 1}'))
    given = f"{name}@{version or 1}"
    assert given in [component.reference for component in janiform.registry().components("benchmark")]
    used: list[str] = []

    def page(model: Any, benchmark: Any, *_: Any) -> Any:
        used.append(benchmark.reference)
        raise janiform.UsageError("no page in this test")

    monkeypatch.setattr("janiform.report.demo.demo_page", page)
    assert main(["demo", folder, "--out", str(tmp_path / "demo")]) == 2
    assert used == ["shapes@1"]
    assert main(["eval", folder, "--set", "pictures=1", "--set", "prompts=1", "--set", "questions=1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["benchmark"] == "shapes@1"
