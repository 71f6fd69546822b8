"""Tiny data of the benchmarks of drawing, and models that judge, made when they are first used."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2] / "plugins" / "benchmarks"))

import tiny_transformers
from data_drawing import write_dpg, write_geneval

_FOLDER = tempfile.TemporaryDirectory(prefix="janiform-drawing-")
ROOT = Path(_FOLDER.name)


@cache
def _written(write: Callable[[Path], Path]) -> Path:
    return write(ROOT / write.__name__)


def _made(write: Callable[[Path], Path]) -> st.SearchStrategy[Path]:
    """The folder that a function writes, on the first draw: models of transformers take seconds to import."""
    return st.deferred(lambda: st.just(_written(write)))


DRAWING = {
    "geneval": {
        "data": write_geneval(ROOT / "geneval"),
        "pictures": 1,
        "detector": "zero-shot",
        "detector_weights": _made(tiny_transformers.owlvit),
        "colour_weights": _made(tiny_transformers.clip),
        "judge_device": "cpu",
    },
    "dpg-bench": {
        "data": write_dpg(ROOT / "dpg"),
        "pictures": st.sampled_from((1, 4)),
        "vqa": "vilt",
        "vqa_weights": _made(tiny_transformers.vilt),
        "judge_device": "cpu",
    },
}
"""Settings by the name of the benchmark."""
