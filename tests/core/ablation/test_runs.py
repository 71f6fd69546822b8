"""Runs of a study: shared stages, what is done again and what is not, and what an edited study keeps."""

from __future__ import annotations

import errno
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import janiform
import pytest
from janiform.ablation.nodes import NodeStore
from janiform.ablation.prepare import PreparedStudy, prepare, reopen
from janiform.ablation.replay import replay
from janiform.ablation.results_json import read_results, write_results
from janiform.ablation.run_keys import keys_of_run
from janiform.ablation.summary import results_of
from janiform.ablation.worker import run_cell, seeded, usable
from janiform.errors import JaniformError, StorageError, UsageError
from janiform.storage.digest import file_digest
from janiform.train.progress.reporter import Reporter
from janiform.train.run.train import train
from rich.console import Console
from tiny_study import CELLS, silent


def weights(folder: Path, cell: str, seed: int = 0) -> str:
    return file_digest(folder / "cells" / cell / f"seed-{seed}" / "run" / "model.safetensors")


def test_a_run_that_took_shared_stages_equals_one_that_was_never_split(
    prepared: PreparedStudy, tmp_path: Path, quiet: Reporter
) -> None:
    status = prepared.folder.place("deep", 0).status()
    assert status.stages == {"tokenizer": "reused", "encoder": "reused", "all": "trained"}
    whole = train(
        seeded(prepared.study.cell("deep").recipe, 0),
        tmp_path / "whole",
        device="cpu",
        reporter=quiet,
        tokenizer=prepared.tokenizers["deep"],
    )
    assert file_digest(whole / "model.safetensors") == weights(prepared.folder.path, "deep")


def test_cells_share_what_they_have_in_common_and_nothing_else(prepared: PreparedStudy) -> None:
    stages = {cell: prepared.folder.place(cell, 0).status().stages for cell in CELLS}
    assert stages["base"] == dict.fromkeys(("tokenizer", "encoder", "all"), "trained")
    assert stages["other"] == {"tokenizer": "trained", "encoder": "reused", "all": "trained"}
    assert len({weights(prepared.folder.path, cell) for cell in CELLS}) == 3
    assert len(set(prepared.tokenizers.values())) == 1


def test_a_finished_run_is_left_as_it_is(prepared: PreparedStudy, quiet: Reporter) -> None:
    place = prepared.folder.place("base", 0)
    before = {path: path.stat().st_mtime_ns for path in place.path.rglob("*") if path.is_file()}
    assert run_cell(prepared, "base", 0, device="cpu", reporter=quiet).state == "done"
    assert {path: path.stat().st_mtime_ns for path in place.path.rglob("*") if path.is_file()} == before


def test_a_later_study_reuses_stages_of_an_earlier_one(
    prepared: PreparedStudy, study_file: Path, quiet: Reporter
) -> None:
    later = prepare(study_file, study_file.parent / "later", silent)
    run_cell(later, "base", 0, device="cpu", reuse=[prepared.folder.path], reporter=quiet)
    assert later.folder.place("base", 0).status().stages == dict.fromkeys(("tokenizer", "encoder", "all"), "reused")
    assert weights(later.folder.path, "base") == weights(prepared.folder.path, "base")


def test_a_damaged_node_is_moved_aside_and_trained_again(
    prepared: PreparedStudy, study_file: Path, quiet: Reporter
) -> None:
    key = keys_of_run(prepared, prepared.study.cell("base"), usable("cpu")).of_seed(0)["tokenizer"]
    node = prepared.folder.nodes / key.digest
    part = node / "generation.tokenizer.safetensors"
    part.write_bytes(part.read_bytes()[:-1] + b"\x7f")
    assert NodeStore(prepared.folder.nodes).find(key) is None
    assert node.with_name(f"{node.name}.damaged-1").is_dir()
    later = prepare(study_file, study_file.parent / "later", silent)
    run_cell(later, "base", 0, device="cpu", reuse=[prepared.folder.path], reporter=quiet)
    assert later.folder.place("base", 0).status().stages["tokenizer"] == "trained"
    assert weights(later.folder.path, "base") == weights(prepared.folder.path, "base")


def test_stages_of_other_versions_are_refused_where_reuse_is_strict(
    prepared: PreparedStudy, study_file: Path, quiet: Reporter
) -> None:
    for file in prepared.folder.nodes.glob("*/node.json"):
        content = json.loads(file.read_text(encoding="utf-8"))
        content["beside"]["torch"] = "1.0"
        file.write_text(json.dumps(content), encoding="utf-8")
    later = prepare(study_file, study_file.parent / "later", silent)
    with pytest.raises(UsageError, match=r"torch 1\.0 there"):
        run_cell(later, "base", 0, device="cpu", reuse=[prepared.folder.path], strict=True, reporter=quiet)
    assert later.folder.place("base", 0).status().state == "failed"
    heard = io.StringIO()
    run_cell(later, "base", 0, device="cpu", reuse=[prepared.folder.path], reporter=Reporter(Console(file=heard)))
    assert "was trained with other versions or hardware: torch 1.0 there" in " ".join(heard.getvalue().split())


