"""Parquet files, and folders as `datasets` saves them."""

from __future__ import annotations

import json
import pickle
import sys
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from janiform import SampleError, UsageError
from janiform_plugins.sources import arrow_files
from janiform_plugins.sources.captions import Captions
from janiform_plugins.sources.config import CaptionsConfig, ConversationsConfig, TextConfig
from janiform_plugins.sources.conversations import Conversations
from janiform_plugins.sources.records import Records, record_files
from janiform_plugins.sources.text import Text

from .conftest import jpeg

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def table(first: int, count: int) -> Any:
    rows = range(first, first + count)
    return pyarrow.table(
        {"image": [{"bytes": jpeg(row), "path": "x.png"} for row in rows], "text": [f"grey {row}" for row in rows]}
    )


def write_parquet(path: Path, first: int, count: int, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table(first, count), path, **options)
    return path


def save_to_disk(folder: Path, *counts: int) -> Path:
    """A folder as ``datasets.Dataset.save_to_disk`` writes it: Arrow streams, and JSON that lists them."""
    folder.mkdir(parents=True)
    names = [f"data-{number:05d}-of-{len(counts):05d}.arrow" for number in range(len(counts))]
    for number, (name, count) in enumerate(zip(names, counts, strict=True)):
        part = table(sum(counts[:number]), count)
        with pyarrow.OSFile(str(folder / name), "wb") as file, pyarrow.ipc.new_stream(file, part.schema) as stream:
            stream.write_table(part, max_chunksize=2)
    state = {"_data_files": [{"filename": name} for name in names], "_split": "train", "_format_type": None}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text(json.dumps({"features": {}}))
    return folder


def captions(*files: str, **settings: Any) -> Captions:
    return Captions(CaptionsConfig(files=files, shuffle=False, **settings))


def pairs(made: Captions) -> list[tuple[str, int]]:
    examples = [made.example(index) for index in range(made.epochs.length)]
    return [(e.turns[0].text, e.turns[1].content[0].picture.getpixel((0, 0))[0]) for e in examples]  # type: ignore[union-attr]


EXPECTED = [(f"grey {row}", row) for row in range(7)]


def test_parquet_files_are_read_by_row(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a-0.parquet", 0, 5, row_group_size=2)
    write_parquet(tmp_path / "a-1.parquet", 5, 2)
    made = captions("a-*.parquet")
    assert pairs(made) == EXPECTED
    assert [made.records.read(row)[1] for row in (4, 5)] == ["a-0.parquet:row 5", "a-1.parquet:row 1"]
    assert pairs(captions(".")) == EXPECTED, "a folder of Parquet files"
    assert pairs(pickle.loads(pickle.dumps(made))) == EXPECTED
    with get_context("fork").Pool(1) as pool:
        assert pool.apply(pairs, [made]) == EXPECTED
    text = Text(TextConfig(files=("a-*.parquet",)))
    assert sorted(text.example(index).turns[0].text for index in range(7)) == [text for text, _ in EXPECTED]


def test_folders_that_datasets_saved_are_read_in_their_order(tmp_path: Path) -> None:
    save_to_disk(tmp_path / "saved", 5, 2)
    made = captions("saved")
    assert pairs(made) == EXPECTED
    assert pairs(pickle.loads(pickle.dumps(made))) == EXPECTED
    assert pairs(captions("saved/data-*.arrow")) == EXPECTED
    part = table(0, 3)
    with pyarrow.OSFile("file.arrow", "wb") as file, pyarrow.ipc.new_file(file, part.schema) as writer:
        writer.write_table(part)
    assert pairs(captions("file.arrow")) == EXPECTED[:3], "Arrow's other format"


def test_conversations_may_be_columns(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "<image>?"}, {"from": "gpt", "value": "Grey."}]
    rows = pyarrow.table({"images": [[{"bytes": jpeg(4), "path": None}], []], "conversations": [turns, turns]})
    parquet.write_table(rows, tmp_path / "a.parquet")
    made = Conversations(ConversationsConfig(files=("a.parquet",), shuffle=False))
    assert [turn.text for turn in made.example(0).turns] == ["?", "Grey."]
    with pytest.raises(SampleError, match=r"a\.parquet:row 2: 1 × <image>, but 0 pictures"):
        made.example(1)


