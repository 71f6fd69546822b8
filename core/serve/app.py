"""The application: routes for models, chats and pictures, the state of the server, and the studio."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from .. import __version__
from ..errors import PictureError, ResourceError, UsageError
from . import openai_chat, openai_images, studio
from .errors import ApiError, answer_error, json_response
from .guard import Guard
from .served import ServedModel
from .service import Service, service_of

_STARTED = int(time.time())
_REPORTED = (ApiError, UsageError, PictureError, ResourceError, RequestValidationError, HTTPException, Exception)
"""Exceptions that become responses; of these, those that no other class names are logged as well."""

router = APIRouter()


def guarded_app(service: Service, on_bug: Callable[[Exception], None]) -> Guard:
    """The application of a service, behind its guard."""
    # Without addresses of documentation: their pages load scripts from other sites.
    app = FastAPI(title="janiform", version=__version__, docs_url=None, redoc_url=None)
    app.state.service = service
    for error in _REPORTED:
        app.add_exception_handler(error, answer_error)
    for routes in (router, openai_chat.router, openai_images.router, studio.router):
        app.include_router(routes)
    app.mount("/static", StaticFiles(packages=[(__package__, "static")]))
    return Guard(app, service, on_bug)


@router.get("/v1/models")
async def models(request: Request) -> Response:
    """The models that are served."""
    return json_response({"object": "list", "data": [_facts(model) for model in service_of(request).models.values()]})


@router.get("/v1/models/{name:path}")
async def model(name: str, request: Request) -> Response:
    """One of the models."""
    return json_response(_facts(service_of(request).model(name)))


def _facts(served: ServedModel) -> dict[str, Any]:
    """What OpenAI's API tells about a model, and what the model can do."""
    return {
        "id": served.name,
        "object": "model",
        "created": _STARTED,
        "owned_by": "janiform",
        "looks": served.can("look"),
        "draws": served.size or None,
        "draws_from_pictures": bool(served.model.model.processor.draws_from),
        "context": served.model.model.plan.hidden.context,
    }


@router.api_route("/health", methods=["GET", "HEAD"])
async def health(request: Request) -> Response:
    """Whether the server takes requests."""
    stopping = service_of(request).stopping
    return json_response({"status": "stopping" if stopping else "ok"}, 503 if stopping else 200)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """The metrics of the server, for Prometheus."""
    text = generate_latest(service_of(request).metrics.registry)
    return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})
