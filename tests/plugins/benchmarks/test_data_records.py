"""The settings of a score tell when any file of the data has changed, in every format of the benchmarks."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import data_drawing
import data_gqa
import data_mm_vet
import data_mmbench
import data_mme
import data_mmmu
import data_pope
import data_seed
import pytest
from data_files import write_json
from janiform.components.registrar import Registrar
from janiform.evaluate.benchmarks import build_benchmark
from janiform.evaluate.checked import CheckedBenchmark
from janiform.evaluate.compare import protocol_differences
from janiform_plugins.benchmarks import janiform_register

QUESTIONS = ("write_official", "write_vlmevalkit", "write_llava")
CASES: list[tuple[str, Any, str]] = [
    *((name, module, write) for name, module in
      {"pope": data_pope, "mme": data_mme, "gqa": data_gqa, "seed-bench": data_seed, "mm-vet": data_mm_vet}.items()
      for write in QUESTIONS),
    ("mmbench", data_mmbench, "write_vlmevalkit"),
    ("mmmu", data_mmmu, "write_official"),
    ("mmmu", data_mmmu, "write_vlmevalkit"),
    ("geneval", data_drawing, "write_geneval"),
    ("dpg-bench", data_drawing, "write_dpg"),
]  # fmt: skip
PICTURES = (".jpg", ".jpeg", ".png", "")


def settings_of(name: str, data: Path, **more: Any) -> Mapping[str, Any]:
    registrar = Registrar("benchmarks")
    janiform_register(registrar)
    components, _ = registrar.finish()
    (component,) = (component for component in components if component.reference == f"{name}@1")
    judged = {"judge": "none"} if name == "mm-vet" else {}
    return CheckedBenchmark(build_benchmark(component, {"data": str(data), **judged, **more})).settings()


@pytest.mark.parametrize(("name", "module", "write"), CASES, ids=[f"{name}-{write[6:]}" for name, _, write in CASES])
def test_a_change_of_any_file_is_another_protocol(tmp_path: Path, name: str, module: Any, write: str) -> None:
    if write == "write_llava" and name == "mm-vet":
        module.write_official(tmp_path / "data")
    getattr(module, write)(tmp_path / "data")
    shutil.rmtree(tmp_path / "data" / "coco" / "val2014", ignore_errors=True)  # a copy that is not read
    before = settings_of(name, tmp_path / "data")
    assert before["data"], "the files are recorded"
    assert {len(entry["sha256"]) for entry in before["data"]} == {64}
    copied = shutil.copytree(tmp_path / "data", tmp_path / "elsewhere")
    assert not protocol_differences(before, settings_of(name, copied)), "the place of the data does not count"
    for file in [path for path in copied.rglob("*") if path.is_file()]:
        content = file.read_bytes()
        if file.suffix == ".parquet":
            rows = [{**row, "question": f"{row['question']} Why?"} for row in data_mmmu.hub_rows()]
            data_mmmu.write_official(copied, rows)
        else:
            addition = b" more" if file.parent.name == "prompts" else b"\0" if file.suffix in PICTURES else b"\n"
            file.write_bytes(content + addition)
        assert protocol_differences(before, settings_of(name, copied)), file.relative_to(copied)
        if file.suffix == ".parquet":
            return
        file.write_bytes(content)


def test_the_folders_of_mme_have_one_entry_each(tmp_path: Path) -> None:
    settings = settings_of("mme", data_mme.write_official(tmp_path))
    assert [entry["folder"] for entry in settings["data"]] == sorted(data_mme.TASKS)
    texts = list(tmp_path.rglob("*.txt"))
    assert sum(entry["files"] for entry in settings["data"]) == len(texts)
    assert sum(entry["bytes"] for entry in settings["data"]) == sum(path.stat().st_size for path in texts)
    assert settings["picture_files"]["files"] == settings["pictures"]
    without = settings_of("mme", tmp_path, without_pictures=True)
    assert "picture_files" not in without
    assert without["data"] == settings["data"]


def test_another_subset_of_one_name_is_another_protocol(tmp_path: Path) -> None:
    data = data_mm_vet.write_official(tmp_path / "data")
    subsets = [
        write_json(tmp_path / str(number) / "subset.json", keys) for number, keys in enumerate((["v1_0"], ["v1_1"]))
    ]
    first, second = (settings_of("mm-vet", data, subset=str(path)) for path in subsets)
    assert protocol_differences(first, second)
