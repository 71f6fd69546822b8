"""Chat completions: conversations with pictures, answered at once or as they are generated."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from attrs import define, field
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from ..inference.answering import AnswerSettings, checked_settings, seeds_of
from ..inference.batching import TextRequest
from ..sequence.conversation import Content, Conversation, Look, Turn
from .chat_request import ChatRequest, Message
from .errors import ApiError, json_response
from .events import DONE, EventStream, sent_event
from .exchange import Exchange, PartDone, TextPiece
from .pictures import PictureReader
from .service import needs_json, service_of, user_of

if TYPE_CHECKING:
    from ..inference.batching import EngineRequest
    from .served import ServedModel
    from .service import Service

router = APIRouter()


@router.post("/v1/chat/completions", dependencies=[Depends(needs_json)])
async def complete(body: ChatRequest, request: Request) -> Response:
    """Answer the last message of a conversation ``n`` times."""
    service = service_of(request)
    served = service.model(body.model)
    body.check(service.settings.choices)
    completion = _Completion(service, served, body, user_of(request))
    if body.stream:
        return await EventStream.of(completion.chunks())
    return json_response(await completion.whole())


@define
class _Completion:
    """One request and the fields that all parts of its response have."""

    service: Service
    served: ServedModel
    body: ChatRequest
    user: str
    id: str = field(factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(factory=lambda: int(time.time()))

    async def whole(self) -> dict[str, Any]:
        """The response with all answers."""
        done: dict[int, TextRequest] = {}
        async with aclosing(self.served.events(self.user, self._requests)) as events:
            async for event in events:
                if isinstance(event, PartDone) and isinstance(event.request, TextRequest):
                    done[event.index] = event.request
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", "content": done[index].result, "refusal": None},
                "logprobs": None,
                "finish_reason": _finish_reason(done[index]),
            }
            for index in sorted(done)
        ]
        usage = self._usage(list(done.values()))
        return {**self._head("chat.completion"), "choices": choices, "usage": usage}

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The events of a stream. Nothing is sent before the first text, so that an earlier error has its status."""
        begun = time.monotonic()
        done: list[TextRequest] = []
        started: set[int] = set()
        async with aclosing(self.served.events(self.user, self._requests)) as events:
            async for event in events:
                if event.index not in started:
                    if not started:
                        self.served.metrics.first_token.observe(time.monotonic() - begun)
                    started.add(event.index)
                    yield self._chunk(event.index, {"role": "assistant", "content": "", "refusal": None})
                if isinstance(event, TextPiece):
                    yield self._chunk(event.index, {"content": event.text})
                elif isinstance(event, PartDone) and isinstance(event.request, TextRequest):
                    done.append(event.request)
                    yield self._chunk(event.index, {}, _finish_reason(event.request))
        usage = self._usage(done)
        if self._with_usage:
            yield sent_event({**self._head("chat.completion.chunk"), "choices": [], "usage": usage})
        yield DONE

    def _requests(self, exchange: Exchange) -> list[EngineRequest]:
        body = self.body
        conversation = conversation_of(body.messages, self.served, PictureReader(self.service.settings))
        first = secrets.randbits(62) if body.seed is None else body.seed
        seeds = seeds_of(first, body.n or 1, "answers")
        given = {"max_new_tokens": body.limit, "temperature": body.temperature, "top_p": body.top_p, "stop": body.stop}
        settings: AnswerSettings = checked_settings(given)
        return self.served.answers(exchange, conversation, seeds, settings, stream=bool(body.stream))

    @property
    def _with_usage(self) -> bool:
        return self.body.stream_options is not None and self.body.stream_options.include_usage

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.served.name}

    def _chunk(self, index: int, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        usage = {"usage": None} if self._with_usage else {}
        return sent_event({**self._head("chat.completion.chunk"), "choices": [choice], **usage})

    def _usage(self, done: Sequence[TextRequest]) -> dict[str, Any]:
        read, written = len(done[0].prompt), sum(request.tokens for request in done)
        reused = min(request.reused for request in done)
        self.served.metrics.prompt_tokens.inc(read)
        self.served.metrics.reused_tokens.inc(reused)
        self.served.metrics.tokens.inc(written)
        return {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
            "prompt_tokens_details": {"cached_tokens": reused},
        }


def _finish_reason(request: TextRequest) -> str:
    return "length" if request.cut_off else "stop"


def conversation_of(messages: Sequence[Message], served: ServedModel, pictures: PictureReader) -> Conversation:
    """The conversation of messages. The pictures of a message stand before its text, each on a line of its own.

    Raises ``ApiError`` for a system message that is not the first, ``PictureError`` for pictures, and ``UsageError``
    where the model does not look at any.
    """
    first, *others = messages
    system = _text(first) if first.role in ("system", "developer") else None
    turns = list(messages if system is None else others)
    if wrong := [message.role for message in turns if message.role in ("system", "developer")]:
        raise ApiError(400, f"only the first message may be of the role '{wrong[0]}'", param="messages")
    if not turns:
        raise ApiError(400, "there is no message of the user to answer", param="messages")
    return Conversation([_turn(message, served, pictures) for message in turns], system)


def _turn(message: Message, served: ServedModel, pictures: PictureReader) -> Turn:
    looks: list[Content] = []
    for part in message.content:
        if part.image_url is not None:
            looks += [Look(pictures.of_url(part.image_url.url), served.model.pathway("look")), "\n"]
    return Turn("assistant" if message.role == "assistant" else "user", (*looks, _text(message)))


def _text(message: Message) -> str:
    """The text of a message; several parts of it are lines."""
    return "\n".join(part.text for part in message.content if part.text is not None)
