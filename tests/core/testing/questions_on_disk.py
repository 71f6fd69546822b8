"""Tiny data of the benchmarks of questions, made when they are first used."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "plugins" / "benchmarks"))

import data_gqa
import data_mm_vet
import data_mmbench
import data_mme
import data_mmmu
import data_pope
import data_seed
from hypothesis import strategies as st

_FOLDER = tempfile.TemporaryDirectory(prefix="janiform-questions-")
ROOT = Path(_FOLDER.name)

PROFILES = st.sampled_from(("official", "janus"))

QUESTIONS = {
    "pope": {"data": data_pope.write_official(ROOT / "pope"), "profile": PROFILES},
    "mme": {"data": data_mme.write_official(ROOT / "mme"), "profile": PROFILES},
    "gqa": {"data": data_gqa.write_vlmevalkit(ROOT / "gqa")},
    "seed-bench": {"data": data_seed.write_vlmevalkit(ROOT / "seed")},
    "mmbench": {"data": data_mmbench.write_vlmevalkit(ROOT / "mmbench")},
    "mmmu": {"data": data_mmmu.write_official(ROOT / "mmmu"), "max_new_tokens": 8},
    "mm-vet": {"data": data_mm_vet.write_official(ROOT / "mm-vet"), "judge": "none", "max_new_tokens": 8},
}
"""Settings by the name of the benchmark."""
