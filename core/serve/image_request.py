"""The bodies of requests for pictures: their fields, and the settings of the model's sampler beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from ..arguments import MAX_SEED
from .errors import validation_error
from .fields import StrictFields, refused, unserved

_IGNORED = frozenset({"user", "moderation", "safety_identifier"})
"""Fields that do not change the pictures."""

_ONLY: Mapping[str, tuple[Any, ...]] = {
    "background": ("auto", "opaque"),
    "input_fidelity": (),
    "mask": (),
    "output_compression": (100,),
    "output_format": ("png",),
    "quality": ("auto", "standard"),
    "response_format": ("b64_json",),
    "style": (),
}
"""Fields of OpenAI's API that are served at these values only."""

_TEXTS = frozenset({"prompt", "model", "size", *_IGNORED, *_ONLY} - {"output_compression"})
"""Fields of forms that are texts, even where they look like numbers."""


class ImageRequest(StrictFields):
    """The body of a request for pictures. Other fields are settings of the model's sampler, such as ``guidance``."""

    model_config = ConfigDict(extra="allow")

    prompt: str
    model: str | None = None
    n: int | None = Field(None, ge=1)
    partial_images: Literal[0, 1, 2, 3] | None = None
    seed: int | None = Field(None, ge=0, le=MAX_SEED)
    size: str | None = None
    stream: bool | None = None

    @classmethod
    def of_form(cls, fields: Mapping[str, str]) -> ImageRequest:
        """The body of a form, whose fields are texts. Raises ``ApiError``."""
        values = {name: value if name in _TEXTS else _value(value) for name, value in fields.items()}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise validation_error(error.errors()) from None

    def checked(self, size: str, choices: int) -> dict[str, Any]:
        """The settings of the sampler. ``size``: that of the model's pictures.

        Raises ``ApiError`` for fields that are not served.
        """
        settings = unserved(self.model_extra or {}, _IGNORED, _ONLY)
        if self.size not in (None, "auto", size) and size:
            raise refused("size", f"this model draws pictures of {size} pixels, not {self.size}; leave 'size' out")
        if (self.n or 1) > choices:
            raise refused("n", f"'n' may be at most {choices} on this server")
        if self.partial_images and not self.stream:
            raise refused("partial_images", "'partial_images' needs 'stream' to be true")
        return settings


def _value(text: str) -> Any:
    """The number or truth value that a field of a form holds; its text where it is neither."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, bool | int | float) else text
