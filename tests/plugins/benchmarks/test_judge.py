"""The judge asks an endpoint once per prompt, waits as it is told, and explains why it cannot go on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from janiform import ComponentError, ResourceError, UsageError
from janiform_plugins.benchmarks.judge import Judge
from janiform_plugins.benchmarks.judge_config import JudgedConfig
from judge_server import JudgeServer, judge_server

openai = pytest.importorskip("openai")


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    with judge_server(lambda request: "0.5") as running:
        yield running


class Waits(list[float]):
    """The seconds that a judge would have slept."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def judge_of(server: JudgeServer, folder: Path, **settings: Any) -> tuple[Judge, Waits]:
    waits = Waits()
    return Judge(JudgedConfig(**server.settings(folder, **settings)), sleep=waits), waits


def ask(judge: Judge, prompt: str = "how good?", **parameters: Any) -> str:
    return judge.ask(prompt, **{"temperature": 0.0, "max_tokens": 3, **parameters})


def test_an_answer_is_asked_for_once_and_kept_as_readable_json(server: JudgeServer, tmp_path: Path) -> None:
    judge, _ = judge_of(server, tmp_path)
    assert ask(judge, "wie gut? 好") == ask(judge, "wie gut? 好") == "0.5"
    again, _ = judge_of(server, tmp_path)
    assert ask(again, "wie gut? 好") == "0.5"
    assert len(server.requests) == 1
    assert server.requests[0] == {
        "model": "judge-1",
        "messages": [{"role": "user", "content": "wie gut? 好"}],
        "temperature": 0.0,
        "max_tokens": 3,
    }
    (file,) = tmp_path.rglob("*.json")
    entry = json.loads(file.read_text(encoding="utf-8"))
    assert (entry["prompt"], entry["model"], entry["answer"]["text"]) == ("wie gut? 好", "judge-1", "0.5")
    assert "wie gut? 好" in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("change", [{"prompt": "b"}, {"temperature": 0.5}, {"max_tokens": 4}, {"run": 1}])
def test_another_prompt_or_parameter_is_another_question(
    change: dict[str, Any], server: JudgeServer, tmp_path: Path
) -> None:
    judge, _ = judge_of(server, tmp_path)
    ask(judge, "a")
    ask(judge, **{"prompt": "a", **change})
    assert len(server.requests) == 2


def test_another_model_or_endpoint_is_another_judge(server: JudgeServer, tmp_path: Path) -> None:
    ask(judge_of(server, tmp_path)[0])
    ask(judge_of(server, tmp_path, judge="judge-2")[0])
    ask(judge_of(server, tmp_path, judge_url=server.url.replace("/v1", "/v2"))[0])
    assert len(server.requests) == 3


def test_a_damaged_file_of_the_cache_is_asked_for_again(server: JudgeServer, tmp_path: Path) -> None:
    judge, _ = judge_of(server, tmp_path)
    ask(judge)
    (file,) = tmp_path.rglob("*.json")
    for text in ("{", "[]", '{"answer": {"text": "1.0"}}', file.read_text().replace('"0.5"', "5")):
        file.write_text(text)
        assert ask(judge) == "0.5"
    assert len(server.requests) == 5


def test_the_settings_hold_model_tokens_and_cost(server: JudgeServer, tmp_path: Path) -> None:
    judge, _ = judge_of(server, tmp_path, judge_price=(10.0, 30.0))
    ask(judge, "a")
    ask(judge, "b")
    again, _ = judge_of(server, tmp_path, judge_price=(10.0, 30.0))
    ask(again, "a")
    assert judge.settings == {
        "model": "judge-1",
        "reported_models": ["judge-1-0613"],
        "url": server.url,
        "answers": 2,
        "asked": 2,
        "retries": 0,
        "prompt_tokens": 200,
        "answer_tokens": 4,
        "cost_usd": 0.00212,
    }
    assert again.settings["asked"] == 0
    assert again.settings["cost_usd"] == 0.00106, "what the answers cost when they were asked for"
    assert "cost_usd" not in judge_of(server, tmp_path)[0].settings


