"""LLaVA's layout: pictures stand where they are marked, and what is wrong is said with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from janiform import Draw, Look, SampleError, UsageError
from janiform_plugins.sources.config import ConversationsConfig
from janiform_plugins.sources.conversations import Conversations

from .conftest import jpeg, lines


def turns(*message: str) -> list[dict[str, str]]:
    return [{"from": ("human", "gpt")[number % 2], "value": text} for number, text in enumerate(message)]


def source(tmp_path: Path, records: list[Any], **settings: Any) -> Conversations:
    (tmp_path / "pictures" / "more").mkdir(parents=True)
    for name, shade in (("a.png", 1), ("more/b.png", 2), ("c.png", 3)):
        (tmp_path / "pictures" / name).write_bytes(jpeg(shade))
    (tmp_path / "pictures" / "torn.png").write_bytes(jpeg(9)[:50])
    lines(tmp_path / "chat.jsonl", records)
    return Conversations(ConversationsConfig(files=("chat.jsonl",), images="pictures", shuffle=False, **settings))


def shown(turn: Any) -> list[Any]:
    return [
        piece if isinstance(piece, str) else (type(piece), piece.picture.getpixel((0, 0))[0]) for piece in turn.content
    ]


def test_pictures_stand_where_they_are_marked(tmp_path: Path) -> None:
    spoken = [("system", "Be brief."), ("user", "<image>?"), ("assistant", "Yes."), ("user", "And?")]
    records: list[Any] = [
        {"id": 1, "image": "a.png", "conversations": turns("<image>\nWhat is it?", "A cat.", "Sure?", "Yes.")},
        {"image": ["a.png", "more/b.png"], "conversations": turns("Is <image> like <image>?", "No.")},
        {"image": ["a.png", "c.png"], "conversations": turns("Compare them.", "They differ.")},
        {"conversations": turns("No picture?", "None.")},
        {"image": "a.png", "conversations": turns("Draw a cat.", "Here: <image>")},
        {"images": ["a.png"], "messages": [{"role": role, "content": text} for role, text in spoken]},
    ]
    made = source(tmp_path, records, pathway="eyes")
    first = made.example(0)
    assert [turn.role for turn in first.turns] == ["user", "assistant"] * 2
    assert shown(first.turns[0]) == [(Look, 1), "\nWhat is it?"]
    assert first.turns[0].content[0].pathway == "eyes"  # type: ignore[union-attr]
    assert shown(made.example(1).turns[0]) == ["Is ", (Look, 1), " like ", (Look, 2), "?"]
    assert shown(made.example(2).turns[0]) == [(Look, 1), "\n", (Look, 3), "\nCompare them."]
    assert shown(made.example(3).turns[0]) == ["No picture?"]
    assert shown(made.example(4).turns[1]) == ["Here: ", (Draw, 1)]
    chat = made.example(5)
    assert (chat.system, [turn.text for turn in chat.turns]) == ("Be brief.", ["?", "Yes."])
    assert made.example(7) == made.example(1)


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"image": "gone.png", "conversations": turns("a", "b")}, "missing picture", "there is no file 'pictures/gone.p"),
    ({"image": ["a.png", "x.png"], "conversations": turns("a", "b")}, "missing picture", "there is no file"),
    ({"image": "torn.png", "conversations": turns("a", "b")}, "damaged picture", "'pictures/torn.png' is damaged"),
    ({"image": 7, "conversations": turns("a", "b")}, "missing picture", '"image" must be a path or a list of paths'),
    ({"image": "a.png", "conversations": turns("<image><image>", "b")}, "pictures and marks differ", "2 × <image>"),
    ({"conversations": turns("<image> a", "b")}, "pictures and marks differ", "1 × <image>, but 0 pictures"),
    ({"image": "a.png"}, "no conversation", "there is no list of turns"),
    ({"conversations": ["a"]}, "no conversation", "turn 1 is not an object"),
    ({"conversations": [{"from": "cat", "value": "a"}]}, "unsupported turn", "turn 1 has the role 'cat'"),
    ({"conversations": [{"from": "human", "value": 3}]}, "no conversation", 'turn 1 lacks "from"'),
    ({"conversations": turns("a", "b")[1:]}, "no conversation", "a question or an answer is missing"),
    ({"conversations": turns("a", "b") + turns("c", "d")[1:]}, "no conversation", "turn 3 has the wrong role"),
    ({"conversations": turns("a")}, "no conversation", "a question or an answer is missing"),
    ({"conversations": turns("a", " ")}, "no conversation", "a question or an answer is missing"),
]  # fmt: skip


def test_records_that_cannot_be_used_say_why_with_their_line(tmp_path: Path) -> None:
    made = source(tmp_path, [record for record, _, _ in BAD])
    for index, (_, kind, message) in enumerate(BAD):
        with pytest.raises(SampleError) as caught:
            made.example(index)
        assert str(caught.value).startswith(f"chat.jsonl:{index + 1}: {message}")
        assert caught.value.kind == kind


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    lines(tmp_path / "chat.jsonl", [{}])
    with pytest.raises(UsageError, match="images: there is no folder 'pictures'"):
        Conversations(ConversationsConfig(files=("chat.jsonl",), images="pictures"))
