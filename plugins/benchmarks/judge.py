"""A judge: a model behind an OpenAI-compatible endpoint, with its answers kept on the disk.

Every answer is a readable JSON file named by the digest of the endpoint, the model, the prompt and the parameters, so
that a run that was stopped, or another score of the same answers, asks for nothing twice. Keys are never written.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from attrs import asdict, frozen
from janiform import ComponentError, JaniformError, Problem, ResourceError, StorageError, UsageError, read_json
from janiform import write_files as replace_files

if TYPE_CHECKING:
    from .judge_config import JudgedConfig

MAX_WAIT = 600.0
"""Most seconds between two tries, also where the endpoint asks for more."""

_FIRST_WAIT, _LAST_WAIT = 1.0, 60.0
_TRANSIENT = (408, 409, 425, 429)
_CHECK = "Reply with the digit 1."


@frozen
class Answer:
    """A judge's answer: its text, the model that the endpoint reports, and the numbers of tokens."""

    text: str
    model: str = ""
    prompt_tokens: int = 0
    answer_tokens: int = 0


class Judge:
    """The judge of the settings, which may be asked from several threads at a time.

    ``client`` has the interface of ``openai.OpenAI``.

    Raises ``ComponentError`` where the package openai is not installed and no client is given.
    """

    def __init__(self, config: JudgedConfig, client: Any = None, sleep: Callable[[float], None] = time.sleep) -> None:
        if client is None and find_spec("openai") is None:
            hint = "pip install 'janiform[judge]', or leave the setting `judge` empty"
            raise ComponentError(Problem("a judge needs the package openai, which is not installed", hint=hint))
        self.config = config
        self.cache = Path(config.judge_cache).expanduser() if config.judge_cache else _default_cache()
        self._client, self._sleep = client, sleep
        self._lock = Lock()
        self._asking: defaultdict[Path, Lock] = defaultdict(Lock)
        self._models: set[str] = set()
        self._counts = {"answers": 0, "asked": 0, "retries": 0, "prompt_tokens": 0, "answer_tokens": 0}

    @property
    def settings(self) -> dict[str, Any]:
        """The model, the endpoint and the cost so far, for the record of a score."""
        config = self.config
        facts = {"model": config.judge, "reported_models": sorted(self._models), "url": config.judge_url}
        prompt, answer = config.judge_price
        cost = (self._counts["prompt_tokens"] * prompt + self._counts["answer_tokens"] * answer) / 1e6
        return {**facts, **self._counts, **({"cost_usd": round(cost, 6)} if prompt or answer else {})}

    def check(self) -> None:
        """Ask for one digit, so that a wrong URL, key or model is found before hours of other work."""
        self.ask(_CHECK, temperature=0.0, max_tokens=3)

    def ask(self, prompt: str, *, temperature: float, max_tokens: int, run: int = 0) -> str:
        """The judge's answer to a prompt. ``run`` tells repeated questions apart: each has an answer of its own.

        Raises:
            UsageError: the endpoint refuses the request.
            ResourceError: it gave no answer in all tries.
        """
        request = {
            "url": self.config.judge_url,
            "model": self.config.judge,
            "temperature": float(temperature),
            "max_tokens": max_tokens,
            "run": run,
            "prompt": prompt,
        }
        path = self._path(request)
        with self._lock:
            asking = self._asking[path]
        with asking:  # where two ask the same, the second one takes the answer of the first
            answer = _cached(path, request)
            if answer is None:
                answer = self._answer(request)
                _write(path, request, answer)
        with self._lock:
            self._counts["answers"] += 1
            self._counts["prompt_tokens"] += answer.prompt_tokens
            self._counts["answer_tokens"] += answer.answer_tokens
            self._models |= {answer.model} - {""}
        return answer.text

    def _path(self, request: Mapping[str, Any]) -> Path:
        digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        return self.cache / digest[:2] / f"{digest}.json"

    def _answer(self, request: Mapping[str, Any]) -> Answer:
        """Ask until there is an answer, or no tries are left."""
        reason = ""
        for number in range(self.config.judge_tries):
            if number:
                with self._lock:
                    self._counts["retries"] += 1
            with self._lock:
                self._counts["asked"] += 1
            try:
                return _answer_of(self._create(request))
            except JaniformError:
                raise
            except Exception as error:  # the client raises errors of several packages
                reason = self._transient(error)
                if number + 1 < self.config.judge_tries:
                    self._sleep(_pause(number, error))
        message = f"the judge '{self.config.judge}' at {self.config.judge_url} gave no answer in {number + 1} tries"
        hint = f"the answers so far are kept in {self.cache}; run again to continue"
        raise ResourceError(Problem(f"{message}; the last time it {reason}", hint=hint))

    def _create(self, request: Mapping[str, Any]) -> Any:
        with self._lock:
            if self._client is None:
                from openai import OpenAI

                key = os.environ.get(self.config.judge_key) or "none"
                self._client = OpenAI(
                    api_key=key, base_url=self.config.judge_url, timeout=self.config.judge_timeout, max_retries=0
                )
        return self._client.chat.completions.create(
            model=request["model"],
            messages=[{"role": "user", "content": request["prompt"]}],
            temperature=request["temperature"],
            max_tokens=request["max_tokens"],
        )

    def _transient(self, error: Exception) -> str:
        """Why a try failed, as the end of a sentence; raises ``UsageError`` where another try would fail again."""
        status, code = getattr(error, "status_code", None), getattr(error, "code", None)
        if not isinstance(status, int):
            name = type(error).__name__
            return "did not answer in time" if "Timeout" in name else f"failed: {name}: {str(error)[:200]}"
        if (status not in _TRANSIENT and status < 500) or code == "insufficient_quota":
            # The endpoint's message about a key repeats parts of it.
            detail = "" if status in (401, 403) else f": {str(error)[:300]}"
            hints = {
                401: f"set the environment variable {self.config.judge_key}",
                403: f"check the key in {self.config.judge_key}",
                404: "check judge_url, which often ends with /v1, and the model's name",
            }
            raise UsageError(
                Problem(
                    f"the judge '{self.config.judge}' at {self.config.judge_url} refused with status {status}{detail}",
                    hint=hints.get(status, ""),
                )
            ) from error
        return f"answered with status {status}"


