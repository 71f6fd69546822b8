"""Errors as the API of OpenAI reports them: a status, and a JSON object with message, type, param and code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ..errors import JaniformError, PictureError, ResourceError, StorageError, UsageError
from ..inference.generate.context import ContextLengthError

INVALID, SERVER, BUSY = "invalid_request_error", "server_error", "rate_limit_error"
"""Types of errors: of the request, of the server, and of too many requests."""

NO_RETRY = {"x-should-retry": "false"}
"""The header by which OpenAI's clients know that sending the request again does not help."""

_SHOWN = 5
"""Most problems of one request that are listed."""


class ApiError(Exception):
    """An error with the status and the fields that a client gets.

    ``closes``: whether the connection is closed, because the rest of the request was not read.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        type: str = INVALID,
        headers: Mapping[str, str] | None = None,
        closes: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.type = type
        self.headers = dict(headers or {}) | ({"connection": "close"} if closes else {})

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object of the response, or of the last event of a stream."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}

    @property
    def response(self) -> Response:
        return json_response(self.body, self.status, self.headers)


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response of JSON in ASCII, which halves of surrogate pairs in a text of the request cannot break."""
    return Response(json_text(content), status, headers, "application/json")


def json_text(content: Any) -> str:
    """JSON on one line, in ASCII."""
    return json.dumps(content, separators=(",", ":"))


def api_error(error: Exception) -> ApiError:
    """How an exception is reported. One that janiform does not raise on purpose is an error of the server."""
    match error:
        case ApiError():
            return error
        case ContextLengthError():
            return ApiError(400, str(error), code="context_length_exceeded")
        case PictureError():
            return ApiError(400, str(error), code="invalid_image")
        case ResourceError():
            return ApiError(400, str(error), code="insufficient_memory")
        case UsageError():
            return ApiError(400, str(error), code="invalid_value")
        case JaniformError() if not isinstance(error, StorageError):  # whose message names files
            return ApiError(500, str(error), type=SERVER, headers=NO_RETRY)
        case HTTPException():
            return _of_http(error)
        case RequestValidationError():
            return validation_error(error.errors())
        case _:
            return ApiError(
                500, "the server failed to answer this request; its log says why", type=SERVER, headers=NO_RETRY
            )


def validation_error(problems: Sequence[Any]) -> ApiError:
    """Everything that is wrong with the fields of a request, as pydantic lists it, in one sentence."""
    sentences = [_sentence(problem) for problem in problems[:_SHOWN]]
    if len(problems) > _SHOWN:
        sentences.append(f"and {len(problems) - _SHOWN} more")
    first = _param(problems[0]["loc"]) if problems else ""
    return ApiError(400, "; ".join(sentences), code="invalid_value", param=first or None)


def _sentence(problem: Any) -> str:
    name = _param(problem["loc"])
    if problem["type"] == "missing":
        return f"'{name}' is missing" if name else "the body is missing"
    if problem["type"] == "json_invalid":
        return f"the body is not valid JSON: {problem['ctx']['error']} at character {problem['loc'][-1]}"
    message = str(problem["msg"]).removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    return f"'{name}': {message}" if name else f"the body is not valid: {message}"


def _param(location: Sequence[Any]) -> str:
    """The path of a field as in OpenAI's messages: messages[0].content; tags of alternatives are left out."""
    path = ""
    for part in location[1:] if location[:1] == ("body",) else location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif not str(part).startswith("<"):
            path += f".{part}" if path else str(part)
    return path


def _of_http(error: HTTPException) -> ApiError:
    if error.status_code == 404:
        return ApiError(404, "there is nothing at this address", code="unknown_url")
    if error.status_code == 405:
        return ApiError(405, "this address does not serve this method", headers=error.headers)
    return ApiError(error.status_code, str(error.detail), headers=error.headers)


async def answer_error(_: Request, error: Exception) -> Response:
    """The handler of exceptions that routes raise."""
    return api_error(error).response