def test_the_key_is_sent_and_never_written(
    server: JudgeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-secret")
    judge, _ = judge_of(server, tmp_path, judge_key="MY_KEY")
    ask(judge)
    assert server.keys == {"Bearer sk-secret"}
    server.faults = [401]
    with pytest.raises(UsageError, match=r"refused with status 401 \(set the environment variable MY_KEY\)") as failure:
        ask(judge, "b")
    written = [file.read_text() for file in tmp_path.rglob("*.json")] + [str(judge.settings), str(failure.value)]
    assert not any("sk-secret" in text for text in written)


@pytest.mark.parametrize(
    "fault", [429, 500, 503, 408, b"{}", b"not JSON", b'{"choices": []}', b'{"choices": [{"message": {}}]}', b""]
)
def test_a_passing_failure_is_tried_again(fault: Any, server: JudgeServer, tmp_path: Path) -> None:
    judge, waits = judge_of(server, tmp_path)
    server.faults = [fault, fault]
    assert ask(judge) == "0.5"
    assert len(server.requests) == 3
    assert 0.5 <= waits[0] <= 1 <= waits[1] <= 2, "the wait doubles"
    assert judge.settings["retries"] == 2


def test_a_judge_that_does_not_answer_in_time_is_asked_again(server: JudgeServer, tmp_path: Path) -> None:
    judge, waits = judge_of(server, tmp_path, judge_timeout=0.2)
    server.faults = ["hang"]
    assert ask(judge) == "0.5"
    assert len(waits) == 1


def test_a_judge_that_never_answers_is_an_error_that_says_where_its_answers_are(
    server: JudgeServer, tmp_path: Path
) -> None:
    judge, waits = judge_of(server, tmp_path, judge_timeout=0.1, judge_tries=2)
    server.faults = ["hang", "hang"]
    with pytest.raises(ResourceError, match=r"gave no answer in 2 tries; the last time it did not answer in time") as e:
        ask(judge)
    assert str(tmp_path) in str(e.value)
    assert len(waits) == 1
    assert not list(tmp_path.rglob("*.json"))


def test_no_server_is_an_error_after_all_tries(tmp_path: Path) -> None:
    with judge_server() as server:
        judge, _ = judge_of(server, tmp_path, judge_tries=2)
    with pytest.raises(ResourceError, match="gave no answer in 2 tries; the last time it failed: APIConnectionError"):
        judge.check()


def test_retry_after_is_followed_up_to_a_limit(server: JudgeServer, tmp_path: Path) -> None:
    judge, waits = judge_of(server, tmp_path)
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    headers = ["7", "0.25", "1e9", date, "nan", "soon"]
    server.faults = [(429, {"Retry-After": header}) for header in headers[:5]]
    assert ask(judge, "a") == "0.5"
    server.faults = [(429, {"Retry-After": header}) for header in headers[5:]]
    assert ask(judge, "b") == "0.5"
    assert waits[:3] == [7.0, 0.25, 600.0]
    assert 25 <= waits[3] <= 30
    assert 8 <= waits[4] <= 16, "back-off where the header is not a number"
    assert 0.5 <= waits[5] <= 1


@pytest.mark.parametrize(
    ("status", "message"),
    [(400, "refused with status 400: .*fault 400"), (404, r"status 404.*check judge_url, which often ends with /v1")],
)
def test_a_refusal_is_not_tried_again(status: int, message: str, server: JudgeServer, tmp_path: Path) -> None:
    judge, waits = judge_of(server, tmp_path)
    server.faults = [status]
    with pytest.raises(UsageError, match=message):
        ask(judge)
    assert not waits


def test_an_empty_account_is_not_tried_again(tmp_path: Path) -> None:
    class EmptyError(Exception):
        status_code, code = 429, "insufficient_quota"

    class Client:
        @property
        def chat(self) -> Any:
            raise EmptyError("You exceeded your current quota")

    judge = Judge(JudgedConfig(judge="m", judge_url="http://localhost/v1", judge_cache=str(tmp_path)), Client())
    with pytest.raises(UsageError, match="refused with status 429: You exceeded"):
        ask(judge)


def test_settings_of_a_judge_are_checked() -> None:
    with pytest.raises(ValueError, match="judge is 'm', but judge_url names no endpoint"):
        JudgedConfig(judge="m")
    with pytest.raises(ValueError, match="judge does not name a model"):
        JudgedConfig(judge_url="http://localhost/v1")
    with pytest.raises(ValueError, match="must be a URL such as"):
        JudgedConfig(judge="m", judge_url="localhost")
    with pytest.raises(ValueError, match="must not hold a key"):
        JudgedConfig(judge="m", judge_url="https://me:sk-1@localhost/v1")


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("janiform_plugins.benchmarks.judge.find_spec", lambda name: None)
    config = evolve(JudgedConfig(), judge="m", judge_url="http://localhost/v1")
    with pytest.raises(ComponentError, match=r"needs the package openai.*pip install 'janiform\[judge\]'"):
        Judge(config)