def test_a_run_without_its_evaluation_is_evaluated_and_not_trained(prepared: PreparedStudy, quiet: Reporter) -> None:
    place = prepared.folder.place("base", 0)
    scores, log = place.scores.read_text(encoding="utf-8"), (place.run / "log.jsonl").stat().st_mtime_ns
    place.scores.unlink()
    place.set(place.status().__class__(state="stopped"))
    assert run_cell(prepared, "base", 0, device="cpu", reporter=quiet).state == "done"
    assert (place.run / "log.jsonl").stat().st_mtime_ns == log
    assert json.loads(place.scores.read_text(encoding="utf-8"))["scores"] == json.loads(scores)["scores"]


def test_other_settings_of_an_evaluation_make_runs_be_evaluated_again(
    rewrite: Callable[[str, str], Path], done: Path, quiet: Reporter
) -> None:
    study = prepare(rewrite("questions = 2", "questions = 3"), done / "out", silent)
    run_cell(study, "base", 0, device="cpu", reporter=quiet)
    counts = json.loads(study.folder.place("base", 0).scores.read_text(encoding="utf-8"))["scores"]
    assert counts["understanding.yes_no"]["count"] == 3


def test_a_cell_that_diverges_is_a_failed_run_with_its_reason(
    rewrite: Callable[[str, str], Path], done: Path, quiet: Reporter
) -> None:
    text = "depth = 3\n\n[cell.diverges.stage.all]\nlearning_rate = 1e30\nclip = 0\nsteps = 60\n"
    study = prepare(rewrite("depth = 3\n", text), done / "out", silent)
    with pytest.raises(JaniformError):
        run_cell(study, "diverges", 0, device="cpu", reporter=quiet)
    status = study.folder.place("diverges", 0).status()
    assert status.state == "failed"
    assert "not finite" in status.reason
    assert results_of(study).cell("diverges").runs[0].state == "failed"


def test_a_full_disk_is_the_reason_of_a_failed_run(
    prepared: PreparedStudy, quiet: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any, **named: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("janiform.ablation.nodes.save_file", full)
    with pytest.raises(StorageError, match="the disk is full"):
        run_cell(prepared, "base", 1, device="cpu", reporter=quiet)
    assert "the disk is full" in prepared.folder.place("base", 1).status().reason
    monkeypatch.undo()
    assert run_cell(prepared, "base", 1, device="cpu", reporter=quiet).state == "done"


def test_two_processes_never_work_on_one_run(prepared: PreparedStudy, quiet: Reporter) -> None:
    place = prepared.folder.place("base", 1)
    with place.claim() as claimed:
        assert claimed
        assert place.claimed()
        with pytest.raises(UsageError, match="another process"):
            run_cell(prepared, "base", 1, device="cpu", reporter=quiet)


def test_a_run_whose_process_is_gone_counts_as_stopped(prepared: PreparedStudy) -> None:
    place = prepared.folder.place("base", 1)
    place.path.mkdir(parents=True)
    place.set(prepared.folder.place("base", 0).status().__class__(state="running", began=time.time()))
    assert place.status().state == "stopped"


def test_an_edited_study_keeps_what_is_valid_and_moves_what_is_not(
    rewrite: Callable[[str, str], Path], done: Path
) -> None:
    said: list[str] = []
    edited = prepare(rewrite("depth = 3", "depth = 4"), done / "out", said.append)
    assert edited.folder.place("deep", 0).status().state == "planned"
    assert edited.folder.place("base", 0).status().state == "done"
    moved = list((done / "out" / "earlier").iterdir())
    assert len(moved) == 1
    assert moved[0].name.startswith("deep-seed-0-")
    assert any("cell deep is another design now" in sentence and str(moved[0]) in sentence for sentence in said)


def test_a_cell_that_left_the_study_keeps_its_runs(rewrite: Callable[[str, str], Path], done: Path) -> None:
    said: list[str] = []
    edited = prepare(rewrite("[cell.deep.generation.head]\ndepth = 3\n", ""), done / "out", said.append)
    assert (done / "out" / "cells" / "deep" / "seed-0" / "scores.json").is_file()
    assert any("cell deep is no longer in the study" in sentence for sentence in said)
    assert [cell.name for cell in results_of(edited).cells] == ["base", "other"]


def test_cells_that_are_added_later_share_the_tokenizer_that_is_there(
    rewrite: Callable[[str, str], Path], done: Path
) -> None:
    more = (
        '[cell.more.source.read]\nuse = "shapes"\ntask = "read"\n[cell.more.stage.all.mixture]\nread = 1\n\n[cell.deep'
    )
    said: list[str] = []
    edited = prepare(rewrite("[cell.deep", more), done / "out", said.append)
    assert len(set(edited.tokenizers.values())) == 1
    assert any("stays as it was learned" in sentence for sentence in said)
    assert run_cell(edited, "base", 0, device="cpu").state == "done"


def test_seeds_that_are_added_later_are_told_apart(rewrite: Callable[[str, str], Path], done: Path) -> None:
    said: list[str] = []
    edited = prepare(rewrite("seeds = [0, 1]", "seeds = [0, 1, 2]"), done / "out", said.append)
    assert any("seeds that were not planned" in sentence and "2" in sentence for sentence in said)
    assert results_of(edited).planned_seeds == (0, 1)


def test_the_folder_of_another_study_is_refused_with_what_differs(study_file: Path, done: Path) -> None:
    study_file.write_text(
        study_file.read_text(encoding="utf-8").replace('base = "tiny.toml"', 'base = "tiny.toml"\nname = "another"'),
        encoding="utf-8",
    )
    recipe = study_file.with_name("tiny.toml")
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("steps = 3", "steps = 4"), encoding="utf-8")
    with pytest.raises(UsageError) as raised:
        prepare(study_file, done / "out", silent)
    problems = "\n".join(str(problem) for problem in raised.value.problems)
    assert "holds another study" in problems
    assert "another" in problems
    assert "base, deep, other" in problems
    assert (done / "out" / "cells" / "base" / "seed-0" / "scores.json").is_file()


