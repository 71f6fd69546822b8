"""What the bodies of all requests have in common: strict fields, and fields of OpenAI's API that are not served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from .errors import ApiError


class StrictFields(BaseModel):
    """Fields of a body, whose values must have their types."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")


def refused(param: str, message: str, code: str = "invalid_value") -> ApiError:
    """The error of a field that cannot be served."""
    return ApiError(400, message, code=code, param=param)


def unserved(fields: Mapping[str, Any], ignored: frozenset[str], only: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    """The fields that are neither null, nor ``ignored``, nor of ``only``, which has the values that change nothing.

    Raises ``ApiError`` for another value of a field of ``only``.
    """
    others = {}
    for name, value in fields.items():
        if value is None or name in ignored:
            continue
        if name not in only:
            others[name] = value
        elif value not in only[name]:
            allowed = "" if not only[name] else f" other than {' or '.join(map(repr, only[name]))}"
            raise refused(name, f"'{name}'{allowed} is not supported by this server", "unsupported_parameter")
    return others
