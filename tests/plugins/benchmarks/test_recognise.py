"""Data are recognised by their names, and by their content where they were renamed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import data_gqa
import data_mme
import data_pope
import data_seed
import pytest
from data_files import write_json, write_lines, write_table
from janiform_plugins.benchmarks.recognise import FORMATS, looks_like

WRITERS = {
    "POPE": (data_pope.write_official, data_pope.write_vlmevalkit, data_pope.write_llava),
    "MME": (data_mme.write_official, data_mme.write_vlmevalkit, data_mme.write_llava),
    "GQA": (data_gqa.write_official, data_gqa.write_vlmevalkit, data_gqa.write_llava),
    "SEED-Bench": (data_seed.write_official, data_seed.write_vlmevalkit, data_seed.write_llava),
}


@pytest.mark.parametrize(("benchmark", "writers"), WRITERS.items())
def test_folders_are_recognised(benchmark: str, writers: tuple[Callable[[Path], Path], ...], tmp_path: Path) -> None:
    for number, write in enumerate(writers):
        match = looks_like(write(tmp_path / str(number)))
        assert match is not None
        assert match[0] == benchmark


@pytest.mark.parametrize(("benchmark", "writers"), WRITERS.items())
def test_renamed_files_are_recognised(
    benchmark: str, writers: tuple[Callable[[Path], Path], ...], tmp_path: Path
) -> None:
    for number, write in enumerate(writers):
        folder = tmp_path / str(number)
        write(folder)
        for file in [path for path in folder.rglob("*") if path.suffix in (".json", ".jsonl", ".tsv")]:
            renamed = file.rename(file.with_stem(f"mine{len(list(folder.rglob('mine*')))}"))
            match = looks_like(renamed)
            # LLaVA's questions of GQA have nothing that only they have.
            expected = None if (benchmark, renamed.suffix) == ("GQA", ".jsonl") else benchmark
            assert (match and match[0]) == expected, file


def test_the_other_benchmarks_are_told_by_their_content(tmp_path: Path) -> None:
    table = {"index": 1, "question": "q", "answer": "A", "A": "x", "B": "y"}
    tables = {
        "MMBench": {**table, "hint": "", "category": "ocr", "l2-category": "coarse_perception", "split": "dev"},
        "MMMU": {**table, "image_path": "x", "category": "Accounting", "l2-category": "Business", "split": "dev"},
        "MM-Vet": {"index": 1, "question": "q", "answer": "x", "category": "ocr,math"},
        "DPG-Bench": {"item_id": "1", "text": "t"},
    }
    for name, row in tables.items():
        match = looks_like(write_table(tmp_path / "x.tsv", [row]))
        assert match is not None
        assert match[0] == name
    line = {"tag": "counting", "include": [], "prompt": "p"}
    assert looks_like(write_lines(tmp_path / "x.jsonl", [line])) == ("GenEval", "official")
    answers = {"validation_Accounting_1": {"question_type": "multiple-choice", "ground_truth": "B"}}
    assert looks_like(write_json(tmp_path / "x.json", answers)) == ("MMMU", "official")
    value = {"v1_0": {"imagename": "v1_0.png", "question": "q", "answer": "x", "capability": ["ocr"]}}
    assert looks_like(write_json(tmp_path / "x.json", value)) == ("MM-Vet", "official")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b"{", b'{"a": 1}', b"a\tb\n", b"x" * 100])
@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".tsv", ".txt", ".csv"])
def test_other_files_are_not_recognised(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    assert looks_like(path) is None


def test_no_two_benchmarks_share_a_name() -> None:
    patterns = [pattern.lower() for formats in FORMATS.values() for names in formats.values() for pattern in names]
    assert len(set(patterns)) == len(patterns)
