"""What a request may bring along, checked before it is parsed or decoded."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from janiform import PictureError
from janiform.serve.errors import ApiError
from janiform.serve.limits import check_json
from janiform.serve.pictures import PictureReader
from janiform.serve.settings import ServerSettings
from serving import picture, png

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=30,
)


def depth_of(value: Any) -> int:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if members is None else 1 + max(map(depth_of, members), default=0)


@given(JSON, st.integers(1, 4), st.booleans())
def test_depth_is_that_of_the_parsed_value(value: Any, limit: int, escaped: bool) -> None:
    body = json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    settings = ServerSettings(json_depth=limit)
    if depth_of(value) <= limit:
        check_json(body, settings)
    else:
        with pytest.raises(ApiError, match=f"nested deeper than {limit} levels"):
            check_json(body, settings)


@pytest.mark.parametrize(
    "bomb",
    [b"[" * 100_000, b"[" * 10_000_000, b"[[]" + b",[]" * 200_000 + b"]", b'{"a":' * 1000, b"[0" + b",0" * 500_000],
    ids=["deep", "very deep", "wide", "objects", "numbers"],
)
def test_json_bombs_are_refused_without_being_parsed(bomb: bytes) -> None:
    with pytest.raises(ApiError):
        check_json(bomb, ServerSettings())


def test_long_texts_are_not_structure() -> None:
    check_json(json.dumps({"url": "[{" * 2_000_000 + '\\"['}).encode(), ServerSettings())


def reader(**settings: int) -> PictureReader:
    return PictureReader(ServerSettings(**settings))  # type: ignore[arg-type]


def url_of(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize(
    ("side", "sentence"), [(60_000, "more than 32 million pixels"), (8000, "8000×8000 pixels; up to 32 million")]
)
def test_a_decompression_bomb_is_refused_before_it_is_decoded(side: int, sentence: str) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 100_000)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    with pytest.raises(PictureError, match=sentence):
        reader().of_url(url_of(bomb))


def test_pictures_count_and_their_pixels_add_up() -> None:
    small = png(picture(1, (10, 10)))
    limited = reader(pictures=2)
    limited.of_bytes(small)
    limited.of_url(url_of(small))
    with pytest.raises(ApiError, match="up to 2 pictures"):
        limited.of_bytes(small)
    limited = reader(pixels=150)
    assert limited.of_bytes(small).size == (10, 10)
    with pytest.raises(ApiError, match="together"):
        limited.of_bytes(small)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "data:",
        "data:image/png;base64",
        "data:text/plain;base64,aGk=",
        "data:image/png,abc",
        "http://x/a.png",
        "a.png",
    ],
)
def test_only_data_urls_of_pictures_are_read(url: str) -> None:
    with pytest.raises(ApiError, match="data URL"):
        reader().of_url(url)


@pytest.mark.parametrize("payload", ["a", "aGk", "ä", "%41%41", "aGk=\n!", ""])
def test_wrong_base64_is_refused(payload: str) -> None:
    with pytest.raises((ApiError, PictureError)):
        reader().of_url(f"data:image/png;base64,{payload}")


def test_damaged_pictures_are_refused() -> None:
    whole = io.BytesIO()
    picture(1, (200, 200)).save(whole, "JPEG")
    for data in (b"\x89PNG\r\n\x1a\n", b"GIF89a", whole.getvalue()[:300], b"%!PS-Adobe-3.0 EPSF-3.0"):
        with pytest.raises(PictureError):
            reader().of_bytes(data)