def test_several_splits_are_refused_by_name(tmp_path: Path) -> None:
    write_parquet(tmp_path / "hub" / "data" / "train-00000-of-00002.parquet", 0, 5)
    write_parquet(tmp_path / "hub" / "data" / "train-00001-of-00002.parquet", 5, 2)
    assert pairs(captions("hub")) == EXPECTED
    write_parquet(tmp_path / "hub" / "data" / "test-00000-of-00001.parquet", 0, 1)
    with pytest.raises(UsageError) as caught:
        captions("hub")
    assert str(caught.value) == (
        "'hub' holds several splits (name one or more of 'hub/data/test-*.parquet', 'hub/data/train-*.parquet')"
    )
    save_to_disk(tmp_path / "all" / "train", 7)
    (tmp_path / "all" / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    with pytest.raises(UsageError, match=r"'all' holds several splits \(name one or more of 'all/train', 'all/test'\)"):
        captions("all")
    assert pairs(captions("all/train")) == EXPECTED


def test_files_that_are_named_for_splits_are_not_mixed(tmp_path: Path) -> None:
    for name in ("train.parquet", "train_2.parquet"):
        (tmp_path / name).touch()
    assert [path.name for path in arrow_files.dataset_files(tmp_path)] == ["train.parquet", "train_2.parquet"]
    (tmp_path / "test.parquet").touch()
    with pytest.raises(UsageError, match=r"holds several splits .*test\*\.parquet.*train\*\.parquet"):
        arrow_files.dataset_files(tmp_path)


def test_files_that_cannot_be_read_are_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_parquet(tmp_path / "whole.parquet", 0, 5).read_bytes()
    (tmp_path / "cut.parquet").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.parquet").write_text("text")
    (tmp_path / "bad.arrow").write_bytes(b"\xff\xff\xff\xff" + bytes(99))
    parquet.write_table(table(0, 0), tmp_path / "none.parquet")
    twice = pyarrow.Table.from_arrays([pyarrow.array(["a"]), pyarrow.array(["b"])], names=["text", "text"])
    parquet.write_table(twice, tmp_path / "twice.parquet")
    saved = save_to_disk(tmp_path / "saved", 3)
    (saved / "data-00000-of-00001.arrow").unlink()
    for name, message in (
        ("cut.parquet", "'cut.parquet' is not a valid Parquet file: "),
        ("text.parquet", "'text.parquet' is not a valid Parquet file: "),
        ("bad.arrow", "'bad.arrow' "),
        ("none.parquet", "'none.parquet' holds no records"),
        ("twice.parquet", "'twice.parquet' has several columns with the name 'text'"),
        ("saved", "'saved/state.json' does not list the files of the data set"),
    ):
        with pytest.raises(UsageError) as caught:
            Records(record_files([name]))
        assert str(caught.value).startswith(message)
        assert "\n" not in str(caught.value)
    monkeypatch.setattr(arrow_files, "MAX_GROUP_BYTES", 100)
    with pytest.raises(UsageError, match=r"'whole.parquet' has a row group of .* MiB, which each of its records"):
        Records([Path("whole.parquet")])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pyarrow is not installed \(pip install 'janiform\[parquet\]'\)"):
        Records([Path("whole.parquet")])


def test_damage_within_a_file_is_listed(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", 0, 5, compression="zstd", write_page_checksum=True)
    records = Records([path])
    data = bytearray(path.read_bytes())
    data[4:200] = bytes(196)
    path.write_bytes(data)
    with pytest.raises(SampleError, match=r"a\.parquet:row 1: cannot be read: ") as caught:
        records.read(0)
    assert len(str(caught.value)) < 500
