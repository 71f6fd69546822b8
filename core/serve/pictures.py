"""Pictures of requests: bytes that come with them, and never an address or a file."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING

from ..pictures.read import read_picture
from .errors import ApiError

if TYPE_CHECKING:
    from PIL.Image import Image

    from .settings import ServerSettings


class PictureReader:
    """Reads the pictures of one request, up to its limits."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._count = self._pixels = 0

    def of_url(self, url: str) -> Image:
        """The picture of a data URL. Raises ``ApiError`` for other addresses, and what ``of_bytes`` raises."""
        head, comma, payload = url.partition(",")
        if not (head.startswith("data:image/") and head.endswith(";base64") and comma):
            raise ApiError(
                400,
                "a picture must be sent as a data URL, data:image/png;base64,…; this server opens no addresses and no "
                "files",
                code="invalid_image_url",
                param="messages",
            )
        try:
            data = binascii.a2b_base64(payload, strict_mode=True)
        except ValueError:
            raise ApiError(400, "the base64 of a picture's data URL is not valid", code="invalid_image") from None
        return self.of_bytes(data)

    def of_bytes(self, data: bytes) -> Image:
        """The picture in the bytes of a file. Raises ``ApiError`` and ``PictureError``."""
        limits = self._settings
        self._count += 1
        if self._count > limits.pictures:
            raise ApiError(400, f"a request may have up to {limits.pictures} pictures", code="too_many_images")
        picture = read_picture(data, name=f"picture {self._count}", max_pixels=limits.pixels)
        self._pixels += picture.width * picture.height
        if self._pixels > limits.pixels:
            raise ApiError(
                400,
                f"the pictures of a request may have up to {limits.pixels / 1e6:g} million pixels together",
                code="invalid_image",
            )
        return picture
