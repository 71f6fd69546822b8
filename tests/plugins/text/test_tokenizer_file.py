"""A hostile tokenizer.json is refused before the library reads it; what tokenizers really hold is read."""

from __future__ import annotations

import base64
import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from janiform import ComponentError, registry
from janiform_plugins.text.bpe import BpeTokenizer
from janiform_plugins.text.config import BpeConfig

MINI: dict[str, Any] = json.loads((registry().models()["janus-mini"] / "tokenizer.json").read_text(encoding="utf-8"))


def charsmap(size: int, data: bytes) -> dict[str, Any]:
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(struct.pack("<I", size) + data).decode()}


def replace(content: str, **pattern: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def opened(folder: Path, content: Any) -> BpeTokenizer:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    (folder / "tokenizer.json").write_bytes(text)
    return BpeTokenizer(BpeConfig(), folder)


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "charsmap": ({"normalizer": charsmap(0xFFFFFFF0, b"abcd")}, "announces 4,294,967,280 bytes and has 4"),
    "nested charsmap": (
        {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, charsmap(1 << 31, b"")]}},
        "announces 2,147,483,648 bytes",
    ),
    "odd charsmap": ({"normalizer": charsmap(3, b"abc")}, "announces 3 bytes"),
    "long charsmap": (
        {"normalizer": charsmap(4, b"1234" + b"x" * 100_000 + b"\0")},
        "becomes 100,000 bytes",
    ),
    "no charsmap": ({"normalizer": {"type": "Precompiled", "precompiled_charsmap": "?"}}, "not base64"),
    "prepend": ({"normalizer": {"type": "Prepend", "prepend": "x" * 10**6}}, "'prepend' has 1,000,000 characters"),
    "replace": ({"normalizer": replace("x" * 1000, String="a")}, "'content' has 1,000 characters"),
    "replacements": (
        {"normalizer": {"type": "Sequence", "normalizers": [replace("aaaa", String="a")] * 20}},
        "may lengthen a text 1.1e",
    ),
    "empty pattern": ({"normalizer": replace("x" * 200, Regex="")}, "may lengthen a text 201 times"),
    "decoder": ({"decoder": {"type": "Sequence", "decoders": [replace("aa", String="a")] * 30}}, "may lengthen"),
    "repeats": (
        {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "((a{1000}){1000}){1000}"}, "behavior": "Isolated"}},
        "repeats up to 1000000000 times",
    ),
    "strip": ({"decoder": {"type": "Strip", "content": "a", "start": 10**12, "stop": 0}}, "'start' is 1000000000000"),
    "id": ({"added_tokens": [{"id": 2**32 - 1, "content": "a"}]}, "the id 4294967295 is not from 0"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_would_exhaust_the_memory_is_refused(name: str, tmp_path: Path) -> None:
    change, message = HOSTILE[name]
    with pytest.raises(ComponentError, match=f"tokenizer.json is refused: .*{message}"):
        opened(tmp_path, MINI | change)


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b"[]", b"\xff", b'{"a": 1e999}', b"{}", json.dumps(MINI | {"model": 3}).encode()]
)
def test_what_is_no_tokenizer_is_an_error(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(ComponentError, match="is not a valid tokenizer"):
        opened(tmp_path, content)


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.json")
    with pytest.raises(ComponentError, match="not a regular file"):
        BpeTokenizer(BpeConfig(file=str(tmp_path / "t.json")))


@pytest.mark.parametrize(
    "normalizer",
    [
        None,
        {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, replace("▁", String=" ")]},
        {"type": "Sequence", "normalizers": [{"type": "NFKC"}, replace(" ", Regex=" {2,}"), replace('"', String="``")]},
    ],
)
def test_usual_rules_are_read(normalizer: Any, tmp_path: Path) -> None:
    content = json.dumps(MINI | {"normalizer": normalizer}).encode()
    assert opened(tmp_path, content).encode("a red circle") == opened(tmp_path, b"\xef\xbb\xbf" + content).encode(
        "a red circle"
    )


def test_rules_on_which_the_library_panics_are_an_error(tmp_path: Path) -> None:
    tokenizer = opened(tmp_path, MINI | {"normalizer": charsmap(4, b"\0\0\0\0")})
    with pytest.raises(ComponentError, match="fail on a text"):
        tokenizer.encode("a red circle")
