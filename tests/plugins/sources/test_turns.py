"""Conversations in the formats that people have, and records that can be read in two ways or hold other media."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from janiform import Conversation, Draw, Look, SampleError
from janiform_plugins.sources.config import ConversationsConfig
from janiform_plugins.sources.conversations import Conversations

from .conftest import jpeg, lines

QUESTION = {"from": "human", "value": "<image>\nWhat is it?"}
ANSWER = {"from": "gpt", "value": "A circle."}
PLAIN = [{"from": "human", "value": "Hello!"}, ANSWER]
DATA = base64.b64encode(jpeg(3)).decode()


def source(tmp_path: Path, *records: Any, **settings: Any) -> Conversations:
    for name, shade in (("a.png", 1), ("b.png", 2)):
        (tmp_path / name).write_bytes(jpeg(shade))
    lines(tmp_path / "data.jsonl", records)
    return Conversations(ConversationsConfig(files=("data.jsonl",), shuffle=False, **settings))


def read(tmp_path: Path, record: Any, **settings: Any) -> Conversation:
    return source(tmp_path, record, **settings).example(0)


def shown(conversation: Conversation) -> list[list[Any]]:
    names = {Look: "look", Draw: "draw"}
    return [
        [p if isinstance(p, str) else f"{names[type(p)]} {p.picture.getpixel((0, 0))[0]}" for p in turn.content]  # type: ignore[union-attr]
        for turn in conversation.turns
    ]


def refused(tmp_path: Path, record: Any, **settings: Any) -> tuple[str, str]:
    made = source(tmp_path, record, **settings)
    with pytest.raises(SampleError) as caught:
        made.example(0)
    assert len(str(caught.value)) < 400
    return caught.value.kind, str(caught.value)


PICTURE = [["look 1", "\nWhat is it?"], ["A circle."]]
FORMATS: dict[str, tuple[dict[str, Any], list[list[Any]]]] = {
    "llava": ({"image": "a.png", "conversations": [QUESTION, ANSWER]}, PICTURE),
    "qwen": (
        {"conversations": [{"from": "user", "value": "Picture 1: <img>a.png</img>\nWhat?"}, ANSWER]},
        [["Picture 1: ", "look 1", "\nWhat?"], ["A circle."]],
    ),
    "janus": (
        {
            "conversations": [
                {"role": "<|User|>", "content": "<image_placeholder>\nWhat is it?", "images": ["a.png"]},
                {"role": "<|Assistant|>", "content": "A circle."},
            ]
        },
        PICTURE,
    ),
    "janus without a mark": (
        {
            "conversation": [
                {"role": "User", "content": "What is it?", "images": ["a.png"]},
                {"role": "Assistant", "content": "A circle."},
            ]
        },
        PICTURE,
    ),
    "janus drawing": (
        {
            "messages": [
                {"role": "<|User|>", "content": "Draw it."},
                {"role": "<|Assistant|>", "content": "", "images": ["b.png"]},
            ]
        },
        [["Draw it."], ["draw 2"]],
    ),
    "openai": (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}", "detail": "low"}},
                        {"type": "text", "text": "What is it?"},
                    ],
                },
                {"role": "assistant", "content": "A circle."},
            ]
        },
        [["look 3", "\nWhat is it?"], ["A circle."]],
    ),
    "openai responses": (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "What is it?"},
                        {"type": "input_image", "image_url": "a.png"},
                        {"type": "input_image", "image_url": "b.png"},
                    ],
                },
                {"role": "assistant", "content": [{"type": "output_text", "text": "A circle."}]},
            ]
        },
        [["What is it?\n", "look 1", "\n", "look 2"], ["A circle."]],
    ),
    "transformers": (
        {
            "images": [{"bytes": None, "path": "a.png"}, {"bytes": DATA, "path": "gone.png"}],
            "messages": [
                {"role": "user", "content": [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "Same?"}]},
                {"role": "assistant", "content": [{"type": "text", "text": "No.", "image": None}]},
            ],
        },
        [["look 1", "\n", "look 3", "\nSame?"], ["No."]],
    ),
    "transformers with paths": (
        {
            "messages": [
                {"role": "user", "content": [{"type": "image", "path": "b.png"}, {"type": "text", "text": "?"}]},
                {"role": "assistant", "content": "Yes."},
            ]
        },
        [["look 2", "\n?"], ["Yes."]],
    ),
    "swift": (
        {"query": "<image>What is it?", "response": "A circle.", "images": ["a.png"], "history": [["Hi", "Hello"]]},
        [["Hi"], ["Hello"], ["look 1", "What is it?"], ["A circle."]],
    ),
    "datasets": (
        {"image": {"bytes": DATA}, "conversations": {"from": ["human", "gpt"], "value": ["What?", "A circle."]}},
        [["look 3", "\nWhat?"], ["A circle."]],
    ),
    "bare base64": ({"image": DATA, "conversations": [QUESTION, ANSWER]}, [["look 3", *PICTURE[0][1:]], PICTURE[1]]),
    "gpt first": ({"conversations": [ANSWER, *PLAIN]}, [["Hello!"], ["A circle."]]),
    "keys that agree": (
        {"image": "a.png", "images": ["a.png"], "conversations": [QUESTION, ANSWER], "messages": [QUESTION, ANSWER]},
        PICTURE,
    ),
    "html": (
        {"conversations": [{"from": "human", "value": "Explain <img src='a.png'> and <video src=x></video>."}, ANSWER]},
        [["Explain <img src='a.png'> and <video src=x></video>."], ["A circle."]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_formats_give_the_same_conversations(tmp_path: Path, name: str) -> None:
    record, expected = FORMATS[name]
    assert shown(read(tmp_path, record)) == expected


def test_a_file_url_is_a_path(tmp_path: Path) -> None:
    record = {"image": f"file://{tmp_path}/a.png", "conversations": [QUESTION, ANSWER]}
    assert shown(read(tmp_path, record)) == PICTURE


@pytest.mark.parametrize("key", ["system", "system_prompt", "System", "system_message", "systemPrompt", "sys_prompt"])
def test_a_system_text_beside_the_turns_is_used(tmp_path: Path, key: str) -> None:
    assert read(tmp_path, {key: "Be brief.", "conversations": PLAIN}).system == "Be brief."
    assert read(tmp_path, {key: "Be brief.", "query": "Hello!", "response": "Hi."}).system == "Be brief."
    assert read(tmp_path, {key: None, "conversations": PLAIN}).system is None
    first = {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]}
    assert read(tmp_path, {key: "Be brief.", "conversations": [first, *PLAIN]}).system == "Be brief."
    for record in (
        {key: "Be loud.", "conversations": [first, *PLAIN]},
        {"system": "a", "system_prompt": "b", "conversations": PLAIN},
    ):
        kind, message = refused(tmp_path, record)
        assert kind == "ambiguous sample"
        assert " differ, and mean the same" in message
    assert refused(tmp_path, {key: ["a"], "conversations": PLAIN})[1] == f"data.jsonl:1: '{key}' is not a text"


def asked(text: Any) -> dict[str, Any]:
    return {"conversations": [{"from": "human", "value": text}, ANSWER]}


@pytest.mark.parametrize(
    "mark",
    ["<video>", "<audio>", "<speech>", "<image/>", "< image >", "</image>", "<im_patch>",
     "<|media|>", "<image:0>", "<img>", "<Image>", "<image_0>", "<image 1>", "<|image_1|>", "<|image|>",
     "<|image_pad|>", "<|vision_start|>", "<start_of_image>", "<IMG_CONTEXT>", "<ImageHere>", "[IMG]", "<bbox>"],
)  # fmt: skip
def test_placeholders_of_other_kinds_are_listed_or_text(tmp_path: Path, mark: str) -> None:
    kind, message = refused(tmp_path, asked(f"{mark}\nWhat happens?"))
    assert kind == "unknown placeholder"
    assert message == (
        f"data.jsonl:1: turn 1 holds '{mark}', which does not stand for a picture here; "
        'placeholders = "text" trains it as text'
    )
    assert read(tmp_path, asked(f"{mark}\nWhat?"), placeholders="text").turns[0].text == f"{mark}\nWhat?"


DIFFER = "pictures and marks differ"
BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"video": "v.mp4", "conversations": PLAIN}, "unsupported medium", "the record has 'video'"),
    ({"audios": ["v.mp3"], "conversations": PLAIN}, "unsupported medium", "the record has 'audios'"),
    ({"image": "a.png", "images": ["b.png"], "conversations": PLAIN}, "ambiguous sample", "'image' and 'images'"),
    ({"conversations": PLAIN, "messages": [QUESTION, ANSWER]}, "ambiguous sample", "'conversations' and 'messages'"),
    ({"query": "a", "response": "b", "messages": PLAIN}, "ambiguous sample", "'messages' and 'query' differ"),
    ({"conversations": [{"from": "human", "value": "a", "content": "b"}, ANSWER]}, "ambiguous sample", "'value' and"),
    ({"conversations": [{"from": "human", "role": "gpt", "value": "a"}, ANSWER]}, "ambiguous sample", "turn 1: 'from'"),
    ({"image": "a.png", **asked("<img>b.png</img> a")}, "ambiguous sample", "pictures are listed by the record"),
    ({"images": ["a.png"], **asked("<image><image_placeholder>?")}, DIFFER, "2 × <image>, but 1 pictures"),
    (asked("<image_placeholder>?"), DIFFER, "1 × <image>, but 0 pictures"),
    (asked([{"type": "image"}, {"type": "text", "text": "?"}]), DIFFER, "1 × <image>, but 0 pictures"),
    ({"messages": [{"role": "user", "content": "<image><image>", "images": ["a.png"]}, ANSWER]}, DIFFER, "turn 1: 2 ×"),
    ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "images": ["a.png"]}]},
     DIFFER, "turn 2: 0 ×"),
    (asked([{"type": "video", "video": "v.mp4"}]), "unsupported part", "turn 1 has a part of the type 'video'"),
    (asked([{"type": "text", "text": "a", "image": "a.png"}]), "unsupported part", "turn 1 has a part of the type"),
    (asked([3]), "no conversation", "turn 1 has a part that is not an object"),
    ({"messages": [*PLAIN[:1], {**ANSWER, "tool_calls": [{}]}]}, "unsupported turn", "turn 2"),
    ({"messages": [*PLAIN[:1], {**ANSWER, "weight": 0}]}, "unsupported turn", "turn 2 has 'we"),
    ({"role": "<|User|>", "content": "a", "images": ["a.png"]}, "no conversation", "the record is a turn instead of a"),
    ({"query": "a", "response": None}, "no conversation", "'query', 'response' and 'history' must be texts"),
    ({"query": "a", "response": "b", "history": ["a", "b"]}, "no conversation", "'history' is not a list of pairs"),
    ({"image": "a.png", "conversations": [{"from": "gpt", "value": "<image>"}, *PLAIN]}, "no conversation", "turn 1"),
    ({"images": [{"path": None, "bytes": None}], "conversations": PLAIN}, "missing picture", '"images" must be a path'),
    ({"images": [{"path": "a.png", "url": "b.png"}], "conversations": PLAIN}, "ambiguous sample", "'url' and 'path'"),
    ({"image": "https://a.b/c.png", "conversations": PLAIN}, "missing picture", "'https://a.b/c.png' is a URL"),
    ({"image": "data:image/png,abc", "conversations": PLAIN}, "missing picture", "'data:image/png,…' is not base64"),
    ({"image": DATA[:60], "conversations": PLAIN}, "damaged picture", "the picture is damaged"),
    ({"image": f"data:image/png;base64,{'!' * 9999}", "conversations": PLAIN}, "damaged picture", "the picture is not"),
    ({"image": "iVBORw0KGgo" + "A" * 16901, "conversations": PLAIN}, "damaged picture", "the picture is"),
    ({"image": "x" * 16900, "conversations": PLAIN}, "damaged picture", "'xxxxxx"),
    ({"conversations": {"from": ["human", "gpt"], "value": ["a"]}}, "no conversation", "there is no list of turns"),
]  # fmt: skip


def test_records_that_cannot_be_used_are_listed_in_one_short_line(tmp_path: Path) -> None:
    for record, kind, message in BAD:
        refusal = refused(tmp_path, record)
        assert refusal[0] == kind
        assert refusal[1].startswith("data.jsonl:1")
        assert message in refusal[1]


def test_a_key_twice_in_a_record_is_listed(tmp_path: Path) -> None:
    made = source(tmp_path, {})
    (tmp_path / "data.jsonl").write_text('{"image": "a.png", "image": "b.png", "conversations": []}\n')
    made = Conversations(made.config)
    with pytest.raises(SampleError, match=r"is not JSON: an object has the key 'image' more than once"):
        made.example(0)


@pytest.mark.parametrize("key", ["image_path", "img", "Image", "pictures", "image_urls", "imageFile"])
def test_pictures_under_a_key_that_is_not_read_are_not_lost(tmp_path: Path, key: str) -> None:
    kind, reason = refused(tmp_path, {key: "a.png", "conversations": PLAIN})
    assert (kind, f"the record has '{key}', which is not read" in reason) == ("missing picture", True)
    assert read(tmp_path, {key: "", "conversations": PLAIN})
    assert shown(read(tmp_path, {key: "b.png", "image": "a.png", "conversations": [QUESTION, ANSWER]})) == PICTURE
