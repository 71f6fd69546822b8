"""The thread of a model: turns of users, errors of one request, and an engine that fails."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import openai
import pytest
from attrs import evolve
from janiform import Model, Steps, UsageError
from janiform.inference.batching import EngineRequest
from janiform.serve.pool import WorkPool
from janiform.serve.settings import ServerSettings
from janiform.serve.start import named_models
from serving import PATIENCE, GatedEngine, chat, gated, posted, serving
from test_hostile import until

SETTINGS = ServerSettings(api_keys=("a", "b"), queue=20)


def test_a_user_with_one_request_is_not_behind_all_those_of_another(small: Model) -> None:
    gate, order = threading.Event(), []

    class Recording(GatedEngine):
        def add(self, request: EngineRequest) -> None:
            order.append(request.seed)
            super().add(request)

    def ask(number: int, user: str) -> None:
        assert posted(running.port, chat(max_tokens=1, seed=number), authorization=f"Bearer {user}")[0] == 200

    with serving({"small": small}, SETTINGS, lambda model: Recording(model, gate)) as running:
        runner = running.service.models["small"].runner
        threads = [threading.Thread(target=ask, args=item) for item in enumerate("aaaaaaaaaaaab")]
        for number, thread in enumerate(threads, start=1):
            thread.start()
            until(lambda number=number: runner.begun + runner.waiting == number)
        gate.set()
        for thread in threads:
            thread.join()
    assert sorted(order) == list(range(13))
    assert order.index(12) <= 2  # after the one that runs, and at most one more of the other


class Faulty(GatedEngine):
    """Fails in the step of a request with the seed 13, or altogether with the seed 14."""

    def step(self) -> None:
        if any(request.seed == 14 for request, *_ in self._waiting):
            raise RuntimeError("a bug")
        super().step()

    def add(self, request: EngineRequest) -> None:
        super().add(request)
        if request.seed == 13:
            self._waiting[-1] = (request, failing(request), 1, 0)


def failing(request: Any) -> Steps[str]:
    """The steps of a request that fails after a part of its text."""
    yield None
    if request.on_text is not None:
        request.on_text("so far")
    yield None
    raise RuntimeError("a bug of one")


def test_an_error_of_one_request_is_its_own_and_of_the_engine_that_of_those_that_ran(small: Model) -> None:
    gate = threading.Event()
    gate.set()
    with serving({"small": small}, make_engine=lambda model: Faulty(model, gate)) as running:
        for seed, status in ((1, 200), (13, 500), (2, 200), (14, 500), (3, 200)):
            got, answer = posted(running.port, chat(max_tokens=1, seed=seed))
            assert got == status
            if status == 500:
                assert answer["error"]["type"] == "server_error"
                assert "bug" not in answer["error"]["message"]
        # Each is logged once.
        assert [str(bug) for bug in running.bugs] == ["a bug of one", "a bug"]
        running.bugs.clear()


def test_an_error_within_a_stream_is_its_last_event(small: Model) -> None:
    gate = threading.Event()
    gate.set()
    with serving({"small": small}, make_engine=lambda model: Faulty(model, gate)) as running:
        with openai.OpenAI(base_url=f"{running.address}/v1", api_key="none", max_retries=0) as client:
            stream = client.chat.completions.create(
                model="small", messages=[{"role": "user", "content": "how many?"}], stream=True, seed=13
            )
            read = iter(stream)
            assert next(read).choices[0].delta.role == "assistant"
            assert next(read).choices[0].delta.content == "so far"
            with pytest.raises(openai.APIError, match="the server failed"):
                next(read)
        running.bugs.clear()


def test_more_requests_at_once_than_allowed_are_refused(small: Model) -> None:
    gate = threading.Event()
    with serving({"small": small}, evolve(ServerSettings(), in_flight=2), gated(gate)) as running:
        runner = running.service.models["small"].runner
        threads = [threading.Thread(target=posted, args=(running.port, chat(max_tokens=1))) for _ in range(2)]
        for thread in threads:
            thread.start()
        until(lambda: runner.begun + runner.waiting == 2)
        status, answer = posted(running.port, chat())
        assert (status, answer["error"]["code"]) == (503, "overloaded")
        gate.set()
        for thread in threads:
            thread.join()


def test_models_have_the_names_of_their_folders_or_others() -> None:
    assert named_models(["janus-mini", "runs/a/final", "b=runs/b/final", "./x=y"]) == {
        "janus-mini": "janus-mini",
        "final": "runs/a/final",
        "b": "runs/b/final",
        "x=y": "./x=y",
    }
    for wrong in (["a", "b/a"], ["=a"], ["a="]):
        with pytest.raises(UsageError):
            named_models(wrong)


def test_work_whose_client_left_is_not_begun_and_holds_no_thread_that_works() -> None:
    async def main() -> None:
        gate, ran, pool = threading.Event(), [], WorkPool(1)
        first = asyncio.create_task(pool.run(gate.wait, PATIENCE))
        await asyncio.sleep(0)
        left = asyncio.create_task(pool.run(ran.append, "left"))
        await asyncio.sleep(0)
        first.cancel()
        left.cancel()
        last = asyncio.create_task(pool.run(ran.append, "last"))
        await asyncio.sleep(0.02)
        assert not last.done()  # the only thread still does what the first asked for
        gate.set()
        await last
        assert ran == ["last"]
        pool.close()

    asyncio.run(main())
