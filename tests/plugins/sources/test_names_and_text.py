"""Names that are not UTF-8 and texts that are not valid Unicode are skipped and listed, and nothing else is lost."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from janiform import SampleError, UsageError, dumps
from janiform.recipe import read_recipe_text
from janiform.report.report import write_report
from janiform.train.progress.reporter import Reporter
from janiform.train.run.train import train
from janiform_plugins.sources.config import ConversationsConfig, ImageFolderConfig, TextConfig, WebDatasetConfig
from janiform_plugins.sources.conversations import Conversations
from janiform_plugins.sources.image_folder import ImageFolder
from janiform_plugins.sources.text import Text
from janiform_plugins.sources.webdataset import WebDataset
from rich.console import Console

from .conftest import captions, jpeg, lines
from .test_training import MODEL

GBK = os.fsdecode("红色".encode("gbk"))
RECIPE = (
    MODEL
    + """
[source]
shards = { use = "webdataset", files = ["shards/*.tar"], shuffle = false }
chat = { use = "conversations", files = ["chat.jsonl"], images = ".", shuffle = false }
classes = { use = "image-folder", folder = "classes", task = "draw", shuffle = false }

[stage.all]
objective = { use = "autoregressive" }
train = ["backbone"]
mixture = { chat = 1, shards = 1, classes = 1 }
steps = 3
batch = 6
learning_rate = 1e-3
log_every = 1

[training]
workers = 0
"""
)


def gbk_shard(path: Path) -> None:
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape") as tar:
        for name, data in {f"{GBK}.png": b"damaged", f"{GBK}.txt": b"grey 1", **captions(0, 3)}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def test_a_run_lists_bad_names_and_texts_and_is_complete(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    gbk_shard(tmp_path / "shards" / f"{GBK}.tar")
    for name in ("grey", GBK):
        (tmp_path / "classes" / name).mkdir(parents=True)
        for number in range(2):
            (tmp_path / "classes" / name / f"{GBK}{number}.png").write_bytes(jpeg(number))
    asked = [{"from": "human", "value": "Which? "}, {"from": "gpt", "value": "grey"}]
    lines(tmp_path / "chat.jsonl", [{"conversations": asked}] * 8)
    with (tmp_path / "chat.jsonl").open("a") as file:
        for value in (r"cut \ud83d", r"\udcff", r"\u001b[2J\ud800"):
            file.write(f'{{"conversations": [{{"from": "human", "value": "{value}"}}, '
                       '{"from": "gpt", "value": "ok"}]}\n')  # fmt: skip
    console = Console(file=io.StringIO())
    with pytest.raises(UsageError, match="files of weights need UTF-8"):
        train(read_recipe_text(RECIPE), tmp_path / f"run {GBK}", reporter=Reporter(console))
    run = tmp_path / "run"
    train(read_recipe_text(RECIPE), run, reporter=Reporter(console))
    skipped = [json.loads(line) for line in (run / "skipped.jsonl").read_text("utf-8").split("\n") if line]
    kinds = {(line["source"], line["kind"]) for line in skipped}
    assert kinds == {("shards", "damaged picture"), ("classes", "invalid text")}
    assert any(GBK in line["reason"] for line in skipped if line["source"] == "shards")
    assert GBK in json.loads((run / "sources.json").read_text("utf-8"))["classes"]["files"]
    write_report([run], run / "report.html")
    # The same run is continued with what its files hold.
    longer = read_recipe_text(RECIPE.replace("steps = 3", "steps = 6"))
    with pytest.raises(UsageError, match="another recipe"):
        train(longer, run, resume=True, reporter=Reporter(console))
    train(read_recipe_text(RECIPE), run, resume=True, reporter=Reporter(console))


@pytest.mark.parametrize("value", [r"cut \ud83d", r"\udcff", r"a\ude00\ud83d"])
def test_a_record_with_half_a_surrogate_pair_is_named_by_its_line(value: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"text": "fine"}}\n{{"text": "{value}"}}\n')
    source = Text(TextConfig(files=["a.jsonl"], shuffle=False))
    assert source.example(0).turns[0].text == "fine"
    with pytest.raises(SampleError, match=r"a\.jsonl:2: a text is not valid Unicode") as caught:
        source.example(1)
    assert caught.value.kind == "invalid text"
    turns = f'[{{"from": "human", "value": "hm"}}, {{"from": "gpt", "value": "{value}"}}]'
    (tmp_path / "b.jsonl").write_text(f'{{"conversations": {turns}}}\n')
    with pytest.raises(SampleError, match=r"b\.jsonl:1: turn 2: a text is not valid Unicode"):
        Conversations(ConversationsConfig(files=["b.jsonl"], images=".")).example(0)


@pytest.mark.parametrize("name", ["\\ud83d.png", "\\u0000", "\\udcff", "a" * 5000, "\\u001b[2J"])
def test_a_picture_of_an_impossible_name_is_skipped(name: str, tmp_path: Path) -> None:
    turns: Any = [{"from": "human", "value": "<image>"}, {"from": "gpt", "value": "a"}]
    (tmp_path / "a.jsonl").write_text(f'{{"image": "{name}", "conversations": {json.dumps(turns)}}}\n')
    with pytest.raises(SampleError, match=r"a\.jsonl:1"):
        Conversations(ConversationsConfig(files=["a.jsonl"], images=".")).example(0)


def test_a_folder_name_that_is_not_utf8_is_a_caption_only_where_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "classes" / GBK).mkdir(parents=True)
    (tmp_path / "classes" / GBK / "a.png").write_bytes(jpeg(1))
    with pytest.raises(SampleError, match="not valid Unicode"):
        ImageFolder(ImageFolderConfig(folder="classes")).example(0)
    assert ImageFolder(ImageFolderConfig(folder="classes", captions=("a picture",))).example(0)
    (tmp_path / "names.json").write_text(json.dumps({GBK: "picture"}))
    assert ImageFolder(ImageFolderConfig(folder="classes", names="names.json")).example(0)


def test_a_recipe_cannot_hold_half_a_surrogate_pair() -> None:
    with pytest.raises(Exception, match="not valid Unicode"):
        read_recipe_text(RECIPE.replace("chat.jsonl", "\udcff.jsonl"))
    assert "chat.jsonl" in dumps(read_recipe_text(RECIPE))


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("name", ["猫", "d/" * 60 + "n", GBK, "é" * 100, "a"])
def test_the_reason_of_a_skipped_sample_has_the_whole_name_of_its_member(tmp_path: Path, name: str, form: int) -> None:
    with tarfile.open(tmp_path / "a.tar", "w", format=form, encoding="utf-8", errors="surrogateescape") as tar:
        for number, ending in enumerate((f"{name}.png", "z.txt", "z.png")):
            member = tarfile.TarInfo(ending)
            member.size = number
            tar.addfile(member, io.BytesIO(b"ab"))
    source = WebDataset(WebDatasetConfig(files=(str(tmp_path / "a.tar"),), shuffle=False))
    with pytest.raises(SampleError) as caught:
        source.example(0)
    assert str(caught.value).startswith(f"{tmp_path / 'a.tar'}: {name}.png: ")
