"""Huge records and strange sizes in shards: skipped and listed, without being read."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from janiform import SampleError
from janiform_plugins.sources import records
from janiform_plugins.sources.config import TextConfig, WebDatasetConfig
from janiform_plugins.sources.text import Text
from janiform_plugins.sources.webdataset import WebDataset

from .conftest import captions, jpeg


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("as_list", [True, False])
def test_a_huge_record_is_skipped_by_its_size(
    first: bool, as_list: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MAX_RECORD_BYTES", 1 << 20)
    texts = ['{"text": "' + "word " * 300_000 + '"}', '{"text": "short"}']
    texts = texts if first else texts[::-1]
    (tmp_path / "a.json").write_text(f"[{','.join(texts)}]" if as_list else "\n".join(texts) + "\n")
    source = Text(TextConfig(files=["a.json"], shuffle=False))
    assert source.contents().samples == 2
    huge = 0 if first else 1
    with pytest.raises(SampleError, match=r"a\.json:\d: has 1 MiB; the limit of a record is 1 MiB") as caught:
        source.example(huge)
    assert caught.value.kind == "huge record"
    assert source.example(1 - huge).turns[0].text == "short"


def shard_with(path: Path, pax: dict[str, str], **members: bytes) -> WebDataset:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in [*captions(0, 2).items(), *members.items(), *captions(2, 2).items()]:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            member.pax_headers = pax if name in members else {}
            tar.addfile(member, io.BytesIO(data))
    return WebDataset(WebDatasetConfig(files=[path.name], shuffle=False))


@pytest.mark.parametrize(
    "pax",
    [
        {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,5", "GNU.sparse.size": "-5"},
        {"GNU.sparse.map": "0,5", "GNU.sparse.size": "100"},
        {"GNU.sparse.size": "-1", "GNU.sparse.numblocks": "1", "GNU.sparse.offset": "0", "GNU.sparse.numbytes": "-9"},
        {"size": "-1024"},
        {"size": "-1"},
        {"size": "1e999"},
        {"size": "9" * 30},
        {"size": str(2**62)},
    ],
)
def test_strange_sizes_are_skipped_and_the_rest_is_read_or_named_as_lost(pax: dict[str, str], tmp_path: Path) -> None:
    source = shard_with(tmp_path / "a.tar", pax, **{"bad.png": jpeg(9), "bad.txt": b"nine"})
    texts: list[str] = []
    kinds: list[str] = []
    for index in range(len(source.shards)):
        try:
            texts.append(source.example(index).turns[0].text)
        except SampleError as error:
            kinds.append(error.kind)
    assert texts[:2] == ["grey 0", "grey 1"]
    assert kinds
    assert set(kinds) <= {"sparse member", "damaged shard", "no caption", "huge member"}
    assert texts[2:] in ([], ["grey 2", "grey 3"])
