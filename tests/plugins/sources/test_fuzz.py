"""Mutated records and shards give an example or a short reason, whatever is in them."""

from __future__ import annotations

import base64
import copy
import io
import json
import random
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from janiform import Conversation, JaniformError, PictureError, SampleError
from janiform_plugins.sources.captions import Captions
from janiform_plugins.sources.config import CaptionsConfig, ConversationsConfig, WebDatasetConfig
from janiform_plugins.sources.conversations import Conversations
from janiform_plugins.sources.webdataset import WebDataset

from .conftest import jpeg
from .test_turns import FORMATS

ROUNDS = [pytest.param(300, id="short"), pytest.param(10_000, id="long", marks=pytest.mark.slow)]

PICTURE = base64.b64encode(jpeg(3)).decode()
DEEP: Any = json.loads('{"url": ' * 90 + '"a.png"' + "}" * 90)
ODD: list[Any] = [
    None, True, 0, -1, 1e308, "", " ", "a.png", "/", "a\0b", "\ud83d", "x" * 17_000, PICTURE, PICTURE[:70],
    "data:,", "file://[", "data:image/png;base64," + PICTURE, "<image>", "<image>" * 40, "<img>a.png</img>", "<video>",
    "<image_" + "1" * 5000, [], {}, [[]], [{}], {"url": None}, {"url": {"url": None}}, {"path": "a.png", "bytes": "!"},
    DEEP, [DEEP], ["a.png", "b.png"],
]  # fmt: skip
KEYS = ["image", "images", "conversations", "messages", "query", "history", "system", "video", "role", "from", "value",
        "content", "type", "text", "bytes", "path", "url", "image_url", "tool_calls", "weight"]  # fmt: skip


def containers(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [value, *(c for item in inner for c in containers(item))] if isinstance(value, dict | list) else []


def mutated(record: Any, chance: random.Random) -> Any:
    """A record of which one to three values are replaced, removed, added, repeated or exchanged."""
    record = copy.deepcopy(record)
    for _ in range(chance.randint(1, 3)):
        target = chance.choice(containers(record))
        keys = list(target) if isinstance(target, dict) else list(range(len(target)))
        action = chance.randrange(5)
        if action == 0 and isinstance(target, dict):
            target[chance.choice(KEYS)] = copy.deepcopy(chance.choice(ODD))
        elif action == 1 and isinstance(target, list):
            target.insert(chance.randint(0, len(target)), copy.deepcopy(chance.choice([*ODD, *target])))
        elif keys:
            key, other = chance.choice(keys), chance.choice(keys)
            if action == 2:
                del target[key]
            elif action == 3:
                target[key], target[other] = target[other], target[key]
            else:
                target[key] = copy.deepcopy(chance.choice(ODD))
    return record


def outcome(made: Any, index: int) -> str:
    try:
        example = made.example(index)
    except (SampleError, PictureError) as error:
        kind, length = error.kind, len(str(error))
    else:
        kind, length = "read", 0
        assert isinstance(example, Conversation)
    assert length < 600
    return kind


@pytest.mark.parametrize("rounds", ROUNDS)
def test_mutated_records_give_a_conversation_or_a_short_reason(tmp_path: Path, rounds: int) -> None:
    chance = random.Random(18)
    (tmp_path / "a.png").write_bytes(jpeg(1))
    (tmp_path / "b.png").write_bytes(jpeg(2))
    pairs = [{"image": "a.png", "text": "one"}, {"image": {"path": "b.png", "bytes": None}, "text": ["one", "two"]}]
    for records, use in (([record for record, _ in FORMATS.values()], _conversations), (pairs, _captions)):
        rows = [json.dumps(mutated(chance.choice(records), chance)) for _ in range(rounds)]
        (tmp_path / "data.jsonl").write_text("{}\n" + "\n".join(rows))
        made = use()
        kinds = Counter(outcome(made, index) for index in range(made.epochs.length))
        assert kinds["read"] > rounds // 20
        assert len(kinds) > 3


def _conversations() -> Conversations:
    return Conversations(ConversationsConfig(files=("data.jsonl",), shuffle=False))


def _captions() -> Captions:
    return Captions(CaptionsConfig(files=("data.jsonl",), shuffle=False))


NAMES = ["a", "b", "a.b", "v2.0", "d/a", "./a"]
ENDINGS: dict[str, Callable[[int], bytes]] = {
    "png": jpeg,
    "PNG": jpeg,
    "depth.png": jpeg,
    "txt": lambda number: f"grey {number}".encode(),
    "0.txt": lambda number: f"grey {number}".encode(),
    "json": lambda number: json.dumps({"caption": f"grey {number}"}).encode(),
    "cls": lambda number: b"3",
}


@pytest.mark.parametrize("rounds", ROUNDS)
def test_shuffled_members_never_give_a_picture_the_caption_of_another_name(tmp_path: Path, rounds: int) -> None:
    """Members of a few names in any order: what is read as one sample has one name, and stands in succession."""
    chance = random.Random(18)
    kinds: Counter[str] = Counter()
    for _ in range(rounds // 10):
        members = [(chance.choice(NAMES), chance.choice(list(ENDINGS))) for _ in range(chance.randint(1, 8))]
        with tarfile.open("a.tar", "w") as tar:
            for number, (name, ending) in enumerate(members):
                data = ENDINGS[ending](number)
                member = tarfile.TarInfo(f"{name}.{ending}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        split = chance.choice(("first", "last"))
        try:
            made = WebDataset(WebDatasetConfig(files=("a.tar",), shuffle=False, split=split))
        except JaniformError:
            kinds["refused"] += 1
            continue
        for index in range(made.epochs.length):
            kinds[outcome(made, index)] += 1
            try:
                example = made.example(index)
            except SampleError:
                continue
            picture = example.turns[1].content[0].picture.getpixel((0, 0))[0]  # type: ignore[union-attr]
            caption = int(example.turns[0].text.removeprefix("grey "))
            first, second = sorted((picture, caption))
            stems = {_stem(*member, split) for member in members[first : second + 1]}
            assert len(stems) == 1
            between = [f"{name}.{ending}".lower() for name, ending in members[first : second + 1]]
            assert len(set(between)) == len(between)
    assert {"read", "ambiguous sample", "no caption", "missing picture", "refused"} <= set(kinds)


def _stem(name: str, ending: str, split: str) -> str:
    folder, _, file = f"{name.removeprefix('./')}.{ending}".rpartition("/")
    return f"{folder}/{file.partition('.')[0] if split == 'first' else file.rpartition('.')[0]}"
