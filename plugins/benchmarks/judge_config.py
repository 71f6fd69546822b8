"""The settings of benchmarks with a judge. Torch-free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import field, frozen, validators

from .config import QuestionsConfig

if TYPE_CHECKING:
    from attrs import Attribute

NO_JUDGE = "none"


def _endpoint(_: Any, attribute: Attribute[str], value: str) -> None:
    if not value:
        return
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{attribute.name} must be a URL such as http://127.0.0.1:8000/v1")
    if parts.username or parts.password or parts.query:
        raise ValueError(f"{attribute.name} must not hold a key: name its environment variable in judge_key")


@frozen(kw_only=True)
class JudgedConfig(QuestionsConfig):
    """The data, the evaluator, and an OpenAI-compatible endpoint that judges answers."""

    judge: str = field(default="", metadata={"help": "name of the model that judges, at judge_url; none for no judge"})
    judge_url: str = field(
        default="",
        validator=_endpoint,
        metadata={"help": "URL of the OpenAI-compatible endpoint, such as http://127.0.0.1:8000/v1"},
    )
    judge_key: str = field(
        default="OPENAI_API_KEY",
        metadata={"help": "environment variable with the endpoint's key, if it needs one"},
    )
    judge_prompt: str = field(
        default="", metadata={"help": "official file that holds the text of the judge's prompt; see the docs"}
    )
    judge_cache: str = field(
        default="", metadata={"help": "folder that keeps the judge's answers; by default below the user's cache"}
    )
    judge_concurrency: int = field(
        default=8,
        validator=[validators.ge(1), validators.le(256)],
        metadata={"help": "most requests to the judge at a time"},
    )
    judge_tries: int = field(
        default=6, validator=validators.ge(1), metadata={"help": "tries per request, with growing waits between them"}
    )
    judge_timeout: float = field(
        default=60.0, validator=validators.gt(0), metadata={"help": "seconds to wait for an answer of the judge"}
    )
    judge_price: tuple[float, float] = field(
        default=(0.0, 0.0),
        validator=validators.deep_iterable(validators.ge(0)),
        metadata={"help": "USD per million tokens of prompts and of answers, for the recorded cost; 0 if unknown"},
    )

    @property
    def has_judge(self) -> bool:
        """Whether the settings name a judge."""
        return self.judge not in ("", NO_JUDGE)

    def __attrs_post_init__(self) -> None:
        if self.has_judge and not self.judge_url:
            raise ValueError(
                f"judge is '{self.judge}', but judge_url names no endpoint: set it, such as to http://127.0.0.1:8000/v1"
            )
        if self.judge_url and not self.has_judge:
            raise ValueError("judge_url is set, but judge does not name a model of that endpoint")
