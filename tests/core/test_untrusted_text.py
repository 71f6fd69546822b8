"""Text from outside is harmless in a terminal, storable in a file, and refused before a tokenizer."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from janiform import SampleError
from janiform.console import SafeConsole
from janiform.sequence.conversation import Conversation
from janiform.train.data.sources import example_of
from janiform.untrusted_text import MAX_TEXT, printable, storable, text_fault, text_of
from rich.table import Table
from rich.text import Text

HOSTILE = "\x1b]0;title\x07\x1b[2J \x9b31m \r\u202egnp.exe\u2066 \udcba\U000e0041"


def test_control_characters_become_visible_escapes() -> None:
    shown = printable(HOSTILE)
    assert shown == r"\x1b]0;title\x07\x1b[2J \x9b31m \r\u202egnp.exe\u2066 \udcba\U000e0041"
    assert printable("ein Bild, 图片, 👩‍🚀　é") == "ein Bild, 图片, 👩‍🚀　é"
    assert printable("a\tb\nc") == r"a\tb\nc"
    assert printable("a\tb\nc\r", lines=True) == "a\tb\nc\\r"


@given(st.text(st.characters()))
def test_no_text_reaches_a_terminal_with_a_control_character(text: str) -> None:
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in printable(text))
    printable(text).encode()


def test_a_value_whose_text_fails_is_named_by_its_type() -> None:
    class Odd(BaseException):
        def __str__(self) -> str:
            raise ValueError

    assert text_of(Odd()) == printable(Odd()) == "<Odd>"


@given(st.text(st.characters()))
def test_what_is_stored_as_json_is_read_back_exactly(text: str) -> None:
    stored = storable(json.dumps(text, ensure_ascii=False)).encode("utf-8")
    pairs = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert json.loads(stored) == text or pairs != text  # two halves beside each other become one character


def test_text_for_a_tokenizer_is_valid_and_bounded() -> None:
    assert text_fault("a\x1bé图") == ""
    assert text_fault("ab\ud83d") == "is not valid Unicode: character 3 is \\ud83d, half of a surrogate pair"
    assert "the limit is" in text_fault("a" * (MAX_TEXT + 1))


@pytest.mark.parametrize(
    "conversation",
    [
        Conversation.document("ab\udcff"),
        Conversation.drawing("\ud800"),
        Conversation(Conversation.document("a").turns, system="\udfff"),
    ],
)
def test_an_example_with_invalid_text_is_a_sample_error(conversation: Conversation) -> None:
    class Source:
        def example(self, index: int) -> Conversation:
            return conversation

    with pytest.raises(SampleError, match="not valid Unicode") as caught:
        example_of(Source(), 0)
    assert caught.value.kind == "invalid text"
    str(caught.value).encode()


@pytest.mark.parametrize("terminal", [False, True])
def test_a_console_prints_escapes_for_control_characters(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")

    stream = io.StringIO()
    console = SafeConsole(file=stream)
    table = Table()
    table.add_column("name", overflow="fold")
    table.add_row(Text.assemble((HOSTILE, "red")))
    console.print(HOSTILE)
    console.print(table)
    shown = stream.getvalue()
    for sign in ("\x1b]", "\x1b[2J", "\x9b", "\r", "\u202e", "\udcba"):
        assert sign not in shown
    assert r"\x1b]0;title" in shown
    assert shown.count(r"\U000e0041") == 2, "nothing is cropped"
    assert ("\x1b[31m" in shown) == terminal, "the console's own colours stay"
