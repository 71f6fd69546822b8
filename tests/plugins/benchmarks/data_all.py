"""The data of all nine benchmarks in one folder, as ``janiform eval --data`` reads them, and judges for them."""

from __future__ import annotations

import json
from pathlib import Path

import data_drawing
import data_gqa
import data_mm_vet
import data_mmbench
import data_mme
import data_mmmu
import data_pope
import data_seed
import tiny_transformers

UNDERSTANDING = {
    "pope": data_pope,
    "mme": data_mme,
    "gqa": data_gqa,
    "seed-bench": data_seed,
    "mmbench": data_mmbench,
    "mmmu": data_mmmu,
    "mm-vet": data_mm_vet,
}
DRAWING = {"geneval": data_drawing.write_geneval, "dpg-bench": data_drawing.write_dpg}
NAMES = (*UNDERSTANDING, *DRAWING)


def formats_of(name: str) -> dict[str, str]:
    """The formats of a benchmark's data with the functions that write them."""
    writers = ((kind, f"write_{kind}") for kind in ("official", "vlmevalkit", "llava"))
    return {kind: writer for kind, writer in writers if hasattr(UNDERSTANDING[name], writer)}


def write_all(folder: Path, kind: str) -> Path:
    """The data of all benchmarks in a format, or in the only other one that there is."""
    for name, module in UNDERSTANDING.items():
        own = folder / name
        own.mkdir(parents=True)
        if (name, kind) == ("mm-vet", "llava"):
            module.write_official(own)
        getattr(module, f"write_{kind if kind in formats_of(name) else 'vlmevalkit'}")(own)
    for name, write in DRAWING.items():
        (folder / name).mkdir()
        write(folder / name)
    return folder


def write_judges(folder: Path) -> dict[str, str]:
    """Models that judge drawings, with random weights: settings by the name of the benchmark and of the setting."""
    return {
        "geneval.detector_weights": str(tiny_transformers.mask2former(folder / "mask2former")),
        "geneval.colour_weights": str(tiny_transformers.clip(folder / "clip")),
        "dpg-bench.vqa": "blip",
        "dpg-bench.vqa_weights": str(tiny_transformers.blip(folder / "blip")),
        "judge_device": "cpu",
    }


def options(settings: dict[str, str | int]) -> list[str]:
    """Settings as options of a command."""
    return [text for name, value in settings.items() for text in ("--set", f"{name}={json.dumps(value)}")]
