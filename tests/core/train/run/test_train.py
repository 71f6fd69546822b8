"""A run trains what it says, can be cut anywhere, and says what it cannot do."""

from __future__ import annotations

import errno
import io
import json
import math
import multiprocessing
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from janiform import JaniformError, RecipeError, StorageError, UsageError, read_picture, read_recipe
from janiform.recipe import Recipe, dumps, read_recipe_text
from janiform.report.report import report_html
from janiform.storage.model_json import about
from janiform.storage.open import open_model
from janiform.train.checkpoints import checkpoint as checkpoints
from janiform.train.data.seeding import seeds_of
from janiform.train.loop import loop
from janiform.train.loop.losses import LossWeights, TrainingError
from janiform.train.progress.log import LogEntry, read_log
from janiform.train.progress.reporter import Reporter
from janiform.train.progress.reporter import _line as line_of
from janiform.train.run.folder import RunFolder
from janiform.train.run.interrupts import RunStoppedError
from janiform.train.run.record import read_run
from janiform.train.run.train import train
from janiform_plugins.sinks.figures import figures
from rich.console import Console
from safetensors.torch import load_file
from torch import Tensor

STEPS = 20


def weights(folder: Path) -> dict[str, Tensor]:
    """The float32 weights of the last checkpoint, which the written model rounds."""
    return load_file(folder / "checkpoints" / f"step-{STEPS:06d}" / "model.safetensors")


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Sums are added up in the same order whoever computes them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def unbroken(recipe_text: str, quiet: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nobody disturbed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("janiform.train.run.preparation.TEXTS_TO_FIT", 20)
        return train(read_recipe_text(recipe_text), tmp_path_factory.mktemp("unbroken"), device="cpu", reporter=quiet())


def start(recipe: Path, out: Path, *arguments: str, kill_at: int = 0) -> subprocess.CompletedProcess[str]:
    """Train in a process of its own, with few texts to fit on; it kills itself after step ``kill_at``."""
    code = (
        "import os, signal, sys\n"
        "from janiform.cli import main\n"
        "from janiform.train.loop import stage\n"
        "from janiform.train.run import preparation as run\n"
        "run.TEXTS_TO_FIT = 20\n"
        "kill_at = int(sys.argv.pop(1))\n"
        "advance = stage.StageRun.advance\n"
        "def fatal(self, *arguments):\n"
        "    advance(self, *arguments)\n"
        "    if self.position.total == kill_at: os.kill(os.getpid(), signal.SIGKILL)\n"
        "stage.StageRun.advance = fatal\n"
        "sys.exit(main(['train', *sys.argv[1:]]))\n"
    )
    command = [sys.executable, "-c", code, str(kill_at), str(recipe), "--out", str(out), "--device", "cpu", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


def test_a_run_leaves_a_model_and_all_that_belongs_to_it(unbroken: Path, recipe: Recipe) -> None:
    assert {
        "model.safetensors",
        "model.json",
        "recipe.toml",
        "tokenizer.json",
        "log.jsonl",
        "samples",
        "checkpoints",
    } <= {path.name for path in unbroken.iterdir()}
    assert read_recipe(unbroken / "recipe.toml") == recipe
    assert {path.name for path in (unbroken / "samples").iterdir()} == {
        f"{stem}.{kind}" for stem in ("tokenizer-000004", "tokenizer-000006", "all-000006") for kind in ("png", "json")
    }
    assert read_picture(unbroken / "samples" / "all-000006.png").width > 64
    said = about(unbroken)
    assert said["samples"] == {"draw": 6 * 4 + 4 * 4 + 10, "read": 4 * 4 + 2, "ask": 12}
    assert said["seed"] == 3
    assert said["steps_in_all"] == STEPS
    assert said["components"]["understanding.encoder"]["component"] == "encoder siglip@1"
    assert said["data"].keys() == {"draw", "ask", "read"}
    assert said["command"]
    model = open_model(unbroken)
    assert model.processor.text.fitted
    stored = weights(unbroken)
    for name, tensor in model.named_parameters():
        exact = stored[name] if name.startswith("generation.tokenizer.") else stored[name].bfloat16().float()
        assert torch.equal(tensor, exact)
    assert len(list((unbroken / "checkpoints").iterdir())) == recipe.training.keep


def test_the_log_counts_every_step(unbroken: Path) -> None:
    entries: list[Any] = read_log(unbroken / "log.jsonl")
    assert [(entry["stage"], entry["step"], entry["total"]) for entry in entries] == [
        ("tokenizer", 3, 3), ("tokenizer", 6, 6), ("encoder", 4, 10), ("text", 4, 14), ("all", 2, 16), ("all", 4, 18),
        ("all", 6, 20),
    ]  # fmt: skip
    assert set(entries[-1]["losses"]) == {"understanding", "text", "generation"}
    assert all(math.isfinite(value) for entry in entries for value in entry["losses"].values())
    assert entries[0]["predictions"]["l2"] == 12
    assert entries[-1]["predictions"]["generation"] % 64 == 0
    assert [entry["learning_rate"] for entry in entries[-3:]] == pytest.approx([1e-3, 1e-3 * 2 / 3, 0])
    assert all(entry["samples_per_second"] > 0 and 0 <= entry["data_wait"] <= 1 for entry in entries)


def test_each_stage_trains_what_it_names_and_nothing_else(recipe: Recipe, tmp_path: Path, listener: Any) -> None:
    before: dict[str, Tensor] = {}
    frozen = {
        6: {"generation.tokenizer"},
        # The averages of the first stage take their places as it ends, after its last checkpoint.
        10: {"generation.tokenizer", "understanding.encoder"},
        14: {"backbone"},
        20: {"backbone", "understanding.encoder", "understanding.adapter", "generation.adapter", "generation.embedding",
             "generation.head"},
    }  # fmt: skip
    for until, trained in frozen.items():
        train(recipe, tmp_path, until=until, resume=until > 6, device="cpu", reporter=listener, ahead=0)
        now = load_file(tmp_path / "checkpoints" / f"step-{until:06d}" / "model.safetensors")
        if before:
            changed = {".".join(name.split(".")[: 1 if name.startswith("backbone") else 2])
                       for name in now if not torch.equal(now[name], before[name])}  # fmt: skip
            assert changed == trained
        before = now


@pytest.mark.parametrize("cuts", [(1, 7), (6, 10, 17)], ids=str)
def test_pieces_give_the_weights_of_the_whole(
    recipe: Recipe, unbroken: Path, tmp_path: Path, listener: Any, cuts: tuple[int, ...]
) -> None:
    for number, until in enumerate((*cuts, None)):
        train(recipe, tmp_path, until=until, resume=number > 0, device="cpu", reporter=listener, ahead=number % 2)
    assert same(weights(tmp_path), weights(unbroken))
    assert [entry["total"] for entry in read_log(tmp_path / "log.jsonl")][-1] == STEPS


def test_a_killed_run_goes_on_to_the_same_weights(unbroken: Path, tmp_path: Path) -> None:
    step = random.randrange(1, STEPS)
    assert start(unbroken / "recipe.toml", tmp_path, kill_at=step).returncode == -signal.SIGKILL
    ended = start(unbroken / "recipe.toml", tmp_path, "--resume")
    assert ended.returncode == 0, ended.stderr
    assert same(weights(tmp_path), weights(unbroken))
    totals = [entry["total"] for entry in read_log(tmp_path / "log.jsonl")]
    assert totals == sorted(set(totals))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_finishes_the_step_saves_and_says_how_to_go_on(
    recipe: Recipe,
    unbroken: Path,
    tmp_path: Path,
    listener: Any,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    steps = iter(range(1, 100))

    def advance() -> None:
        if next(steps) == 7:
            workers = multiprocessing.active_children()
            assert workers
            processes = [*(str(worker.pid) for worker in workers), str(os.getpid())]
            subprocess.run(["kill", f"-{number.value}", *processes], check=True)
            for worker in workers:
                worker.join(0.5)
                assert worker.is_alive()

    monkeypatch.setattr(listener, "advance", advance)
    with pytest.raises(RunStoppedError) as caught:
        train(recipe, tmp_path, device="cpu", reporter=listener, ahead=1)
    assert caught.value.exit_code == 130
    assert f"janiform train {tmp_path}/recipe.toml --out {tmp_path} --resume" in str(caught.value)
    assert [path.name for path in sorted((tmp_path / "checkpoints").iterdir())][-1] == "step-000007"
    with pytest.raises(UsageError, match="is not finished; resume it with"):
        open_model(tmp_path)
    assert signal.getsignal(number) is not None
    train(read_recipe(tmp_path / "recipe.toml"), tmp_path, resume=True, device="cpu", reporter=listener, ahead=0)
    assert open_model(tmp_path)


def test_damaged_checkpoints_are_skipped_and_reported(
    recipe: Recipe, unbroken: Path, tmp_path: Path, listener: Any
) -> None:
    train(recipe, tmp_path, until=16, device="cpu", reporter=listener, ahead=0)
    newest = tmp_path / "checkpoints" / "step-000016"
    data = bytearray((newest / "training.safetensors").read_bytes())
    data[len(data) // 2] ^= 1
    (newest / "training.safetensors").write_bytes(bytes(data))
    train(recipe, tmp_path, resume=True, device="cpu", reporter=listener, ahead=0)
    assert any(
        "skipped checkpoint step-000016: it has an altered training.safetensors" in said for said in listener.said
    )
    assert "resuming after step 4 of text" in listener.said
    for folder in (tmp_path / "checkpoints").iterdir():
        (folder / "manifest.json").unlink()
    with pytest.raises(JaniformError, match=r"no checkpoint in .* is complete"):
        train(recipe, tmp_path, resume=True, device="cpu", reporter=listener, ahead=0)


@pytest.mark.parametrize(("number", "said"), [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "permission denied")])
def test_a_disk_that_refuses_leaves_the_checkpoint_before(
    recipe: Recipe, tmp_path: Path, listener: Any, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    write = checkpoints.save_file
    files = iter(range(100))

    def refused(tensors: Any, path: Path) -> None:
        if next(files) == 3:  # the second file of the second checkpoint
            path.write_bytes(b"half of it")
            raise OSError(number, os.strerror(number))
        write(tensors, path)

    monkeypatch.setattr(checkpoints, "save_file", refused)
    with pytest.raises(StorageError, match=rf"could not write {tmp_path}/checkpoints/step-000004: {said}"):
        train(recipe, tmp_path, device="cpu", reporter=listener, ahead=0)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-000002"]
    train(recipe, tmp_path, resume=True, until=5, device="cpu", reporter=listener, ahead=0)
    assert "resuming after step 2 of tokenizer" in listener.said


def test_a_stage_may_stop_before_its_schedule_ends(
    changed: Callable[[str, str], Recipe], tmp_path: Path, listener: Any
) -> None:
    early = changed('schedule = "linear"\n', 'schedule = "linear"\nstop = 3\n')
    train(early, tmp_path, stages=["all"], device="cpu", reporter=listener, ahead=0)
    entries: list[Any] = read_log(tmp_path / "log.jsonl")
    assert [(entry["step"], entry["steps"]) for entry in entries] == [(2, 3), (3, 3)]
    assert entries[-1]["learning_rate"] == pytest.approx(1e-3)  # the first after the warm-up; 0 would be the last's


def test_folders_that_must_not_be_overwritten(recipe: Recipe, tmp_path: Path, listener: Any) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "thesis.txt").write_text("mine")
    for resume, said in ((False, "is not empty"), (True, "has no run to resume")):
        with pytest.raises(UsageError, match=said):
            train(recipe, kept, resume=resume, reporter=listener)
    with pytest.raises(UsageError, match="is a file"):
        train(recipe, kept / "thesis.txt", reporter=listener)
    train(recipe, tmp_path / "run", until=1, device="cpu", reporter=listener, ahead=0)
    with pytest.raises(UsageError, match="already holds a run: continue it with --resume"):
        train(recipe, tmp_path / "run", reporter=listener)


def test_a_run_is_not_resumed_with_another_recipe(
    changed: Callable[[str, str], Recipe], recipe: Recipe, tmp_path: Path, listener: Any
) -> None:
    train(recipe, tmp_path, until=1, device="cpu", reporter=listener, ahead=0)
    other = changed("learning_rate = 1e-3\nschedule", "learning_rate = 2e-3\nschedule")
    with pytest.raises(
        UsageError, match=r"stage\.tokenizer\.learning_rate: the run has 0\.001, the given recipe 0\.002"
    ):
        train(other, tmp_path, resume=True, reporter=listener)
    with pytest.raises(UsageError, match=r"training\.seed"):
        train(recipe, tmp_path, resume=True, seed=4, reporter=listener)
    with pytest.raises(UsageError, match="tokenizer have begun: it cannot be resumed with the stages text"):
        train(recipe, tmp_path, resume=True, stages=["text"], reporter=listener)
    harmless = changed("checkpoint_every = 2", 'checkpoint_every = 3\nparallel = "shard"')
    train(harmless, tmp_path, resume=True, until=2, device="cpu", reporter=listener, ahead=0)
    assert {
        "training.checkpoint_every: 2 before, 3 from here on; weights do not change",
        "training.parallel: 'replicate' before, 'shard' from here on; weights change by rounding",
    } <= set(listener.said)
    assert read_recipe(tmp_path / "recipe.toml") == harmless


def test_stages_are_chosen_by_name(recipe: Recipe, tmp_path: Path, listener: Any) -> None:
    train(recipe, tmp_path, stages=["text", "encoder"], device="cpu", reporter=listener, ahead=0)
    entries: list[Any] = read_log(tmp_path / "log.jsonl")
    assert list(dict.fromkeys(entry["stage"] for entry in entries)) == ["encoder", "text"]
    with pytest.raises(UsageError, match=r"there is no stage 'txt'.*did you mean 'text'"):
        train(recipe, tmp_path / "x", stages=["txt"], reporter=listener)


def test_mistakes_in_stages_are_said(changed: Callable[[str, str], Recipe], tmp_path: Path, listener: Any) -> None:
    misspelt = changed('train = ["backbone"]', 'train = ["bakbone"]')
    with pytest.raises(JaniformError, match=r"selector 'bakbone' matches no parameter.*did you mean 'backbone'"):
        train(misspelt, tmp_path / "a", stages=["text"], reporter=listener)
    unknown = changed('"objective.text"]', '"objective.txt", "backbone"]')
    with pytest.raises(RecipeError) as caught:
        train(unknown, tmp_path / "c", stages=["encoder"], reporter=listener)
    assert [problem.path for problem in caught.value.problems] == ["stage.encoder.muon"] * 2
    assert "did you mean 'objective.text'" in str(caught.value)
    wrong = changed("log_every = 3", "log_every = 3\nweights = { codebok = 2 }")
    with pytest.raises(
        RecipeError, match=r"stage\.tokenizer\.weights\.codebok: no loss has this name.*did you mean 'codebook'"
    ):
        train(wrong, tmp_path / "b", device="cpu", reporter=listener, ahead=0)


def test_a_stage_that_cannot_begin_is_found_before_the_first_one_does(
    changed: Callable[[str, str], Recipe], tmp_path: Path, listener: Any
) -> None:
    wrong = changed('"understanding.encoder"]\nmixture = { draw', '"understanding.encodr", "x"]\nmixture = { read')
    with pytest.raises(RecipeError) as caught:
        train(wrong, tmp_path, device="cpu", reporter=listener, ahead=0)
    selectors, mixture = caught.value.problems[:2], caught.value.problems[2]
    assert {problem.path for problem in selectors} == {"stage.encoder.train"}
    assert all(problem.origin is not None for problem in selectors)
    assert selectors[0].message == "selector 'understanding.encodr' matches no parameter"
    assert mixture.path == "stage.encoder.mixture"
    assert "the samples of a step hold fewer than two captioned pictures" in mixture.message
    assert not (tmp_path / "checkpoints").exists()


def test_losses_that_are_not_finite_are_skipped_and_end_the_run_in_time(
    recipe: Recipe, tmp_path: Path, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "MAX_SKIPPED_STEPS", 3)
    minimised = LossWeights.minimised
    bad, step = {1}, iter(range(100))

    def sometimes(self: Any, losses: Any, counts: Any) -> list[Tensor]:
        # Called for the gradients of a step, and again for what was minimised.
        factor = float("nan") if next(step) // 2 in bad else 1.0
        return [term * factor for term in minimised(self, losses, counts)]

    monkeypatch.setattr(LossWeights, "minimised", sometimes)
    train(recipe, tmp_path / "a", until=4, device="cpu", reporter=listener, ahead=0)
    entries: list[Any] = read_log(tmp_path / "a" / "log.jsonl")
    assert [(entry["skipped_steps"], entry["idle_steps"]) for entry in entries] == [(1, 0), (0, 0)]
    assert entries[0]["predictions"]["l2"] == 8
    assert about(tmp_path / "a")["skipped_steps"] == 1
    assert "1 of 4 steps changed nothing: in 1 of them the loss or a gradient was not finite" in listener.said
    bad |= {2, 3}
    step = iter(range(100))
    first = seeds_of(recipe).stage("tokenizer").first({"draw": object()}, ["draw"], {})["draw"]  # type: ignore[dict-item]
    named = f"the last step took example {first + 12} of source 'draw', example {first + 13}"
    blamed = f"no single sample causes it; {named}"
    with pytest.raises(TrainingError, match=rf"stage 'tokenizer': .*3 steps in a row, up to step 4.*{blamed}"):
        train(recipe, tmp_path / "b", device="cpu", reporter=listener, ahead=0)


def test_steps_that_are_not_finite_have_no_numbers(
    changed: Callable[[str, str], Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    minimised, calls = LossWeights.minimised, iter(range(100))

    def after_the_first(self: Any, losses: Any, counts: Any) -> list[Tensor]:
        factor = 1.0 if next(calls) < 2 else float("nan")
        return [term * factor for term in minimised(self, losses, counts)]

    monkeypatch.setattr(LossWeights, "minimised", after_the_first)
    recipe = changed("log_every = 3", "log_every = 1")
    shown = io.StringIO()
    train(recipe, tmp_path, until=3, device="cpu", reporter=Reporter(Console(file=shown, width=300)), ahead=0)
    entries: list[Any] = read_log(tmp_path / "log.jsonl")
    assert set(entries[0]["losses"]) == {"codebook", "commitment", "l2"}
    for entry in entries[1:]:
        assert (entry["losses"], entry["figures"], entry["grad_norm"]) == ({}, {}, None)
        assert entry["predictions"] == {"codebook": 0, "commitment": 0, "l2": 0}
        assert figures(entry).keys().isdisjoint({"losses/l2", "run/grad_norm"})
    assert "l2 0 " not in shown.getvalue()
    assert "l2 –" in line_of(LogEntry(**entries[1]))
    assert "2 of 3 steps changed nothing" in shown.getvalue()
    page = report_html([read_run(tmp_path)])
    assert "steps changed nothing" in page


def test_the_weights_of_losses_count(changed: Callable[[str, str], Recipe], tmp_path: Path, listener: Any) -> None:
    weighted = changed("log_every = 3", "log_every = 1\nweights = { l2 = 0, codebook = 0, commitment = 0 }")
    train(weighted, tmp_path, until=1, device="cpu", reporter=listener, ahead=0)
    entry: Any = read_log(tmp_path / "log.jsonl")[0]
    assert entry["grad_norm"] == 0
    assert entry["losses"]["l2"] > 0


def test_what_a_run_has_not_begun_may_still_change(
    changed: Callable[[str, str], Recipe],
    recipe: Recipe,
    unbroken: Path,
    tmp_path: Path,
    listener: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("janiform.train.run.preparation.TEXTS_TO_FIT", 20)
    other = changed("mixture = { ask = 5, read = 1, draw = 4 }\nsteps = 6", "mixture = { ask = 1 }\nsteps = 9")
    train(other, tmp_path, until=12, device="cpu", reporter=listener, ahead=0)
    train(recipe, tmp_path, resume=True, device="cpu", reporter=listener, ahead=0)
    assert "stage.all: not used so far; the new settings apply" in listener.said
    assert same(weights(tmp_path), weights(unbroken))
    assert read_recipe(tmp_path / "recipe.toml") == recipe


def test_a_run_learns_late_which_stages_it_has(
    changed: Callable[[str, str], Recipe], recipe: Recipe, tmp_path: Path, listener: Any
) -> None:
    train(recipe, tmp_path, stages=["tokenizer"], device="cpu", reporter=listener, ahead=0)
    train(recipe, tmp_path, stages=["tokenizer", "text"], resume=True, device="cpu", reporter=listener, ahead=0)
    assert "the stages were tokenizer; from here on they are tokenizer, text" in listener.said
    assert json.loads((tmp_path / "run.json").read_text())["stages"] == ["tokenizer", "text"]
    assert read_log(tmp_path / "log.jsonl")[-1]["stage"] == "text"
    first = """[stage.first]
objective = { use = "autoregressive" }
train = ["backbone"]
mixture = { read = 1 }
steps = 1
batch = 4
learning_rate = 1e-3

"""
    shifted = changed("[stage.tokenizer]", f"{first}[stage.tokenizer]")
    facts = json.loads((tmp_path / "run.json").read_text())
    assert facts.pop("seeding") == 2
    train(shifted, tmp_path, stages=["tokenizer", "text"], resume=True, device="cpu", reporter=listener, ahead=0)
    (tmp_path / "run.json").write_text(json.dumps(facts))  # as of a run that an earlier version began
    with pytest.raises(
        UsageError, match=r"stage\.tokenizer: the stage has begun, and its random numbers depend on its position"
    ):
        train(recipe, tmp_path, resume=True, reporter=listener)
    (tmp_path / "run.json").write_text(json.dumps({**facts, "seeding": 3}))
    with pytest.raises(UsageError, match="holds a run of a later version of janiform"):
        train(shifted, tmp_path, resume=True, reporter=listener)


def test_json_of_a_run_is_plain(unbroken: Path, recipe: Recipe) -> None:
    assert json.loads((unbroken / "run.json").read_text())["stages"] == ["tokenizer", "encoder", "text", "all"]
    assert (unbroken / "recipe.toml").read_text() == dumps(recipe)


def test_unfinished_files_of_a_killed_process_are_removed(recipe: Recipe, tmp_path: Path, listener: Any) -> None:
    out = tmp_path / "run"
    for leftover in (out / ".writing-a", out / ".writing-b"):
        leftover.mkdir(parents=True)
        (leftover / "run.json").write_text("{")
    train(recipe, out, until=1, device="cpu", reporter=listener, ahead=0)  # killed before it wrote anything whole
    for folder in (out, out / "checkpoints", out / "samples"):
        (folder / ".writing-c").mkdir(parents=True)
        (folder / ".writing-c" / "model.safetensors").write_bytes(bytes(9))
    train(recipe, out, resume=True, until=2, device="cpu", reporter=listener, ahead=0)
    assert not list(tmp_path.rglob(".writing-*"))
    kept = tmp_path / "kept"
    (kept / ".writing-d").mkdir(parents=True)
    (kept / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        train(recipe, kept, device="cpu", reporter=listener)
    assert (kept / ".writing-d").exists()


def test_a_run_refused_before_its_first_step_leaves_the_folder_free(recipe: Recipe, tmp_path: Path) -> None:
    out = tmp_path / "run"
    RunFolder.open(out, recipe, None, resume=False)
    (out / "tokenizer.json").write_text("of another recipe")
    for resume in (False, True):
        again = RunFolder.open(out, recipe, ["all"], resume=resume)
        assert again.stages == ("all",)
        assert not (out / "tokenizer.json").exists()
    (out / "log.jsonl").write_text("")
    with pytest.raises(UsageError, match="already holds a run"):
        RunFolder.open(out, recipe, None, resume=False)


def test_a_run_removes_what_a_killed_one_left_half_written(recipe: Recipe, tmp_path: Path) -> None:
    for folder in (".", "checkpoints", "samples", "adapters"):
        (tmp_path / folder / ".writing-abc").mkdir(parents=True)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(StorageError, match=r"run\.json"):
        RunFolder.open(tmp_path, recipe, None, resume=True)
    assert not list(tmp_path.rglob(".writing-*"))