def _answer_of(response: Any) -> Answer:
    """The answer in a response of the client; raises ``ValueError`` for one that is not a chat completion."""
    try:
        text = response.choices[0].message.content
    except (AttributeError, IndexError, TypeError):
        text = None
    if not isinstance(text, str):
        raise ValueError("the response is not a chat completion with a text")
    usage = getattr(response, "usage", None)
    prompt, answer = (_count(getattr(usage, name, 0)) for name in ("prompt_tokens", "completion_tokens"))
    model = getattr(response, "model", "")
    return Answer(text, model if isinstance(model, str) else "", prompt, answer)


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _pause(number: int, error: Exception) -> float:
    """The seconds before the next try: those that the endpoint asks for, or a wait that doubles after every try."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    asked = _seconds(headers.get("retry-after"))
    if asked is not None:
        return min(asked, MAX_WAIT)
    # Random parts keep several processes from asking all at once again.
    return float(min(_FIRST_WAIT * 2**number, _LAST_WAIT) * random.uniform(0.5, 1.0))


def _seconds(header: str | None) -> float | None:
    """The seconds in a ``Retry-After`` header, which holds a number or a date; None for anything else."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            date = parsedate_to_datetime(header)
        except ValueError:
            return None
        seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - datetime.now(UTC).timestamp()
    return max(0.0, seconds) if seconds == seconds else None


def _cached(path: Path, request: Mapping[str, Any]) -> Answer | None:
    """The answer in a file of the cache; None where there is none, or a damaged one."""
    try:
        entry = read_json(path, missing_ok=True)
    except StorageError:
        return None
    answer = entry.get("answer")
    if not isinstance(answer, dict) or any(entry.get(name) != value for name, value in request.items()):
        return None
    text, model = answer.get("text"), answer.get("model")
    if not isinstance(text, str):
        return None
    counts = (_count(answer.get(name)) for name in ("prompt_tokens", "answer_tokens"))
    return Answer(text, model if isinstance(model, str) else "", *counts)


def _write(path: Path, request: Mapping[str, Any], answer: Answer) -> None:
    text = json.dumps({**request, "answer": asdict(answer)}, indent=2, ensure_ascii=False) + "\n"
    replace_files(path.parent, {path.name: lambda file: file.write_bytes(text.encode("utf-8", "backslashreplace"))})


def _default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "janiform" / "judge"
