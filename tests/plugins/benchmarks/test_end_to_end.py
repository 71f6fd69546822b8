"""The shipped janus-mini runs all nine benchmarks by one command: in every format, and killed and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import data_all
import data_mm_vet
import pytest
from janiform.cli import main
from judge_server import JudgeServer, judge_server
from PIL import Image

KILLED_AT = 3
"""The number of the judge's answer at which the evaluation is killed; the first only tells that it is there."""

ABOUT_A_RUN = ("seconds", "resumed")


def reply(request: dict[str, Any]) -> str:
    """A grade that depends on the prediction."""
    return f"0.{sum(request['messages'][0]['content'].encode()) % 10}"


def command(
    data: Path, out: Path, server: JudgeServer, *more: str, names: tuple[str, ...] = data_all.NAMES
) -> list[str]:
    prompt = data_mm_vet.write_prompt(out.parent / "mm-vet_evaluator.py")
    judge = {"judge": "judge-1", "judge_url": server.url, "judge_cache": str(out.parent / f"judge-{out.name}")}
    settings = data_all.options({f"mm-vet.{name}": value for name, value in judge.items()})
    settings += data_all.options({"mm-vet.judge_prompt": str(prompt), "max_new_tokens": 4})
    return ["eval", "janus-mini", *names, "--data", str(data), "--out", str(out), *settings, *more]


def results(out: Path) -> dict[str, Any]:
    return json.loads((out / "scores.json").read_text())["benchmarks"]


def scores(out: Path) -> dict[str, Any]:
    return {name: (one["scores"], one["metrics"], one["jackknife"]) for name, one in results(out).items()}


def protocols(out: Path) -> dict[str, Any]:
    return {
        name: {key: value for key, value in one["settings"].items() if key not in (*ABOUT_A_RUN, "judge")}
        for name, one in results(out).items()
    }


def drawings(out: Path) -> dict[str, bytes]:
    paths = sorted(out.glob("outputs/*/pictures/**/*.png"))
    return {str(path.relative_to(out)): Image.open(path).tobytes() for path in paths}


def test_an_evaluation_that_was_killed_is_resumed_to_the_same_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = data_all.write_all(tmp_path / "data", "official")
    judges = data_all.options(dict(data_all.write_judges(tmp_path / "judges")))
    with judge_server(reply) as server:
        whole = command(data, tmp_path / "whole", server, *judges)
        assert main(whole) == 0
        asked = len(server.requests)

        process: subprocess.Popen[bytes]

        def kill(request: dict[str, Any]) -> str:
            if len(server.requests) == asked + KILLED_AT:
                os.kill(process.pid, signal.SIGKILL)
            return reply(request)

        server.reply = kill
        killed = command(data, tmp_path / "killed", server, *judges, "--set", "mm-vet.judge_concurrency=1")
        process = subprocess.Popen([sys.executable, "-m", "janiform", *killed], stdout=subprocess.DEVNULL)
        assert process.wait(timeout=300) == -signal.SIGKILL
        assert list(results(tmp_path / "killed")) == list(data_all.NAMES[:6])

        server.reply = reply
        assert main(killed) == 0
        assert len(server.requests) < 2 * asked + KILLED_AT, "the judge is not asked again for what it has answered"
    capsys.readouterr()
    assert scores(tmp_path / "killed") == scores(tmp_path / "whole")
    assert protocols(tmp_path / "killed") == protocols(tmp_path / "whole")
    for name in ("items.jsonl", "examples.json"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert drawings(tmp_path / "killed") == drawings(tmp_path / "whole")
    resumed = {name: one["settings"].get("resumed", 0) for name, one in results(tmp_path / "killed").items()}
    assert [name for name, count in resumed.items() if count] == list(data_all.NAMES[:7])
    whole_scores = results(tmp_path / "whole")
    assert all(one["scores"] and one["published"] for one in whole_scores.values())
    assert whole_scores["geneval"]["scores"]["geneval.overall"]["count"] == 24
    assert whole_scores["dpg-bench"]["scores"]["fixed.overall"]["count"] == 8


@pytest.mark.parametrize("kind", ["official", "vlmevalkit", "llava"])
def test_every_format_is_evaluated_and_scored_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """The answers of an evaluation, written for the official scorers and read again, have the same scores."""
    data = data_all.write_all(tmp_path / "data", kind)
    out = tmp_path / "out"
    names = tuple(data_all.UNDERSTANDING)
    with judge_server(reply) as server:
        assert main(command(data, out, server, "--profile", kind, names=names)) == 0
        formats = {name: one["settings"]["format"] for name, one in results(out).items()}
        assert formats == {name: kind if kind in data_all.formats_of(name) else "vlmevalkit" for name in names}
        for name in names:
            judge = command(data, out, server, names=())[6:] if name == "mm-vet" else []
            judge = [text.replace("mm-vet.", "") for text in judge]
            arguments = ["--data", str(data), "--profile", kind, *judge, "--json"]
            official = tmp_path / f"official-{name}"
            for predictions in (out / "items.jsonl", official):
                if (
                    predictions == official
                    and len(files := [path for path in official.rglob("*") if path.is_file()]) == 1
                ):
                    (predictions,) = files
                capsys.readouterr()
                assert main(["score", name, str(predictions), *arguments, "--official", str(official)]) == 0
                again = json.loads(capsys.readouterr().out)["scores"]
                expected = results(out)[name]["scores"]
                assert {key: one["value"] for key, one in again.items()} == pytest.approx(
                    {key: one["value"] for key, one in expected.items()}
                ), name


def test_pictures_are_drawn_where_nothing_judges_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For the official scorers; the other benchmarks of the command are on the page."""
    data = data_all.write_all(tmp_path / "data", "official")
    settings = data_all.options({"geneval.official": str(tmp_path / "pictures"), "pictures": 1})
    answers = data_all.options({"max_new_tokens": 1})
    for names, more in ((["geneval"], []), (["geneval", "pope"], answers)):
        out = tmp_path / "-".join(names)
        assert main(["eval", "janus-mini", *names, "--data", str(data), "--out", str(out), *settings, *more]) == 0
        assert "The outputs were not scored" in capsys.readouterr().out
        assert list(results(out)) == names
        assert (out / "index.html").is_file() == ("pope" in names)
    assert len(list((tmp_path / "pictures").glob("*/samples/0000.png"))) == 6