def test_folders_that_hold_something_else_are_refused(study_file: Path) -> None:
    out = study_file.parent / "full"
    out.mkdir()
    (out / "letter.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(UsageError, match="is not empty"):
        prepare(study_file, out, silent)
    with pytest.raises(UsageError, match="is a file"):
        prepare(study_file, study_file, silent)


def test_a_study_that_changed_under_its_runs_is_refused(rewrite: Callable[[str, str], Path], done: Path) -> None:
    with pytest.raises(UsageError, match=r"has changed since .*: deep"):
        reopen(rewrite("depth = 3", "depth = 4"), done / "out")


def test_a_metric_that_no_evaluation_gives(rewrite: Callable[[str, str], Path], done: Path) -> None:
    with pytest.raises(UsageError, match=r"no evaluation of the study gives the metric 'loss.pictur'.*loss.picture"):
        prepare(rewrite("loss.picture", "loss.pictur"), done / "out", silent)


def test_a_replay_is_equal_and_a_changed_run_is_not(prepared: PreparedStudy, quiet: Reporter) -> None:
    same = replay(prepared.folder.path, "deep", 0, device="cpu", reporter=quiet)
    assert same.equal, same.sentences
    recipe = prepared.folder.place("deep", 0).run / "recipe.toml"
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("learning_rate = 0.001", "learning_rate = 0.002"))
    other = replay(prepared.folder.path, "deep", 0, device="cpu", reporter=quiet)
    assert not other.equal
    assert any("differ first at step 1 of all" in sentence for sentence in other.sentences)
    with pytest.raises(UsageError, match=r"no finished run of the cell 'depp'.*did you mean 'deep'"):
        replay(prepared.folder.path, "depp", 0)


def test_results_hold_scores_curves_budgets_and_changes(prepared: PreparedStudy, tmp_path: Path) -> None:
    results = results_of(prepared)
    write_results(results, tmp_path / "study.json", {})
    assert read_results(tmp_path / "study.json") == results
    base, deep = results.cell("base"), results.cell("deep")
    assert [run.state for run in base.runs] == ["done", "planned"]
    assert "loss.picture" in base.scores("loss.picture") or 0 in base.scores("loss.picture")
    assert [(change.path, change.baseline, change.value) for change in deep.changes] == [
        ("generation.head.depth", "2", "3")
    ]
    assert base.runs[0].curve[-1].samples == 36
    assert base.runs[0].curve[-1].total == 9
    assert base.budget.parameters["total"] < deep.budget.parameters["total"]
    assert base.budget.samples == 36
    assert base.budget.flops is not None
    assert "All cells share one text tokenizer" in results.tokenizer
    assert base.runs[0].shown
    assert (prepared.folder.path / base.runs[0].shown[0].picture).is_file()


def test_the_table_of_a_study_is_plain_records(prepared: PreparedStudy) -> None:
    out = prepared.folder.path
    write_results(results_of(prepared), out / "study.json", {})
    records = janiform.study(out)
    assert [(record["cell"], record["seed"], record["state"]) for record in records] == [
        (cell, seed, state) for cell in CELLS for seed, state in ((0, "done"), (1, "planned"))
    ]
    score = json.loads(prepared.folder.place("deep", 0).scores.read_text(encoding="utf-8"))["scores"]["loss.picture"]
    deep = records[2]
    assert (deep["loss.picture"], deep["loss.picture.low"]) == (score["value"], score["low"])
    assert records[3]["loss.picture"] is None
    assert {key for record in records for key in record} == set(deep)
    assert janiform.study(out / "study.json") == records
    with pytest.raises(UsageError, match="there is no file"):
        janiform.study(out / "cells")
    with pytest.raises(UsageError, match="must be the folder"):
        janiform.study(3)  # type: ignore[arg-type]
