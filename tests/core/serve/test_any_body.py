"""Any JSON and any form is answered or refused; none is an error of the server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from janiform import Model
from serving import Serving, posted, serving
from test_hostile import form

FIELDS = (
    *("max_tokens", "max_completion_tokens", "messages", "model", "n", "partial_images", "prompt", "seed", "size"),
    *("stop", "stream", "stream_options", "temperature", "tools", "top_p", "guidance", "top_k", "user", "logit_bias"),
    *("response_format", "quality", "rule"),
)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 70) | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
URLS = st.sampled_from(["data:image/png;base64,", "data:image/png;base64,aGk=", "file:///x", "x", "\ud800"])
PARTS = st.fixed_dictionaries({}, optional={
    "type": st.sampled_from(["text", "image_url"]) | ANY,
    "text": st.text(max_size=5) | ANY,
    "image_url": st.fixed_dictionaries({"url": URLS}) | ANY,
})  # fmt: skip
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant"]), "content": st.text() | st.lists(PARTS) | ANY},
        optional={"tool_calls": ANY},
    ),
    max_size=4,
)
BODIES = st.dictionaries(st.sampled_from(FIELDS), ANY, max_size=3)


@pytest.fixture(scope="module")
def server(small: Model) -> Iterator[Serving]:
    with serving({"small": small}) as running:
        yield running


def check(status: int, answer: Any) -> None:
    assert status in (200, 400, 404)
    if status != 200:
        assert answer["error"]["type"] == "invalid_request_error"
        assert isinstance(answer["error"]["message"], str)
        assert answer["error"]["message"]


def settled(body: dict[str, Any]) -> dict[str, Any]:
    """The body as one whose answer is short and comes as a whole, unless its fields are wrong."""
    return body if body.get("stream") is not True else body | {"stream": False}


@settings(max_examples=60)
@given(BODIES, MESSAGES | ANY)
def test_any_chat(server: Serving, body: dict[str, Any], messages: Any) -> None:
    body = {"max_tokens": 2, "messages": messages} | settled(body)
    check(*posted(server.port, json.dumps(body).encode()))


@settings(max_examples=30)
@given(BODIES, st.text(max_size=9))
def test_any_drawing(server: Serving, body: dict[str, Any], prompt: str) -> None:
    body = {"prompt": prompt} | settled(body) | {"n": 1}
    check(*posted(server.port, json.dumps(body).encode(), "/v1/images/generations"))


@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=5), max_size=4), st.binary(max_size=20))
def test_any_edit(server: Serving, fields: dict[str, str], data: bytes) -> None:
    parts = [(name, "", value.encode("utf-8", "surrogatepass")) for name, value in fields.items()]
    body = form(("image", "a.png", data), *parts)
    check(*posted(server.port, body, "/v1/images/edits", **{"content-type": "multipart/form-data; boundary=x"}))
