"""What routes share: the models that are served, the settings, and who asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from fastapi import Request

from ..errors import nearest
from .errors import ApiError

if TYPE_CHECKING:
    from .metrics import ServerMetrics
    from .served import ServedModel
    from .settings import ServerSettings


class Service:
    """The models of a server by name, and its state. ``stopping``: no new requests are served."""

    def __init__(self, models: Mapping[str, ServedModel], settings: ServerSettings, metrics: ServerMetrics) -> None:
        self.models = models
        self.settings = settings
        self.metrics = metrics
        self.stopping = False

    def model(self, name: str | None) -> ServedModel:
        """The model of a name, or the only one where none is given. Raises ``ApiError``."""
        if name is None and len(self.models) == 1:
            return next(iter(self.models.values()))
        if name is not None and name in self.models:
            return self.models[name]
        hint = nearest(name or "", self.models)
        what = "'model' is missing" if name is None else f"there is no model '{name[:100]}'"
        code, status = ("invalid_value", 400) if name is None else ("model_not_found", 404)
        raise ApiError(status, f"{what} ({hint})" if hint else what, code=code, param="model")


def service_of(request: Request) -> Service:
    """The service that a request is made to."""
    return cast(Service, request.app.state.service)


def user_of(request: Request) -> str:
    """Who made a request: its key, or the address that it came from."""
    return cast(str, request.state.user)


def needs_json(request: Request) -> None:
    """Raise ``ApiError`` unless the body is JSON."""
    _needs(request, "application/json")


def needs_form(request: Request) -> None:
    """Raise ``ApiError`` unless the body is a form with files."""
    _needs(request, "multipart/form-data")


def _needs(request: Request, wanted: str) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != wanted:
        what = f"not '{given[:60]}'" if given else "and this request has none"
        raise ApiError(415, f"the content type must be {wanted}, {what}", code="unsupported_media_type")
