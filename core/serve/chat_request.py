"""The body of a request for a chat completion: its fields, and what of OpenAI's API is not served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from ..arguments import MAX_SEED
from ..errors import nearest
from .fields import StrictFields, refused, unserved

_IGNORED = frozenset(
    {"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"}
)
"""Fields that do not change the answer."""

_ONLY: Mapping[str, tuple[Any, ...]] = {
    "audio": (),
    "frequency_penalty": (0,),
    "function_call": ("none", "auto"),
    "functions": ([],),
    "logit_bias": ({},),
    "logprobs": (False,),
    "modalities": (["text"],),
    "parallel_tool_calls": (True, False),
    "prediction": (),
    "presence_penalty": (0,),
    "reasoning_effort": ("none",),
    "response_format": ({"type": "text"},),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "top_logprobs": (0,),
    "verbosity": ("medium",),
    "web_search_options": (),
}
"""Fields of OpenAI's API that are served at these values only, at which they change nothing."""


class ImageAddress(StrictFields):
    """The picture of a message, as a data URL."""

    url: str
    detail: Literal["auto", "low", "high"] = "auto"


class MessagePart(StrictFields):
    """A text or a picture of a message."""

    type: Literal["text", "image_url"]
    text: str | None = None
    image_url: ImageAddress | None = None

    @model_validator(mode="after")
    def _has_its_content(self) -> MessagePart:
        other = "text" if self.type == "image_url" else "image_url"
        if getattr(self, self.type) is None or getattr(self, other) is not None:
            raise ValueError(f"a part of the type '{self.type}' must have the field '{self.type}', and no '{other}'")
        return self


def _as_parts(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


class Message(StrictFields):
    """One message. An assistant's may have the fields of OpenAI's responses, where they are empty."""

    model_config = ConfigDict(extra="allow")

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[list[MessagePart], BeforeValidator(_as_parts)]
    name: str | None = None

    @model_validator(mode="after")
    def _is_plain(self) -> Message:
        if filled := [name for name, value in (self.model_extra or {}).items() if value]:
            raise ValueError(f"the field '{filled[0]}' is not supported")
        if self.role != "user" and any(part.image_url for part in self.content):
            raise ValueError("only messages of the user may have pictures")
        return self


class StreamOptions(StrictFields):
    """What a stream has beside its text."""

    include_usage: bool = False
    include_obfuscation: bool = False


class ChatRequest(StrictFields):
    """The body of a request for a chat completion. Fields that are null have their defaults."""

    model_config = ConfigDict(extra="allow")

    model: str | None = None
    messages: list[Message] = Field(min_length=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    n: int | None = Field(None, ge=1)
    seed: int | None = Field(None, ge=0, le=MAX_SEED)
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(None, ge=0)
    top_p: float | None = Field(None, gt=0, le=1)

    @property
    def limit(self) -> int | None:
        """The most tokens of an answer."""
        return self.max_completion_tokens or self.max_tokens

    def check(self, choices: int) -> None:
        """Raise ``ApiError`` for fields that contradict each other, are not served or do not exist."""
        for name in unserved(self.model_extra or {}, _IGNORED, _ONLY):
            hint = nearest(name, [*ChatRequest.model_fields, *_ONLY])
            hint = f" ({hint})" if hint.startswith("did") else ""
            raise refused(name, f"there is no field '{name}'{hint}", "unknown_parameter")
        if (self.n or 1) > choices:
            raise refused("n", f"'n' may be at most {choices} on this server")
        if self.stream_options is not None and not self.stream:
            raise refused("stream_options", "'stream_options' needs 'stream' to be true")
        limits = {self.max_completion_tokens, self.max_tokens} - {None}
        if len(limits) > 1:
            raise refused("max_tokens", "'max_tokens' and 'max_completion_tokens' differ; give one of them")
