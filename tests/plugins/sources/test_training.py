"""All sources in one mixture, with half of the pictures of one missing: a run trains, lists them, and resumes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from janiform import RecipeError, UsageError
from janiform.recipe import read_recipe_text
from janiform.train.progress.reporter import Reporter
from janiform.train.run.train import train
from rich.console import Console
from safetensors.torch import load_file
from tiny_recipes import tiny_recipe

from .conftest import captions, jpeg, lines, shard

MODEL = tiny_recipe(
    "four-sources",
    backbone={"context": 64},
    encoder={"use": "patches", "image_size": 16, "patch_size": 8},
    tokenizer={
        "use": "fsq",
        "image_size": 16,
        "channels": 8,
        "groups": 4,
        "multipliers": [1, 1, 1],
        "blocks": 1,
        "latent": 8,
        "levels": [3, 3],
    },
    text='text = { use = "bpe", vocabulary = 300 }\nlayout = { use = "janus", system = "" }\n',
)
RECIPE = (
    MODEL
    + """
[source]
shards = { use = "webdataset", files = ["data/{0..1}.tar"] }
chat = { use = "conversations", files = ["data/chat.jsonl"], images = "data/classes" }
web = { use = "text", files = ["data/web.jsonl"] }
classes = { use = "image-folder", folder = "data/classes", task = "draw" }

[stage.all]
objective = { use = "autoregressive", packed = 64 }
train = ["backbone", "generation.head"]
mixture = { chat = 2, web = 1, drawing = { ratio = 2, of = { shards = 1, classes = 1 } } }
steps = 4
batch = 5
learning_rate = 1e-3
log_every = 2

[training]
workers = 2
checkpoint_every = 2
"""
)


@pytest.fixture(autouse=True)
def few_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough for the text tokenizer to learn from."""
    monkeypatch.setattr("janiform.train.run.preparation.TEXTS_TO_FIT", 12)


def write(folder: Path) -> None:
    (folder / "classes" / "grey").mkdir(parents=True)
    for number in range(4):
        (folder / "classes" / "grey" / f"{number}.png").write_bytes(jpeg(number))
    for number in range(2):
        shard(folder / f"{number}.tar", captions(number * 3, 3))
    asked = [{"from": "human", "value": "<image>\nWhich?"}, {"from": "gpt", "value": "grey"}]
    lines(folder / "chat.jsonl", [{"image": f"grey/{number}.png", "conversations": asked} for number in range(8)])
    lines(folder / "web.jsonl", [{"text": "grey " * size} for size in (3, 2000, 5)])


def run(out: Path, *overrides: str, **options: Any) -> Path:
    quiet = Reporter(Console(quiet=True))
    return train(read_recipe_text(RECIPE, overrides=overrides), out, device="cpu", reporter=quiet, **options)


def test_a_run_over_all_sources(tmp_path: Path) -> None:
    write(tmp_path / "data")
    run(tmp_path / "whole")
    found = [json.loads(line) for line in (tmp_path / "whole" / "skipped.jsonl").read_text().splitlines()]
    skipped = [line for line in found if not line["kept"]]
    assert {line["kind"] for line in skipped} == {"missing picture"}
    assert len(skipped) == 4, "half of the eight conversations, each in its own turn"
    assert all("chat.jsonl:" in line["reason"] and "there is no file" in line["reason"] for line in skipped)
    assert {line["kind"] for line in found if line["kept"]} == {"cut"}
    entries = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert sum(entry["skipped_samples"].get("missing picture", 0) for entry in entries) == 4
    assert set(entries[-1]["losses"]) == {"understanding", "text", "generation"}

    run(tmp_path / "pieces", until=2)
    refuses_other_data(tmp_path / "pieces", tmp_path / "data")
    run(tmp_path / "pieces", "training.workers = 0", resume=True)
    whole, pieces = (load_file(tmp_path / out / "model.safetensors") for out in ("whole", "pieces"))
    assert all((whole[name] == pieces[name]).all() for name in whole)

    with pytest.raises(RecipeError, match=r"example \d+ of source 'chat': data/chat\.jsonl:\d: there is no file"):
        run(tmp_path / "strict", "training.strict = true", "stage.all.batch = 40")


def refuses_other_data(out: Path, data: Path) -> None:
    """A run that was broken off does not go on where its position means nothing."""
    web, extra = data / "web.jsonl", data / "classes" / "grey" / "9.png"
    text = web.read_text()
    web.write_text(text + '{"text": "more"}\n')
    extra.write_bytes(jpeg(9))
    with pytest.raises(UsageError) as caught:
        run(out, resume=True)
    web.write_text(text)
    extra.unlink()
    first, *others = map(str, caught.value.problems)
    assert "cannot be resumed: its positions in its data do not apply to other data (restore the data" in first
    assert others == [
        "source.web: had 3 samples when the run began, and has 4; 2 samples of it were taken",
        f"source.web: has changed web.jsonl ({len(text)} bytes before, {len(text) + 17} now); 2 samples of it were "
        "taken",
        "source.classes: had 4 samples when the run began, and has 5; 2 samples of it were taken",
        "source.classes: has changed grey (4 pictures before, 5 now); 2 samples of it were taken",
    ]


def test_all_that_is_wrong_with_sources_is_said_at_once(tmp_path: Path) -> None:
    write(tmp_path / "data")
    (tmp_path / "data" / "0.tar").write_text("no tar")
    (tmp_path / "data" / "web.jsonl").write_text("[")
    with pytest.raises(RecipeError) as caught:
        run(tmp_path / "out", 'source.classes.folder = "nowhere"')
    first = RECIPE[: RECIPE.index("shards = ")].count("\n") + 1
    assert [(problem.path, str(problem.origin)) for problem in caught.value.problems] == [
        ("source.web", f"<text>:{first + 2}"),
        ("source.shards", f"<text>:{first}"),
        ("source.classes", f"<text>:{first + 3}"),
    ]
    assert "'data/0.tar' is not a tar file" in str(caught.value)


def test_a_source_without_one_picture_ends_before_the_first_step(tmp_path: Path) -> None:
    write(tmp_path / "data")
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(RecipeError) as caught:
        run(tmp_path / "out", 'source.chat.images = "elsewhere"')
    message = r"source 'chat': 64 examples in a row, from (\d+) on, cannot be used: 64 × missing picture"
    match = re.search(rf"stage\.all\.mixture: {message}", str(caught.value))
    assert match is not None
    assert int(match[1]) % 8 == 0, "the stage begins with a pass over the eight records"
    assert not (tmp_path / "out" / "checkpoints").exists()
