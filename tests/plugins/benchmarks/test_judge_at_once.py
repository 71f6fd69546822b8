"""Many answers are graded by a judge on the loopback at a time, whatever happens to some of the requests."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import data_mm_vet
import pytest
from data_files import write_json
from janiform import ComponentError
from janiform.cli import main
from janiform.evaluate.checked import CheckedBenchmark
from janiform.evaluate.results import Result
from janiform.evaluate.score import score_predictions
from janiform_plugins.benchmarks.mm_vet.benchmark import MMVet
from janiform_plugins.benchmarks.mm_vet.config import MMVetConfig
from judge_server import JudgeServer, judge_server

pytest.importorskip("openai")

COUNT = 24


def grade_of(request: dict[str, Any]) -> str:
    """The grade that follows from the prediction in the last row of a prompt: answer 7 gets 0.7."""
    row = request["messages"][0]["content"].rstrip().splitlines()[-1]
    return f"0.{int(row.split('|')[2].split()[-1]) % 10}" if "answer" in row else "1"


def write_data(folder: Path) -> tuple[Path, Path]:
    """Questions, and answers made elsewhere."""
    question = {"imagename": "a.png", "imagesource": "x", "answer": "left", "capability": ["rec"]}
    questions = {f"v1_{number}": {**question, "question": f"Which side {number}?"} for number in range(COUNT)}
    write_json(folder / "mm-vet.json", questions)
    data_mm_vet.write_prompt(folder / "evaluator.py")
    answers = {key: f"answer {number}" for number, key in enumerate(questions)}
    return folder, write_json(folder / "answers.json", answers)


def scored(server: JudgeServer, folder: Path, *, allow_failures: bool = False, **changes: Any) -> Result:
    data, answers = write_data(folder)
    prompt = str(folder / "evaluator.py")
    settings = {**server.settings(folder / "cache", judge_prompt=prompt, judge_price=[10.0, 30.0]), **changes}
    benchmark = MMVet(MMVetConfig(data=data, without_pictures=True, **settings))
    quiet = lambda what, done, of: None  # noqa: E731
    return score_predictions("mm-vet", CheckedBenchmark(benchmark), answers, quiet, allow_failures=allow_failures)


MEAN = sum((number % 10) / 10 for number in range(COUNT)) / COUNT


def test_eight_are_graded_at_a_time_unless_the_settings_say_otherwise(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)

    def reply(request: dict[str, Any]) -> str:
        if "Which side" in request["messages"][0]["content"]:
            barrier.wait(20)  # every grade waits for seven others
        return grade_of(request)

    with judge_server(reply) as server:
        result = scored(server, tmp_path)
        assert server.most_at_once == 8
    assert result.scores["mm_vet.total"].value == pytest.approx(MEAN)
    assert result.settings["judge"] == {
        "model": "judge-1",
        "reported_models": ["judge-1-0613"],
        "url": server.url,
        "answers": COUNT + 1,
        "asked": COUNT + 1,
        "retries": 0,
        "prompt_tokens": 100 * (COUNT + 1),
        "answer_tokens": 2 * (COUNT + 1),
        "cost_usd": 0.0265,
    }
    with judge_server(grade_of) as other:
        one_by_one = scored(other, tmp_path / "alone", judge_concurrency=1)
        assert other.most_at_once == 1
    assert [item.value for item in one_by_one.items] == [item.value for item in result.items]


def test_a_slow_judge_costs_an_eighth_of_the_time(tmp_path: Path) -> None:
    seconds = 0.1
    with judge_server() as server:
        server.reply = lambda request: server.closing.wait(seconds) or grade_of(request)  # type: ignore[assignment]
        began = time.perf_counter()
        scored(server, tmp_path)
        taken = time.perf_counter() - began
    assert taken < seconds * COUNT, "one at a time would take longer"


def test_refusals_for_a_while_and_nonsense_lose_nothing(tmp_path: Path) -> None:
    with judge_server(grade_of) as server:
        server.faults = [None, *[(429, {"Retry-After": "0.02"})] * 5, b"nonsense", (503, {"Retry-After": "0"})]
        result = scored(server, tmp_path)
    assert result.scores["mm_vet.total"].value == pytest.approx(MEAN)
    judge = result.settings["judge"]
    assert judge["retries"] == 7
    assert judge["asked"] == judge["answers"] + 7


def test_replies_without_a_grade_count_as_nothing(tmp_path: Path) -> None:
    """After all tries of the official evaluator, as there."""
    odd = lambda request: "excellent!" if "answer 3" in str(request["messages"]) else grade_of(request)  # noqa: E731
    with judge_server(odd) as server:
        result = scored(server, tmp_path)
    assert result.scores["mm_vet.total"].value == pytest.approx(MEAN - 0.3 / COUNT)
    assert result.settings["judge"]["answers"] == COUNT + 1 + 4


def test_timeouts_lose_the_answers_that_they_hit_alone(tmp_path: Path) -> None:
    def reply(request: dict[str, Any]) -> str:
        if "answer 5" in str(request["messages"]):
            server.closing.wait(5)
        return grade_of(request)

    with judge_server(reply) as server:
        settings: dict[str, Any] = {"judge_timeout": 0.5, "judge_tries": 1}
        message = r"did not answer in time[\s\S]*1 of 24 outputs were not judged: 'v1_5'"
        with pytest.raises(ComponentError, match=message):
            scored(server, tmp_path, **settings)
        asked = len(server.requests)
        result = scored(server, tmp_path, allow_failures=True, **settings)
        assert len(server.requests) == asked + 1, "the others are in the cache"
        assert result.settings["not_judged"] == 1
        assert result.scores["mm_vet.total"].count == COUNT - 1
        server.reply = grade_of
        assert scored(server, tmp_path, **settings).scores["mm_vet.total"].value == pytest.approx(MEAN)


def test_the_command_scores_the_rest_where_that_is_allowed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, answers = write_data(tmp_path)
    with judge_server(grade_of) as server:
        settings = {"judge_prompt": str(tmp_path / "evaluator.py"), "data": str(data), "without_pictures": True}
        values = {**server.settings(tmp_path / "cache"), **settings}
        chosen = [text for name, value in values.items() for text in ("--set", f"{name}={json.dumps(value)}")]
        server.faults = [None, 400]
        assert main(["score", "mm-vet", str(answers), *chosen]) == 1
        assert "1 of 24 outputs were not judged: 'v1_" in capsys.readouterr().err
        server.faults = [400]
        assert main(["score", "mm-vet", str(answers), *chosen, "--allow-failures", "--json"]) == 0
        result = json.loads(capsys.readouterr().out)
        assert result["settings"]["not_judged"] == 1
        assert result["scores"]["mm_vet.total"]["count"] == COUNT - 1


def test_equal_questions_are_asked_once(tmp_path: Path) -> None:
    data, _ = write_data(tmp_path)
    same = {key: {**value, "question": "?"} for key, value in json.loads((data / "mm-vet.json").read_text()).items()}
    with judge_server(lambda request: "0.5") as server:
        settings = server.settings(tmp_path / "cache", judge_prompt=str(tmp_path / "evaluator.py"))
        write_json(data / "mm-vet.json", same)
        benchmark = CheckedBenchmark(MMVet(MMVetConfig(data=data, without_pictures=True, **settings)))
        answers = write_json(tmp_path / "same.json", dict.fromkeys(same, "left"))
        result = score_predictions("mm-vet", benchmark, answers, lambda what, done, of: None)
    assert len(server.requests) == 2  # with the check
    assert result.settings["judge"]["answers"] == COUNT + 1


def test_ctrl_c_ends_it_at_once_and_keeps_the_grades(tmp_path: Path) -> None:
    data, answers = write_data(tmp_path)
    hanging = threading.Semaphore(0)

    def reply(request: dict[str, Any]) -> str:
        if any(f"answer {number}" in str(request["messages"]) for number in (20, 21, 22, 23)):
            hanging.release()
            server.closing.wait(60)
        return grade_of(request)

    with judge_server(reply) as server:
        settings = server.settings(tmp_path / "cache", judge_prompt=str(tmp_path / "evaluator.py"))
        values = {**settings, "data": str(data), "without_pictures": True, "judge_timeout": 100.0}
        chosen = [text for name, value in values.items() for text in ("--set", f"{name}={json.dumps(value)}")]
        command = [sys.executable, "-m", "janiform", "score", "mm-vet", str(answers), "--json", *chosen]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4):  # one that arrives later would be counted as asked by the second run
            assert hanging.acquire(timeout=60)
        # The check, and all that can be graded; a file that is not yet whole is in a folder of its own.
        while len(list((tmp_path / "cache").glob("??/*.json"))) < 21:
            assert process.poll() is None
            server.closing.wait(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 130, errors
        assert "Traceback" not in errors
        asked = len(server.requests)
        server.reply = grade_of
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert json.loads(done.stdout)["scores"]["mm_vet.total"]["value"] == pytest.approx(MEAN)
        assert len(server.requests) == asked + 4, "those that hung alone"
