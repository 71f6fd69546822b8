"""Stages taken from a store give the model of a run that was never split, to the bit, and a kill loses none of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from attrs import asdict
from janiform import UsageError
from janiform.recipe import Recipe, read_recipe_text
from janiform.storage.model_json import about
from janiform.train.checkpoints.checkpoint import Position
from janiform.train.progress.log import read_log
from janiform.train.run.nodes import NodeFacts, StageMemory, after, part_digests
from janiform.train.run.train import train
from safetensors.torch import load_file, save_file
from torch import nn

STAGES = ("tokenizer", "encoder", "all")


class Shelf:
    """Stages in a folder: the tensors of each changed part in a file of its own, the facts beside them.

    ``python test_nodes.py`` imports it in another process.
    """

    def __init__(self, folder: Path, kill_after: str = "") -> None:
        self.folder, self.kill_after = folder, kill_after
        self.calls: list[str] = []

    def take(self, stage: str, model: Any) -> NodeFacts | None:
        facts = self.folder / stage / "facts.json"
        self.calls.append(f"take {stage}")
        if not facts.exists():
            return None
        for file in facts.parent.glob("*.safetensors"):
            model.part(file.stem).load_state_dict(load_file(file), strict=True)
        self.die(f"take {stage}")
        return NodeFacts(**json.loads(facts.read_text()))

    def keep(self, stage: str, model: Any, changed: Mapping[str, nn.Module], facts: NodeFacts) -> None:
        self.calls.append(f"keep {stage} {' '.join(changed)}")
        self.die(f"before keep {stage}")
        (self.folder / stage).mkdir(parents=True, exist_ok=True)
        for path, part in changed.items():
            state = {name: tensor.contiguous() for name, tensor in part.state_dict().items()}
            assert all(tensor.dtype == torch.float32 for tensor in state.values() if tensor.is_floating_point())
            save_file(state, self.folder / stage / f"{path}.safetensors")
        (self.folder / stage / "facts.json").write_text(json.dumps(asdict(facts)))
        self.die(f"keep {stage}")

    def die(self, instant: str) -> None:
        if self.kill_after == instant:
            os.kill(os.getpid(), signal.SIGKILL)


def digest(folder: Path) -> str:
    return sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def whole(recipe_text: str, quiet: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three stages that was never split."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("janiform.train.run.preparation.TEXTS_TO_FIT", 20)
        out = tmp_path_factory.mktemp("whole")
        return train(read_recipe_text(recipe_text), out, stages=STAGES, device="cpu", reporter=quiet(), ahead=0)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_split_at_every_boundary_equals_one_never_split(
    recipe_text: str, whole: Path, tmp_path: Path, listener: Any, workers: int
) -> None:
    recipe = read_recipe_text(recipe_text + f"workers = {workers}\n")
    shelf = Shelf(tmp_path / "shelf")
    for end in range(1, len(STAGES) + 1):
        # The text tokenizer is given, since it would be learned from the sources of these stages.
        out = tmp_path / f"run-{end}"
        train(recipe, out, stages=STAGES[:end], device="cpu", reporter=listener, nodes=shelf, tokenizer=whole)
        assert [entry["stage"] for entry in read_log(out / "log.jsonl")][:1] == [STAGES[end - 1]], "only the last"
    assert digest(out) == digest(whole)
    assert [call for call in shelf.calls if call.startswith("keep")] == [
        "keep tokenizer generation.tokenizer",
        "keep encoder understanding.encoder",
        "keep all backbone understanding.encoder understanding.adapter generation.embedding generation.adapter "
        "generation.head",
    ]
    assert f"stage encoder: taken from {tmp_path / 'run-2'}" in listener.said
    split, unsplit = about(out), about(whole)
    same = ("samples", "steps_in_all", "skipped_steps", "attention", "seed", "data", "weights")
    assert {name: split[name] for name in same} == {name: unsplit[name] for name in same}
    assert split["taken"] == {"tokenizer": str(tmp_path / "run-1"), "encoder": str(tmp_path / "run-2")}
    again = tmp_path / "again"
    train(recipe, again, stages=STAGES, device="cpu", reporter=listener, nodes=shelf, tokenizer=whole)
    assert digest(again) == digest(whole), "all of them were taken"
    assert not (again / "checkpoints").exists()


KILLS = ["before keep tokenizer", "take tokenizer", "keep encoder"]


@pytest.mark.parametrize("kill", KILLS)
def test_a_kill_between_stages_loses_nothing(recipe_text: str, whole: Path, tmp_path: Path, kill: str) -> None:
    recipe, out, shelf = tmp_path / "recipe.toml", tmp_path / "run", tmp_path / "shelf"
    recipe.write_text(recipe_text)
    if kill.startswith("take"):
        assert start(recipe, tmp_path / "other", shelf, whole, "keep tokenizer") == -signal.SIGKILL
    assert start(recipe, out, shelf, whole, kill) == -signal.SIGKILL
    assert start(recipe, out, shelf, whole, "", resume=True) == 0
    assert digest(out) == digest(whole)
    assert {path.name for path in shelf.iterdir()} == set(STAGES)
    if kill != "take tokenizer":  # what was trained before the kill is not trained again
        assert len({entry["total"] for entry in read_log(out / "log.jsonl")}) == 6


def test_a_killed_stage_is_stored_whole_when_it_is_resumed(
    recipe: Recipe, whole: Path, tmp_path: Path, listener: Any
) -> None:
    shelves = [Shelf(tmp_path / "split"), Shelf(tmp_path / "whole")]
    some: Any = {"stages": STAGES[:1], "device": "cpu", "reporter": listener, "tokenizer": whole, "ahead": 0}
    train(recipe, tmp_path / "a", until=5, nodes=shelves[0], **some)
    assert shelves[0].calls == [], "a stage that does not end is neither taken nor stored"
    train(recipe, tmp_path / "a", resume=True, nodes=shelves[0], **some)
    train(recipe, tmp_path / "b", nodes=shelves[1], **some)
    files = [{path.name: path for path in (shelf.folder / "tokenizer").iterdir()} for shelf in shelves]
    assert files[0].keys() == files[1].keys() == {"facts.json", "generation.tokenizer.safetensors"}
    tensors = [load_file(some["generation.tokenizer.safetensors"]) for some in files]
    assert all(torch.equal(tensor, tensors[1][name]) for name, tensor in tensors[0].items())
    facts = [json.loads(some["facts.json"].read_text()) for some in files]
    assert {**facts[0], "seconds": 0, "origin": ""} == {**facts[1], "seconds": 0, "origin": ""}
    assert facts[0]["samples"] == {"draw": 24}
    assert facts[0]["seconds"] > 0


def test_a_stage_is_not_stored_where_its_beginning_is_not_known(
    recipe: Recipe, whole: Path, tmp_path: Path, listener: Any
) -> None:
    some: Any = {"stages": STAGES[:1], "device": "cpu", "reporter": listener, "tokenizer": whole, "ahead": 0}
    train(recipe, tmp_path / "a", until=5, **some)
    shelf = Shelf(tmp_path / "shelf")
    train(recipe, tmp_path / "a", resume=True, nodes=shelf, **some)
    assert shelf.calls == []
    assert "stage tokenizer: not stored, since the run does not know how the stage began" in listener.said


def test_a_stage_longer_than_the_run_is_not_taken(recipe: Recipe, whole: Path, tmp_path: Path, listener: Any) -> None:
    shelf = Shelf(tmp_path / "shelf")
    some: Any = {"device": "cpu", "reporter": listener, "tokenizer": whole, "ahead": 0, "nodes": shelf}
    train(recipe, tmp_path / "a", stages=STAGES[:1], **some)
    shelf.calls.clear()
    train(recipe, tmp_path / "b", until=4, **some)
    assert shelf.calls == []
    assert about(tmp_path / "b")["steps_in_all"] == 4
    train(recipe, tmp_path / "c", until=8, **some)
    assert (about(tmp_path / "c")["stage"], about(tmp_path / "c")["step"]) == ("encoder", 2)


def test_a_text_tokenizer_may_be_given(recipe: Recipe, whole: Path, tmp_path: Path, listener: Any) -> None:
    train(recipe, tmp_path / "a", stages=["tokenizer"], device="cpu", reporter=listener, ahead=0, tokenizer=whole)
    own = tmp_path / "a" / "tokenizer.json"
    assert own.read_bytes() == (whole / "tokenizer.json").read_bytes()
    recorded = json.loads((tmp_path / "a" / "run.json").read_text())["tokenizer"]
    assert recorded == {"folder": str(whole), "sha256": sha256(own.read_bytes()).hexdigest()}
    with pytest.raises(UsageError, match=rf"tokenizer: {tmp_path} has no tokenizer\.json"):
        train(recipe, tmp_path / "b", device="cpu", reporter=listener, tokenizer=tmp_path)
    content = json.loads(own.read_text())
    more = [f"word{number}" for number in range(40)]
    content["model"]["vocab"] |= {word: 300 + number for number, word in enumerate(more)}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(UsageError, match=r"has 340 ids, and the backbone has 300 for text \(set a larger vocabulary\)"):
        train(recipe, tmp_path / "c", device="cpu", reporter=listener, tokenizer=tmp_path)


def test_a_position_continues_from_the_facts_of_a_stage() -> None:
    before = Position("b", total=7, positions={"x": 5, "y": 1}, skipped=2, seconds=3.0, idle=1)
    facts = NodeFacts(4, {"x": 2, "z": 6}, skipped=3, idle=2, seconds=1.5)
    assert after(before, facts) == Position(
        "b", 4, 11, {"x": 2, "z": 6}, {"x": 7, "y": 1, "z": 6}, skipped=5, seconds=4.5, idle=3
    )


def test_changes_of_buffers_count_and_other_parts_do_not(tiny_plan: Any, tmp_path: Path) -> None:
    from janiform.model.build import build_model

    model = build_model(tiny_plan, seed=1)
    memory = StageMemory(tmp_path)
    memory.begin(Position("a"), model)
    assert memory.changes(Position("b"), model, "") is None, "another stage"
    changes = memory.changes(Position("a", step=1), model, "sdpa@1")
    assert changes == ({}, NodeFacts(1, attention="sdpa@1", origin=str(tmp_path)))
    encoder = model.part("understanding.encoder")
    encoder.register_buffer("count", torch.zeros((), dtype=torch.bool))
    with torch.no_grad():
        next(model.part("generation.head").parameters()).view(-1)[0] += 1
    changes = memory.changes(Position("a", step=1), model, "")
    assert changes is not None
    assert set(changes[0]) == {"understanding.encoder", "generation.head"}
    assert changes[0]["understanding.encoder"] is encoder
    digests = part_digests(model)
    encoder.count.fill_(True)
    assert part_digests(model)["understanding.encoder"] != digests["understanding.encoder"]


def start(recipe: Path, out: Path, shelf: Path, tokenizer: Path, kill: str, *, resume: bool = False) -> int:
    """Train in a process of its own, which kills itself at an instant; returns how it ended."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "sys.path.insert(0, sys.argv.pop(1))\n"
        "from test_nodes import STAGES, Shelf\n"
        "from janiform.recipe import read_recipe\n"
        "from janiform.train.run.train import train\n"
        "recipe, out, shelf, tokenizer, kill, resume = sys.argv[1:]\n"
        "train(read_recipe(recipe), out, resume=bool(resume), stages=STAGES, device='cpu', ahead=0,\n"
        "      tokenizer=tokenizer, nodes=Shelf(Path(shelf), kill))\n"
    )
    arguments = [str(Path(__file__).parent), str(recipe), str(out), str(shelf), str(tokenizer), kill]
    return subprocess.run(
        [sys.executable, "-c", code, *arguments, "1" if resume else ""],
        stderr=subprocess.DEVNULL,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ).returncode
