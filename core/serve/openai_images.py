"""Pictures from prompts, and from other pictures: sent when they are done, or with previews while they are drawn."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Literal

from attrs import define, field
from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from ..inference.answering import seeds_of
from ..inference.batching import PictureRequest
from ..sequence.conversation import Conversation
from .errors import ApiError, json_response
from .events import EventStream, sent_event
from .exchange import Exchange, PartDone, UnfinishedPicture
from .image_request import ImageRequest
from .pictures import PictureReader
from .service import needs_form, needs_json, service_of, user_of

if TYPE_CHECKING:
    from ..inference.batching import EngineRequest
    from .served import ServedModel
    from .service import Service

router = APIRouter()

_MOST_FIELDS = 100


@router.post("/v1/images/generations", dependencies=[Depends(needs_json)])
async def generate(body: ImageRequest, request: Request) -> Response:
    """Draw ``n`` pictures from a prompt."""
    return await _response(body, (), request, "image_generation")


@router.post("/v1/images/edits", dependencies=[Depends(needs_form)])
async def edit(request: Request) -> Response:
    """Draw ``n`` pictures from a prompt and other pictures, such as one that is to be changed."""
    limit = service_of(request).settings.pictures
    async with request.form(max_files=limit, max_fields=_MOST_FIELDS) as form:
        fields, files = _parted(form)
        sources = [await file.read() for file in files]
    if not sources:
        raise ApiError(400, "'image' is missing: send one or several files of pictures", param="image")
    return await _response(ImageRequest.of_form(fields), sources, request, "image_edit")


def _parted(form: FormData) -> tuple[dict[str, str], list[UploadFile]]:
    """The texts and the pictures of a form. Raises ``ApiError`` for others."""
    fields: dict[str, str] = {}
    files: list[UploadFile] = []
    for name, value in form.multi_items():
        picture = name in ("image", "image[]")
        if isinstance(value, UploadFile) and picture:
            files.append(value)
        elif name == "mask":
            raise ApiError(400, "'mask' is not supported by this server", code="unsupported_parameter", param="mask")
        elif isinstance(value, UploadFile) or picture:
            what = "a file" if picture else "a text"
            raise ApiError(400, f"'{name}' must be {what}", code="invalid_value", param=name)
        elif name in fields:
            raise ApiError(400, f"'{name}' is given twice", code="invalid_value", param=name)
        else:
            fields[name] = value
    return fields, files


async def _response(
    body: ImageRequest, sources: Sequence[bytes], request: Request, kind: Literal["image_generation", "image_edit"]
) -> Response:
    service = service_of(request)
    served = service.model(body.model)
    settings = body.checked(served.size, service.settings.choices)
    drawing = _Drawing(service, served, body, sources, settings, user_of(request), kind)
    if body.stream:
        return await EventStream.of(drawing.events())
    return json_response(await drawing.whole())


@define
class _Drawing:
    """One request for pictures."""

    service: Service
    served: ServedModel
    body: ImageRequest
    sources: Sequence[bytes]
    settings: dict[str, Any]
    user: str
    kind: str
    created: int = field(factory=lambda: int(time.time()))
    asked: str | Conversation = ""

    async def whole(self) -> dict[str, Any]:
        """The response with all pictures."""
        data: dict[int, dict[str, Any]] = {}
        done: list[PictureRequest] = []
        async with aclosing(self.served.events(self.user, self._requests)) as events:
            async for event in events:
                if isinstance(event, PartDone) and isinstance(event.request, PictureRequest):
                    done.append(event.request)
                    data[event.index] = {"b64_json": await self._png(event.request), "seed": event.request.seed}
        pictures = [data[index] for index in sorted(data)]
        return {
            "created": self.created,
            **_FORM,
            "size": self.served.size,
            "data": pictures,
            "usage": self._usage(done),
        }

    async def events(self) -> AsyncGenerator[bytes, None]:
        """The events of a stream: previews, and each picture when it is done."""
        async with aclosing(self.served.events(self.user, self._requests)) as events:
            async for event in events:
                if isinstance(event, UnfinishedPicture):
                    png = await self.served.pool.run(self.served.preview, event.codes)
                    preview = {"partial_image_index": event.number, "index": event.index, "b64_json": _base64(png)}
                    yield self._event("partial_image", preview)
                elif isinstance(event, PartDone) and isinstance(event.request, PictureRequest):
                    drawn = {"b64_json": await self._png(event.request), "seed": event.request.seed}
                    usage = self._usage([event.request])
                    yield self._event("completed", {"index": event.index, **drawn, "usage": usage})

    def _requests(self, exchange: Exchange) -> list[EngineRequest]:
        reader = PictureReader(self.service.settings)
        self.asked = self.served.asked(self.body.prompt, [reader.of_bytes(data) for data in self.sources])
        first = secrets.randbits(62) if self.body.seed is None else self.body.seed
        seeds = seeds_of(first, self.body.n or 1, "pictures")
        return self.served.drawings(exchange, self.asked, seeds, self.settings, previews=self.body.partial_images or 0)

    async def _png(self, request: PictureRequest) -> str:
        return _base64(await self.served.pool.run(self.served.png, request, self.asked))

    def _event(self, name: str, content: dict[str, Any]) -> bytes:
        kind = f"{self.kind}.{name}"
        common = {"type": kind, "created_at": self.created, **_FORM, "quality": "auto", "size": self.served.size}
        return sent_event({**common, **content}, kind)

    def _usage(self, done: Sequence[PictureRequest]) -> dict[str, Any]:
        """The positions of the prompt and of the pictures that are ``done``."""
        spans = done[0].prompt.spans
        read = sum(span.length for span in spans if span.kind == "text")
        looked = len(done[0].prompt) - read
        drawn = len(done) * self.served.model.model.plan.pathways[done[0].pathway].tokens
        self.served.metrics.pictures.inc(len(done))
        self.served.metrics.prompt_tokens.inc(looked + read)
        return {
            "input_tokens": looked + read,
            "input_tokens_details": {"text_tokens": read, "image_tokens": looked},
            "output_tokens": drawn,
            "output_tokens_details": {"text_tokens": 0, "image_tokens": drawn},
            "total_tokens": looked + read + drawn,
        }


_FORM = {"background": "opaque", "output_format": "png"}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
